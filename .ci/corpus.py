"""Read gunicorn's own corpus of requests with the kit's worker and with gunicorn.

The corpus comes from the source distribution of the gunicorn that is installed, and its
hash is checked. Nothing of it is kept. Every disagreement must be in ``KNOWN``.
"""

import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import gunicorn
from gunicorn.config import Config
from gunicorn.util import split_request_uri

sys.path.insert(0, str(Path(__file__).parent.parent))

from modern_flask.server.worker.worker import _find_reason
from tests.server.worker.oracle import Ours, compare, read_as_gunicorn

VERSION = "27.0.1"
SHA256 = "b1514965361c8b7e8107a80aa2a92636878df1ccfac6dd204a676426e04d9e3e"

KNOWN = {
    # The body is 9 KB shorter than its Content-Length. Gunicorn calls the app with what
    # came before the end of the stream; the worker never calls it with half a body.
    "valid/099.http": "gunicorn: wait; worker: same",
    # The stream ends before the last CRLF of a chunked body. At the end of the stream
    # gunicorn answers 400; the worker waits for the rest, and closes at the end.
    "invalid/rfc9112_chunked_missing_final_crlf_01.http": "later",
}
"""What differs, and why. The rest must be read alike, or be refused by both."""


def download(folder: str) -> bytes:
    """Download the source distribution, and check its hash."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", ":all:", "--dest", folder, f"gunicorn=={VERSION}"]
    # Constraints and editable requirements of the job have nothing to do with it.
    environ = {k: v for k, v in os.environ.items() if k != "PIP_CONSTRAINT"}
    subprocess.run(command, check=True, env=environ)
    (path,) = Path(folder).glob("gunicorn-*.tar.gz")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        sys.exit(f"The hash of {path.name} is {found}, not {SHA256}.")
    return data


def read_files(archive: bytes) -> dict[str, bytes]:
    """Read the files of the corpus by their names, as ``valid/001.http``."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            _, _, name = member.name.partition("/tests/requests/")
            file = tar.extractfile(member) if name else None
            if file is not None:
                found[name] = file.read()
    return found


def decode(text: bytes) -> bytes:
    r"""Decode a file: only ``\r``, ``\n``, ``\t``, ``\0`` and ``\xHH`` are bytes."""
    text = text.replace(b"\n", b"")
    names = {ord("r"): 13, ord("n"): 10, ord("t"): 9, ord("0"): 0}
    found, at = bytearray(), 0
    while at < len(text):
        if text[at] != 0x5C:
            found.append(text[at])
            at += 1
        elif text[at + 1] == ord("x"):
            found.append(int(text[at + 2 : at + 4], 16))
            at += 4
        else:
            found.append(names[text[at + 1]])
            at += 2
    return bytes(found)


def load(source: bytes) -> dict[str, Any]:
    """Execute the Python file beside a request: what is expected, and settings."""
    names: dict[str, Any] = {"cfg": Config(), "uri": split_request_uri}
    # The archive has the hash that it should have.
    exec(source, names)
    names["cfg"].set("http_parser", "python")
    return names


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    """Cut a stream at random places."""
    at = sorted(chance.choices(range(len(data)), k=chance.randint(0, 8)))
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


def check(name: str, data: bytes, expected: dict[str, Any]) -> str:
    """Return how the worker reads a file; ``same`` if as gunicorn does."""
    cfg = expected["cfg"]
    gunicorn = read_as_gunicorn(data, cfg)
    if _find_reason(cfg):
        return "left to gunicorn's worker"
    ours, chance = Ours(cfg), random.Random(name)
    ways = [[data], [data[at : at + 1] for at in range(len(data))]]
    ways += [cut(data, chance) for _ in range(20)]
    found = {compare(ours.read(way), gunicorn) for way in ways}
    text = ", ".join(sorted(found))
    if name.startswith("invalid/"):
        is_as_said = not gunicorn.requests and gunicorn.end != "end"
    else:
        is_as_said = len(gunicorn.requests) == _count(expected["request"])
    if is_as_said:
        return text
    return f"gunicorn: {gunicorn.end}; worker: {text}"


def _count(request: Any) -> int:
    return len(request) if isinstance(request, list) else 1


def main() -> None:
    """Check all files; exit with 1 if one is read otherwise and not known."""
    if gunicorn.__version__ != VERSION:
        sys.exit(f"gunicorn is {gunicorn.__version__}: set VERSION and SHA256 to it.")
    with tempfile.TemporaryDirectory() as folder:
        files = read_files(download(folder))
    counts: dict[str, int] = {}
    wrong = []
    for name in sorted(files):
        if name.endswith(".http"):
            expected = load(files[name.removesuffix("http") + "py"])
            found = check(name, decode(files[name]), expected)
            counts[found] = counts.get(found, 0) + 1
            if found not in (KNOWN.get(name, "same"), "left to gunicorn's worker"):
                wrong.append(f"{name}: {found}")
    sys.stdout.write(f"gunicorn {VERSION}: {counts}\n")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
