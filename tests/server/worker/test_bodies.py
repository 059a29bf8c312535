"""Bodies are collected up to their end, however the bytes come."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config
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
    body, rest = feed(data, [])

    assert rest is None or rest == b"" or body.is_malformed
    if rest is not None:
        with pytest.raises(Exception):  # noqa: B017
            body.open()


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
        body, rest = feed(data, cuts)
        if rest is None:
            continue
        try:
            found = body.open().read()
        except Exception:
            continue
        complete += 1
        assert found == read_as_gunicorn(data[: len(data) - len(rest)])

    assert complete > 100


def test_long_chunked_body_is_handed_over() -> None:
    """The bytes so far of a body that is too long come again, in their order."""
    body = ChunkedBody(make_request(), 10)
    _made.append(body)
    data = b"5\r\nabcde\r\nff\r\n" + b"x" * 100

    assert body.feed(data) is None
    assert b"".join(body.take_raw()) == data
