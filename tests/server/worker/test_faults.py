"""Apps, hooks and clients that misbehave end one request, and never the worker."""

import gc
import os
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from modern_flask.server.errors import ClientGone
from tests.server.worker.conftest import answer, read_all, read_response, running
from tests.servers.eventually import eventually

GET = b"GET /a HTTP/1.1\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "error", [SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError]
)
def test_unusual_error_of_the_app(
    error: type[BaseException], threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever an app raises, its thread serves the next request."""

    def app(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/a":
            raise error("odd")
        return answer(environ, start_response)

    with running(app, threads=threads) as worker:
        for _ in range(3):
            assert worker.talk(GET).startswith(b"HTTP/1.1 500 ")
        assert worker.talk(LAST).endswith(b"GET /last 0\n")

    assert f"{error.__name__}: odd" in caplog.text


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "found", [None, "text", 5, ["text"], [None], [bytearray(b"x")]]
)
def test_no_body_of_bytes(found: Any, threads: int, caplog: Any) -> None:
    """What is no iterable of bytes becomes a 500, and is not shown in the log."""

    def app(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/a":
            start_response("200 OK", [])
            return found
        return answer(environ, start_response)

    with running(app, threads=threads) as worker:
        for _ in range(3):
            assert worker.talk(GET).startswith(b"HTTP/1.1 500 ")
        assert worker.talk(LAST).endswith(b"GET /last 0\n")

    assert "TypeError" in caplog.text
    assert "text" not in caplog.text.replace("Context", "")


def test_body_that_can_not_be_closed(caplog: Any) -> None:
    """An error of ``close`` is logged; the client has its response already."""

    class Body:
        def __iter__(self) -> Any:
            return iter([b"ok"])

        def close(self) -> None:
            raise SystemExit("odd")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "2")])
        return Body()

    with running(app) as worker:
        for _ in range(2):
            assert worker.talk(GET).endswith(b"\r\n\r\nok")

    assert caplog.text.count("SystemExit: odd") == 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("hook", ["before", "after"])
def test_hook_that_fails(hook: str, threads: int, caplog: Any) -> None:
    """An error of a hook ends the worker no more than gunicorn's own."""

    def fail(*_: Any) -> None:
        raise LookupError("of the hook")

    hooks: Any = {hook: fail}
    with running(answer, threads=threads, **hooks) as worker:
        found = [worker.talk(LAST) for _ in range(4)]

    status = b"HTTP/1.1 500 " if hook == "before" else b"HTTP/1.1 200 "
    assert all(each.startswith(status) for each in found)
    assert caplog.text.count("LookupError: of the hook") == 4


def test_endless_stream_whose_client_has_gone() -> None:
    """A stream without end is closed when nobody reads it: the thread is free again."""
    closed = threading.Event()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] != "/a":
            return [b"ok"]
        return endless()

    def endless() -> Any:
        try:
            while True:
                yield b"x" * 1000
                closed.wait(0.001)
        finally:
            closed.set()

    with running(app) as worker:
        with worker.connect() as client:
            client.sendall(GET)
            client.recv(100)
        try:
            assert closed.wait(20)
            assert worker.talk(LAST).endswith(b"2\r\nok\r\n0\r\n\r\n")
        finally:
            worker.turns.stop()


def test_response_before_the_body_is_read() -> None:
    """A client that still sends reads the response: the connection is not reset."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("413 Content Too Large", [("Content-Length", "300000")])
        return [b"x" * 300_000]

    head = b"POST / HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n"
    with running(app, body_file=1000) as worker, worker.connect() as client:
        client.sendall(head + b"y" * 8_000_000)
        found = read_all(client)

    assert found.startswith(b"HTTP/1.1 413 ")
    assert len(found.partition(b"\r\n\r\n")[2]) == 300_000


def test_request_after_the_last_response() -> None:
    """A request that comes after the last one does not destroy the last response."""

    def app(environ: Any, start_response: Any) -> Any:
        begun.set()
        release.wait(60)
        start_response("200 OK", [("Content-Length", "2000000")])
        return [b"x" * 2_000_000]

    begun, release = threading.Event(), threading.Event()
    with running(app) as worker, worker.connect() as client:
        client.sendall(LAST)
        begun.wait(60)
        client.sendall(GET)
        release.set()
        found = read_all(client)

    assert len(found.partition(b"\r\n\r\n")[2]) == 2_000_000


@pytest.mark.parametrize(
    "head",
    [b"Content-Length: 9000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n9000\r\n"],
)
def test_long_body_that_ends_too_early(head: bytes) -> None:
    """Half of a long body is never taken for the whole body."""
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        try:
            seen.append(environ["wsgi.input"].read())
        except BaseException as error:
            seen.append(error)
            raise
        return answer(environ, start_response)

    with running(app, body_file=1000) as worker:
        with worker.connect() as client:
            client.sendall(b"POST / HTTP/1.1\r\n" + head + b"x" * 5000)
        eventually(lambda: seen)

    assert isinstance(seen[0], ClientGone)


def test_slow_body_while_the_response_is_sent() -> None:
    """Nothing foreign is written into a response when its request is too slow."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "100")])
        yield b"x" * 10
        environ["wsgi.input"].read()
        yield b"x" * 90

    head = b"POST / HTTP/1.1\r\nContent-Length: 9000\r\n\r\n"
    with running(app, body_file=1000, body_timeout=0.2) as worker:
        found = worker.talk(head + b"y" * 5000)

    assert found.partition(b"\r\n\r\n")[2] == b"x" * 10


