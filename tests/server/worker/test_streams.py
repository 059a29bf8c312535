"""Streams of requests are read as gunicorn reads them, or they are refused."""

import random
from collections import Counter
from typing import Any

import pytest

from tests.server.worker.oracle import Ours, compare, make_config, read_as_gunicorn

CHUNKED = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"


def post(*fields: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    lines = b"".join(field + b"\r\n" for field in (b"Host: a", *fields))
    return b"POST /a HTTP/" + version + b"\r\n" + lines + b"\r\n" + body


CL3, TE = b"Content-Length: 3", b"Transfer-Encoding: chunked"
EMPTY = b"0\r\n\r\n"

SMUGGLING = {
    "both": post(CL3, TE, body=EMPTY),
    "both, other order": post(TE, CL3, body=EMPTY),
    "two lengths": post(CL3, b"Content-Length: 5", body=b"abcde"),
    "same length twice": post(CL3, CL3, body=b"abc"),
    "list of lengths": post(b"Content-Length: 3, 3", body=b"abc"),
    "length with a sign": post(b"Content-Length: +3", body=b"abc"),
    "negative length": post(b"Content-Length: -3", body=b"abc"),
    "length in hexadecimal": post(b"Content-Length: 0x3", body=b"abc"),
    "length with an underscore": post(b"Content-Length: 1_0", body=b"abcdefghij"),
    "length with a fraction": post(b"Content-Length: 3.0", body=b"abc"),
    "length with other digits": post(b"Content-Length: \xb3", body=b"abc"),
    "length with spaces inside": post(b"Content-Length: 3 3", body=b"abc"),
    "empty length": post(b"Content-Length:", body=b"abc"),
    "length after a space": post(b"Content-Length : 3", body=b"abc"),
    "length with underscore": post(b"Content_Length: 3", body=b"abc"),
    "coding after a space": post(b"Transfer-Encoding : chunked", body=EMPTY),
    "coding after a tab": post(b"Transfer-Encoding:\tchunked", CL3, body=EMPTY),
    "coding with underscore": post(b"Transfer_Encoding: chunked", CL3, body=b"abc"),
    "chunked twice": post(TE, TE, body=EMPTY),
    "chunked twice in a list": post(b"Transfer-Encoding: chunked, chunked", body=EMPTY),
    "identity last": post(b"Transfer-Encoding: chunked, identity", body=EMPTY),
    "identity alone": post(b"Transfer-Encoding: identity", CL3, body=b"abc"),
    "gzip alone": post(b"Transfer-Encoding: gzip", CL3, body=b"abc"),
    "unknown coding": post(b"Transfer-Encoding: xchunked", CL3, body=b"abc"),
    "coding in quotes": post(b'Transfer-Encoding: "chunked"', CL3, body=b"abc"),
    "coding and a vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=EMPTY),
    "coding and NUL": post(b"Transfer-Encoding: chunked\x00", body=EMPTY),
    "empty coding": post(b"Transfer-Encoding:", CL3, body=b"abc"),
    "folded coding": post(b"Transfer-Encoding:", b" chunked", body=EMPTY),
    "folded field": post(b"X: a", b" Content-Length: 3", body=b"abc"),
    "field before all": b"POST / HTTP/1.1\r\n Content-Length: 3\r\n\r\nabc",
    "old version with coding": post(TE, body=EMPTY, version=b"1.0"),
    "old version with both": post(TE, CL3, body=EMPTY, version=b"1.0"),
    "version 1.2": post(TE, CL3, body=EMPTY, version=b"1.2"),
    "version 0.9": post(CL3, body=b"abc", version=b"0.9"),
    "version 2.0": post(CL3, body=b"abc", version=b"2.0"),
    "no version": b"GET /\r\n\r\n",
    "bare LF in the head": b"POST / HTTP/1.1\r\nHost: a\nContent-Length: 3\r\n\r\nabc",
    "bare LF at the end": b"POST / HTTP/1.1\r\nContent-Length: 3\n\r\nabc",
    "only LF": b"POST / HTTP/1.1\nContent-Length: 3\n\nabc",
    "bare CR in the head": b"POST / HTTP/1.1\r\nX: a\rContent-Length: 3\r\n\r\nabc",
    "bare CR as the end": b"POST / HTTP/1.1\r\nContent-Length: 3\r\r\nabc",
    "two empty lines before": b"\r\n\r\n" + NEXT,
    "empty line with a space before": b" \r\n" + NEXT,
    "space before the method": b" " + NEXT,
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "name with a space": post(b"Content Length: 3", body=b"abc"),
    "name with a colon": post(b":Content-Length: 3", body=b"abc"),
    "empty name": post(b": 3", body=b"abc"),
    "name with NUL": post(b"Content-Length\x00: 3", body=b"abc"),
    "name beyond ASCII": post(b"Content-Length\xa0: 3", body=b"abc"),
    "no colon": post(b"Content-Length 3", body=b"abc"),
    "target with a space": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "target with a tab": b"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n",
    "target with a fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "target with two slashes": b"GET //evil/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute target": b"GET http://evil/a?b HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute target, no scheme": b"GET ://evil/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "target of CONNECT": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "target *": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "target * of GET": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "broken address": b"GET http://[::1/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "two schemes": (
        b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-SSL: off\r\n\r\n"
    ),
    "beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "expectation of an old client": post(
        b"Expect: 100-continue", CL3, body=b"abc", version=b"1.0"
    ),
    "upgrade with a body": post(b"Upgrade: h2c", CL3, body=b"abc"),
    "keep-alive and close": post(b"Connection: keep-alive, close", CL3, body=b"abc"),
    "connection twice": post(b"Connection: close", b"Connection: keep-alive"),
}

