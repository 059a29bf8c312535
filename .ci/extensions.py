"""Test the kit beside each extension of tests/extensions, in an environment of its own.

    .venv/bin/python .ci/extensions.py [NAME...]

The Python that runs this has the kit and its tests. Each environment is a layer over
it, in .ci/var/extensions.
"""

import subprocess
import sys
import sysconfig
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "extensions"
ENVIRONMENTS = ROOT / ".ci" / "var" / "extensions"


def list_extensions() -> list[str]:
    """Return the folders that have requirements, or those that the command names."""
    known = sorted(file.parent.name for file in TESTS.glob("*/requirements.txt"))
    wanted = sys.argv[1:] or known
    if not known or set(wanted) - set(known):
        sys.exit(f"{TESTS} has these extensions: {', '.join(known) or 'none'}.")
    return wanted


def make_environment(name: str) -> str:
    """Make an environment on top of the running one, and return its Python."""
    folder = ENVIRONMENTS / name
    venv.create(folder, clear=True, with_pip=False)
    below = sysconfig.get_path("purelib")
    inside = sysconfig.get_path("purelib", vars={"base": str(folder)})
    # addsitedir reads the .pth files too: that of the kit, which is installed editable.
    Path(inside, "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
    return str(folder / "bin" / "python")


def test_extension(name: str) -> tuple[bool, str]:
    """Install what the extension needs and run its tests; return their output."""
    python = make_environment(name)
    needed = TESTS / name / "requirements.txt"
    constraints = ROOT / "constraints.txt"
    pip = ["-m", "pip", "--python", python, "install", "-q", "-c", constraints]
    tests = ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", TESTS / name]
    output = f"\n-- {name}: {needed.read_text().strip()}\n"
    begun = perf_counter()
    for program, *words in (
        [sys.executable, *pip, "-r", needed],
        [python, *tests],
    ):
        done = subprocess.run(
            [program, *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output += done.stdout
        if done.returncode:
            return False, output
    return True, f"{output}{perf_counter() - begun:.0f} s\n"


def main() -> None:
    """Test two extensions at a time; leave with 1 if the tests of any fail."""
    failed = []
    names = list_extensions()
    with ThreadPoolExecutor(2) as pool:
        outputs = pool.map(test_extension, names)
        for name, (passed, output) in zip(names, outputs, strict=True):
            print(output, end="", flush=True)  # noqa: T201
            if not passed:
                failed.append(name)
    if failed:
        sys.exit(f"The tests beside {', '.join(failed)} failed.")


main()