def test_head_that_is_too_long() -> None:
    """A head beyond the bound of the worker is refused with its reason, and logged."""
    fields = b"".join(b"X-%d: %b\r\n" % (n, b"a" * 8000) for n in range(20))

    with running(answer) as worker:
        found = worker.talk(b"GET / HTTP/1.1\r\n" + fields)

    assert found.startswith(b"HTTP/1.1 431 ")


def test_raised_limits_of_gunicorn() -> None:
    """A limit of gunicorn that is raised has its effect beyond our own bound."""
    settings = {"limit_request_field_size": 300_000}
    field = b"X: " + b"a" * 250_000 + b"\r\n"

    with running(answer, settings=settings) as worker:
        found = worker.talk(LAST[:-2] + field + b"\r\n")

    assert found.endswith(b"GET /last 0\n")


def test_slow_clients_do_not_keep_others_out() -> None:
    """At the limit of connections the oldest half of a request makes room."""
    with running(answer, settings={"worker_connections": 20}) as worker:
        slow: list[Any] = []
        for number in range(60):
            slow.append(worker.connect())
            parts = (GET[:-2], b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na")
            slow[-1].sendall(parts[number % 2])
            busy = min(number + 1, 20)
            eventually(lambda busy=busy: worker.loop.count_busy() == busy)  # type: ignore[misc]

        found = [worker.talk(LAST) for _ in range(5)]
        refused = slow[0].recv(100)
        for client in slow:
            client.close()

    assert all(each.endswith(b"GET /last 0\n") for each in found)
    assert refused.startswith(b"HTTP/1.1 503 ")


def test_offer_of_an_upgrade() -> None:
    """A client that offers HTTP/2 is served like any other, and may be too slow."""
    offer = (
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n"
    )
    with running(answer) as worker, worker.connect() as client:
        for _ in range(2):
            client.sendall(GET[:-2] + offer + b"\r\n")
            assert read_response(client)[1] == b"GET /a 0\n"


@pytest.mark.parametrize("threads", [1, 2])
def test_client_that_closes_its_side(threads: int) -> None:
    """A client that has sent everything still gets all responses."""
    with running(answer, threads=threads) as worker, worker.connect() as client:
        client.sendall(GET * 20)
        client.shutdown(socket.SHUT_WR)

        assert read_all(client).count(b"GET /a 0\n") == 20


def test_part_of_the_body_is_read(tmp_path: Path) -> None:
    """What the app leaves of a body is not read as the next request."""

    def app(environ: Any, start_response: Any) -> Any:
        found = environ["wsgi.input"].read(3)
        start_response("200 OK", [("Content-Length", str(len(found)))])
        return [found]

    evil = b"abcGET /evil HTTP/1.1\r\n\r\n" + b"z" * 70_000
    counted = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(evil), evil)
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(evil), evil)
    with running(app) as worker:
        found = worker.talk(counted + chunked + counted + LAST)

    assert found.count(b"HTTP/1.1 200 ") == 4
    assert found.count(b"\r\n\r\nabc") == 3


CHUNKED = (
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'3;a="b"\r\nabc\r\n%x\r\n%b\r\n0\r\nX: y\r\n\r\n' % (9000, b"x" * 9000)
)
KINDS = {
    "plain": GET,
    "old": b"GET / HTTP/1.0\r\n\r\n",
    "long": b"POST /a HTTP/1.1\r\nContent-Length: 9000\r\n\r\n" + b"x" * 9000,
    "chunked": CHUNKED,
    "malformed chunk": CHUNKED.replace(b"9000", b"90-0"),
    "malformed head": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "half": CHUNKED[:-3],
}