BODIES = {
    "size with a sign": b"+3\r\nabc\r\n" + EMPTY,
    "negative size": b"-3\r\nabc\r\n" + EMPTY,
    "size with 0x": b"0x3\r\nabc\r\n" + EMPTY,
    "size with an underscore": b"1_0\r\nabcdefghijklmnop\r\n" + EMPTY,
    "size after a space": b" 3\r\nabc\r\n" + EMPTY,
    "size before a space": b"3 \r\nabc\r\n" + EMPTY,
    "size beyond 64 bits": b"10000000000000003\r\nabc\r\n" + EMPTY,
    "long size": b"0" * 100 + b"3\r\nabc\r\n" + EMPTY,
    "empty size": b"\r\nabc\r\n" + EMPTY,
    "bare LF after the size": b"3\nabc\r\n" + EMPTY,
    "bare CR after the size": b"3\rabc\r\n" + EMPTY,
    "data too long": b"3\r\nabcd\r\n" + EMPTY,
    "data too short": b"3\r\nab\r\n" + EMPTY,
    "LF after the data": b"3\r\nabc\n" + EMPTY,
    "no line end after the data": b"3\r\nabc" + EMPTY,
    "extension": b"3;a\r\nabc\r\n" + EMPTY,
    "extension with a value": b"3;a=b;c=d\r\nabc\r\n" + EMPTY,
    "extension in quotes": b'3;a="b;\\"c"\r\nabc\r\n' + EMPTY,
    "extension after spaces": b"3 \t; a = b\r\nabc\r\n" + EMPTY,
    "extension with bare LF": b"3;a\nb\r\nabc\r\n" + EMPTY,
    "extension with bare CR": b"3;a\rb\r\nabc\r\n" + EMPTY,
    "extension without a name": b"3;\r\nabc\r\n" + EMPTY,
    "extension without a value": b"3;a=\r\nabc\r\n" + EMPTY,
    "extension with open quotes": b'3;a="b\r\nabc\r\n' + EMPTY,
    "extension of the last chunk": b"3\r\nabc\r\n0;a=b\r\n\r\n",
    "long extension": b"3;" + b"a" * 9000 + b"\r\nabc\r\n" + EMPTY,
    "trailer": b"3\r\nabc\r\n0\r\nX-A: b\r\n\r\n",
    "trailer with a length": b"0\r\nContent-Length: 3\r\n\r\n",
    "trailer with a coding": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "trailer with bare LF": b"0\r\nX: a\nY: b\r\n\r\n",
    "trailers that end with LF": b"0\r\nX: a\n\n",
    "folded trailer": b"0\r\nX: a\r\n b\r\n\r\n",
    "trailer without a colon": b"0\r\nGET / HTTP/1.1\r\n\r\n",
    "trailer with an underscore": b"0\r\nX_A: b\r\n\r\n",
    "several zeros": b"3\r\nabc\r\n000\r\n\r\n",
}


CONFIG = make_config()


@pytest.fixture(scope="module")
def ours() -> Ours:
    """The worker's receiver."""
    return Ours(CONFIG)


STREAMS = SMUGGLING | {name: CHUNKED + b"\r\n" + body for name, body in BODIES.items()}


