"""Bodies are collected up to their end, however the bytes come."""

import io
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser

from modern_flask.server.worker.bodies import ChunkedBody, CountedBody

CONFIG = Config()
HEAD = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"


Made = list[CountedBody | ChunkedBody]
_made: Made = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Every body that a test has made is closed."""
    yield
    while _made:
        _made.pop().close()


def make_request() -> Any:
    return next(RequestParser(CONFIG, [HEAD], ("10.0.0.1", 1)))


def read_as_gunicorn(data: bytes) -> bytes:
    request = next(RequestParser(CONFIG, [HEAD + data], ("10.0.0.1", 1)))
    found: bytes = request.body.read()
    return found


def feed(data: bytes, cuts: list[int]) -> tuple[ChunkedBody, bytes | None]:
    body, rest = ChunkedBody(make_request(), 1000), None
    _made.append(body)
    ends = [*sorted(cuts), len(data)]
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        assert rest is None or rest == b""
        rest = body.feed(data[start:end])
        if rest is not None:
            return body, rest + data[end:]
    return body, rest


@pytest.mark.parametrize("size", [0, 1, 10, 1000, 1001, 5000])
def test_counted(size: int) -> None:
    """A body of known length ends there; what follows it is given back."""
    data = bytes(number % 251 for number in range(size))
    body = CountedBody(size, memory=1000)
    _made.append(body)

    rest = None
    for start in range(0, size, 700):
        rest = body.feed(data[start : start + 700])
    rest = body.feed(b"next") if rest is None or not size else b"next"

    assert rest == b"next"
    assert body.open().read() == data


CHUNKED = [
    b"0\r\n\r\n",
    b"3\r\nabc\r\n0\r\n\r\n",
    b"3;a=b\r\nabc\r\n0;c\r\n\r\n",
    b"A \t;x\r\n0123456789\r\n1\r\n\r\r\n0\r\n\r\n",
    b"2\r\n\r\n\r\n000\r\n\r\n",
    b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n",
]


@pytest.mark.parametrize("data", CHUNKED)
def test_chunked(data: bytes) -> None:
    """Wherever the bytes are cut, the body is what gunicorn reads."""
    expected = read_as_gunicorn(data)

    for cut in range(len(data) + 1):
        body, rest = feed(data + b"GET", [cut])
        assert rest == b"GET"
        assert body.open().read() == expected


MALFORMED = [
    b"\r\n\r\n",
    b"x\r\nabc\r\n0\r\n\r\n",
    b"-1\r\na\r\n0\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3;\ra\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n",
    b"1" * 9000 + b"\r\n",
]


@pytest.mark.parametrize("data", MALFORMED)
def test_malformed(data: bytes) -> None:
    """What gunicorn refuses is refused, and its end is no next request."""
    with pytest.raises(Exception):  # noqa: B017
        read_as_gunicorn(data)

    for cut in range(len(data) + 1):
        with pytest.raises(ParseException):
            feed(data, [cut])


def test_fuzzed_chunks() -> None:
    """Of fuzzed chunks only those are complete that gunicorn reads, and alike."""
    chance = random.Random(3)
    pieces = (
        *(b"0", b"3", b"a", b"00", b"\r\n", b"\n", b"\r", b"abc", b";x=1", b" "),
        *(b"3\r\nabc\r\n", b"0\r\n\r\n", b"X: y\r\n", b"\r\n\r\n", b"G", b"\x00"),
    )
    complete = 0
    for _ in range(3000):
        data = b"".join(chance.choices(pieces, k=chance.randint(1, 9)))
        cuts = [chance.randrange(len(data) + 1) for _ in range(3)]
        try:
            body, rest = feed(data, cuts)
        except ParseException:
            continue
        if rest is None:
            continue
        complete += 1
        assert body.open().read() == read_as_gunicorn(data[: len(data) - len(rest)])

    assert complete > 100


def test_long_chunked_body_is_streamed() -> None:
    """The bytes so far of a body that is too long come first, then the others."""
    body = ChunkedBody(make_request(), 10)
    _made.append(body)
    data = b"5\r\nabcde\r\nff\r\n" + b"x" * 100

    assert body.feed(data) is None
    found = b"".join(body.stream([b"y" * 155, b"\r\n0\r\n", b"\r\n"]))

    assert found == b"abcde" + b"x" * 100 + b"y" * 155


@pytest.mark.parametrize("line", [b"1\r\n", b'1 ;a="b"\r\n'])
def test_small_chunks_cost_little(line: bytes) -> None:
    """The time for a body of small chunks is proportional to its length."""
    body = ChunkedBody(make_request(), 10)
    _made.append(body)
    begun = time.process_time()

    # Gunicorn's reader takes 0.6 s for them, if it gets 64 KiB at a time.
    assert body.feed((line + b"a\r\n") * 100_000) is None
    assert body.feed(b"0\r\n\r\n") == b""
    assert body.open().read() == b"a" * 100_000
    assert time.process_time() - begun < 0.4


LONG_LINES = [
    b"1;" + b"a" * 8000,
    b"1" + b";a" * 4000,
    b"1" + b" ;" * 4000,
    b'1;a="' + b"a" * 8000,
    b'1;a="' + b"\\a" * 4000,
    b"1" + b" " * 8000,
    b"1;a" + b" " * 8000,
]


@pytest.mark.parametrize("data", [*LONG_LINES, b"0\r\n" + b"X: a\r\n" * 5000])
def test_byte_by_byte_costs_little(data: bytes) -> None:
    """A long line that comes byte by byte is not searched again for each byte."""
    body = ChunkedBody(make_request(), 10)
    _made.append(body)
    begun = time.process_time()

    for at in range(len(data)):
        assert body.feed(data[at : at + 1]) is None

    assert time.process_time() - begun < 0.4


def test_lines_of_a_body_in_a_file() -> None:
    """A body in a file gives its lines without a system call for each byte."""
    body = CountedBody(200_000, memory=1000)
    _made.append(body)
    body.feed(b"abcdefghi\n" * 20_000)
    file = body.open()

    assert isinstance(file, io.BufferedReader)
    assert file.readline() == b"abcdefghi\n"
    assert sum(1 for _ in file) == 19_999


@pytest.mark.parametrize("chunked", [True, False])
def test_full_disk(chunked: bool) -> None:
    """What a full disk takes of a body is never passed on as the whole body."""
    code = f"""
import resource
from gunicorn.config import Config
from gunicorn.http.errors import ParseException
from gunicorn.http.parser import RequestParser
from modern_flask.server.worker.bodies import ChunkedBody, CountedBody
request = next(RequestParser(Config(), [{HEAD!r}], ("10.0.0.1", 1)))
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
body = ChunkedBody(request, 10) if {chunked} else CountedBody(65_536, 10)
data = b"10000\\r\\n" if {chunked} else b""
try:
    print("rest", body.feed(data + b"x" * 65_536))
except OSError as error:
    print(error.strerror)
body.close()
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert (found.stdout, found.stderr) == ("File too large\n", "")