@pytest.mark.parametrize("limits", [{"body_memory": 1000}, {"body_file": 1000}])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left(kind: str, limits: dict[str, int]) -> None:
    """No request leaves a descriptor, a file or objects for the garbage collector."""
    number, found = 40, []

    def ask() -> None:
        with worker.connect() as client:
            client.sendall(KINDS[kind] + LAST)
            client.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                read_all(client)

    with running(answer, **limits) as worker:
        for _ in range(3):
            ask()
        eventually(lambda: not worker.loop.connections)
        gc.collect()
        gc.disable()
        try:
            before = os.listdir("/proc/self/fd")
            # What tests before have left is found in one of the rounds.
            for _ in range(3):
                for _ in range(number):
                    ask()
                eventually(lambda: not worker.loop.connections)
                found.append(gc.collect())
            after = os.listdir("/proc/self/fd")
        finally:
            gc.enable()

    assert len(after) <= len(before)
    assert min(found) < number


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["plain", "long", "chunked"])
def test_reset_at_every_moment(kind: str, threads: int) -> None:
    """Wherever a client resets its connection, the next one is served."""
    request, limits = KINDS[kind], {"body_memory": 1000, "body_file": 5000}
    step = max(1, len(request) // 60)

    with running(answer, threads=threads, **limits) as worker:
        for at in range(0, len(request) + step, step):
            with worker.connect() as client:
                # A close with this option is a reset (socket(7)).
                reset = struct.pack("ii", 1, 0)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                client.sendall(request[:at])
        eventually(lambda: not worker.loop.connections)

        assert worker.talk(LAST).endswith(b"GET /last 0\n")


SLOW = {
    "nothing": b"",
    "line": b"GET / HT",
    "field": b"GET / HTTP/1.1\r\nX: ",
    "body": KINDS["long"][:60],
    "size of a chunk": CHUNKED[:52],
    "chunk": CHUNKED[:70],
    "trailers": CHUNKED[:-3],
}


@pytest.mark.parametrize("every", [0.0, 0.05])
def test_slow_clients(every: float) -> None:
    """A client that stops, or sends byte by byte, is cut; it costs no thread."""
    limits = {"head_timeout": 0.3, "body_timeout": 0.3, "body_rate": 1e6}
    stop = threading.Event()

    def trickle(client: socket.socket) -> None:
        with suppress(OSError):
            while every and not stop.wait(every):
                client.sendall(b"1")

    with running(answer, **limits) as worker:
        clients = {kind: worker.connect() for kind in SLOW}
        for kind, client in clients.items():
            client.sendall(SLOW[kind])
            if kind != "nothing":
                threading.Thread(target=trickle, args=(client,)).start()
        assert worker.talk(LAST).endswith(b"GET /last 0\n")
        found = {kind: client.recv(100)[:13] for kind, client in clients.items()}
        stop.set()
        eventually(lambda: not worker.loop.connections)
        for client in clients.values():
            client.close()

    assert found.pop("nothing") == b""
    assert set(found.values()) <= {b"HTTP/1.1 408 ", b"HTTP/1.1 400 "}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "limits",
    [{}, {"body_memory": 100}, {"body_memory": 100, "body_file": 1000}],
    ids=["memory", "file", "stream"],
)
def test_ways_to_read_a_body(limits: dict[str, int], chunked: bool) -> None:
    """``wsgi.input`` reads blocks, lines and nothing after its end (PEP 3333)."""
    seen: list[Any] = []
    text = b"".join(b"line %d\n" % number for number in range(4000)) + b"end"

    def app(environ: Any, start_response: Any) -> Any:
        body = environ["wsgi.input"]
        seen.append(body.read(3) + body.read(0) + body.readline())
        seen.append(body.readline(2) + body.readline())
        seen.append(next(iter(body)))
        lines = list(body)
        seen.extend((lines[0], lines[-1], len(lines)))
        seen.extend((body.read(), body.read(5), body.readline(), list(body)))
        start_response("200 OK", [("Content-Length", "0")])
        return []

    head = b"POST / HTTP/1.1\r\nConnection: close\r\n"
    if chunked:
        head += b"Transfer-Encoding: chunked\r\n\r\n"
        sent = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text)
    else:
        sent = head + b"Content-Length: %d\r\n\r\n%b" % (len(text), text)
    with running(app, **limits) as worker:
        assert worker.talk(sent).startswith(b"HTTP/1.1 200 ")

    assert seen == [
        *(b"line 0\n", b"line 1\n", b"line 2\n", b"line 3\n", b"end", 3998),
        *(b"", b"", b"", []),
    ]