STRICTER = {"long extension"}
"""What gunicorn reads and the worker refuses: a line of a chunk is at most 8 KiB."""


@pytest.mark.parametrize("name", STREAMS)
def test_ambiguous_request(name: str, ours: Ours) -> None:
    """What may be read in two ways is read as gunicorn does, or ends the connection.

    It makes no difference where the bytes are cut.
    """
    data = STREAMS[name] + NEXT
    every = [data[at : at + 1] for at in range(len(data))]
    halves = [[data[:at], data[at:]] for at in range(1, min(len(data), 300))]

    gunicorn = read_as_gunicorn(data, CONFIG)
    found = {compare(ours.read(way), gunicorn) for way in ([data], every, *halves)}

    assert found == {"stricter" if name in STRICTER else "same"}


@pytest.mark.parametrize("name", STREAMS)
def test_nothing_follows_what_is_refused(name: str, ours: Ours) -> None:
    """After a request that is refused, no byte of the connection is a request."""
    data = STREAMS[name] + NEXT

    found = ours.read([data])

    assert len(found.requests) <= 2
    if found.end == "refused":
        assert not any(each[0]["RAW_URI"] == "/next" for each in found.requests)


VALID = (
    NEXT,
    b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n",
    b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"PUT /%41//b HTTP/1.1\r\nContent-Length: 5\r\nContent-Type: a/b\r\n\r\nhello",
    post(b"Content-Length: 0"),
    post(b"Content-Length: 300", body=b"GET / HTTP/1.1\r\n\r\n" * 16 + b"x" * 12),
    CHUNKED + b"\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
    CHUNKED + b"Trailer: X-Sum\r\n\r\n1\r\n\n\r\n0\r\nX-Sum: 1\r\n\r\n",
    CHUNKED + b"\r\n" + b"1\r\nx\r\n" * 30 + EMPTY,
    post(b"Expect: 100-continue", CL3, body=b"abc"),
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a/b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nDELETE /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
)
PIECES = (
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b"0", b"1", b"\x00", b"\xff"),
    *(b"\r\n\r\n", b"0\r\n\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b" x\r\n"),
    *(b"Host: b\r\n", b"X_A: b\r\n", b"chunked", b",", b"HTTP/1.0", b"HTTP/1.1", b"/"),
    *(b"Connection: close\r\n", b"GET ", b"3\r\nabc\r\n", b"_", b'"', b"=", b"#", b"%"),
)


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change a stream at one place."""
    at = chance.randrange(len(data) + 1)
    to = min(len(data), at + chance.choice((0, 1, 1, 2, 5, 20)))
    match chance.randrange(6):
        case 0:
            return data[:at] + chance.choice(PIECES) + data[at:]
        case 1:
            return data[:at] + chance.choice(PIECES) + data[to:]
        case 2:
            return data[:at] + data[to:]
        case 3:
            return data[:to] + data[at:]
        case 4:
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    lines = data.split(b"\r\n")
    first, second = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]
    return b"\r\n".join(lines)


def fuzz(seed: int, number: int) -> tuple[Counter[str], dict[str, bytes]]:
    """Compare streams; count the verdicts, and keep one stream for each reason."""
    chance, counts, kept = random.Random(seed), Counter[str](), {}
    readers = Ours(CONFIG), Ours(CONFIG, body_memory=4)
    for _ in range(number):
        data = b"".join(chance.choices(VALID, k=chance.randint(1, 4)))
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
            data = mutate(data, chance)
        cuts = sorted(chance.choices(range(len(data) + 1), k=chance.randint(0, 5)))
        pieces = [
            data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)
        ]
        gunicorn = read_as_gunicorn(data, CONFIG)
        verdict = compare(chance.choice(readers).read(pieces), gunicorn)
        counts[verdict] += 1
        counts["requests"] += len(gunicorn.requests)
        # Both refuse in the end, but one of them when the rest has come.
        if verdict not in ("same", "later", "earlier"):
            kept.setdefault(f"{verdict}: {gunicorn.error[:40]}", data)
    return counts, kept


def check_fuzz(seed: int, number: int) -> None:
    counts, kept = fuzz(seed, number)

    assert kept == {}
    assert counts["requests"] > number


def test_fuzzed_streams() -> None:
    """No fuzzed stream is read in another way than by gunicorn."""
    check_fuzz(seed=1, number=1000)


@pytest.mark.proof
def test_many_fuzzed_streams(proof_size: Any) -> None:
    """The same for 100,000 streams."""
    check_fuzz(seed=2, number=proof_size(100_000))
