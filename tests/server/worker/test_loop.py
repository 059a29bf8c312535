"""What a client sees of the worker: connections, bodies, deadlines, bad requests."""

import os
import random
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from modern_flask.server.worker.connection import State
from tests.server.worker.conftest import (
    Running,
    answer,
    read_all,
    read_response,
    running,
)
from tests.servers.eventually import eventually

_SO_LOCK_FILTER = 44  # asm-generic/socket.h

GET = b"GET /a HTTP/1.1\r\nHost: shop\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n4;x\r\ndefg\r\n0\r\n\r\n"
)


@pytest.mark.parametrize("threads", [1, 3])
def test_kept_connection(threads: int) -> None:
    """A connection is kept for many requests, at one thread as well."""
    with running(answer, threads=threads) as worker, worker.connect() as client:
        for number in range(20):
            client.sendall(b"GET /%d HTTP/1.1\r\n\r\n" % number)
            head, body = read_response(client)

            assert b"Connection: keep-alive" in head
            assert body == b"GET /%d 0\n" % number


@pytest.mark.parametrize("threads", [1, 3])
def test_pipelined_requests(threads: int) -> None:
    """Requests that come at once are answered in their order, bodies included."""
    with running(answer, threads=threads) as worker:
        found = worker.talk(GET + POST + CHUNKED + GET + LAST)

    bodies = [
        line for line in found.split(b"\n") if line.startswith((b"GET ", b"POST "))
    ]
    assert bodies == [
        *(b"GET /a 0", b"POST /b 5", b"POST /c 7", b"GET /a 0", b"GET /last 0")
    ]


@pytest.mark.parametrize("request_", [GET, POST, CHUNKED, LAST])
def test_one_byte_at_a_time(worker: Running, request_: bytes) -> None:
    """However slowly a request comes, it is the same request."""
    with worker.connect() as slow, worker.connect() as fast:
        fast.sendall(request_)
        for number in range(len(request_)):
            slow.sendall(request_[number : number + 1])

        assert read_response(slow)[1] == read_response(fast)[1]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
    ],
)
def test_end_of_a_connection(worker: Running, sent: bytes, kept: bool) -> None:
    """The client decides whether its connection is kept (RFC 9112, section 9.3)."""
    with worker.connect() as client:
        client.sendall(sent)
        head, _ = read_response(client)

        assert (b"Connection: keep-alive" in head) is kept
        if not kept:
            assert client.recv(1) == b""


def test_no_keepalive() -> None:
    """Gunicorn's ``--keep-alive 0`` closes each connection."""
    with running(answer, settings={"keepalive": 0}) as worker:
        assert b"Connection: close" in worker.talk(GET)


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies(size: int, chunked: bool) -> None:
    """Bodies in memory, in a file and streamed reach the app whole."""
    limits = {"body_memory": 1000, "body_file": 1_000_000}
    data = os.urandom(size)
    seen: list[bytes] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ["wsgi.input"].read())
        start_response("204 No Content", [])
        return []

    head = b"POST / HTTP/1.1\r\nConnection: close\r\n"
    if chunked:
        parts = [data[at : at + 50_000] for at in range(0, size, 50_000)]
        coded = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        sent = head + b"Transfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"
    else:
        sent = head + b"Content-Length: %d\r\n\r\n" % size + data
    with running(app, **limits) as worker:
        found = worker.talk(sent)

    assert found.startswith(b"HTTP/1.1 204 ")
    assert seen == [data]


def test_expectation(worker: Running) -> None:
    """A client that waits for it is told to continue."""
    with worker.connect() as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"

        client.sendall(b"hello")

        assert read_response(client)[1] == b"POST / 5\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/3.0\r\n\r\n", 400),
        (b"GE\x00T / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", 400),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nab", 400),
        (b"GET / HTTP/1.1\r\nExpect: miracle\r\n\r\n", 417),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 140_000, 431),
    ],
)
def test_bad_request(worker: Running, sent: bytes, status: int) -> None:
    """A bad request is answered as gunicorn does, and nothing follows it."""
    found = worker.talk(sent + GET)

    assert found.startswith(b"HTTP/1.1 %d " % status)
    assert found.count(b"HTTP/1.1 ") == 1


def test_silent_and_slow_clients_are_cut() -> None:
    """A head or a body that does not come gets a 408; no bytes, no response."""
    limits = {"head_timeout": 0.2, "body_timeout": 0.2}
    with running(answer, **limits) as worker:
        assert worker.talk() == b""
        assert worker.talk(b"GET / HT").startswith(b"HTTP/1.1 408 ")
        body = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"
        assert worker.talk(body).startswith(b"HTTP/1.1 408 ")


def test_least_rate_of_a_body() -> None:
    """A client that sends a byte now and then does not hold a body open for ever."""
    limits = {"body_timeout": 0.4, "body_rate": 1000.0}
    with running(answer, **limits) as worker, worker.connect() as client:
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")

        def trickle() -> bool:
            try:
                client.sendall(b"a")
                client.setblocking(False)
                return client.recv(12) == b"HTTP/1.1 408"
            except BlockingIOError:
                client.settimeout(60)
                return False

        assert eventually(trickle)


def test_slow_clients_do_not_hold_the_app(worker: Running) -> None:
    """Hundreds of half requests cost no thread: the next client is answered."""
    slow = [worker.connect() for _ in range(200)]
    for number, client in enumerate(slow):
        parts = (b"", b"GET", GET[:-2], POST[:-2], CHUNKED[:-4])
        client.sendall(parts[number % 5])

    with worker.connect() as client:
        client.sendall(LAST)
        assert read_response(client)[1] == b"GET /last 0\n"
    for client in slow:
        client.close()


def test_slow_reader_does_not_hold_the_app() -> None:
    """What a client does not read is sent without the app's thread."""
    size = 20_000_000

    def app(environ: Any, start_response: Any) -> list[bytes]:
        count = size if environ["PATH_INFO"] == "/big" else 2
        start_response("200 OK", [("Content-Length", str(count))])
        return [b"x" * count]

    with running(app, unsent_memory=100_000) as worker, worker.connect() as slow:
        slow.sendall(b"GET /big HTTP/1.1\r\nConnection: close\r\n\r\n")
        with worker.connect() as client:
            client.sendall(LAST)
            assert read_response(client)[1] == b"xx"

        found = read_all(slow)

    assert found.endswith(b"x" * size)


def test_reader_that_stops() -> None:
    """A client that takes nothing for too long loses its connection."""
    limits = {"write_timeout": 0.2}

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x" * 20_000_000]

    with running(app, **limits) as worker, worker.connect() as client:
        client.sendall(GET)
        eventually(lambda: len(worker.loop.connections) == 1)

        eventually(lambda: not worker.loop.connections)


def test_stream_to_a_slow_reader_waits_at_its_bound() -> None:
    """A stream without end does not fill the disk: the app waits for the client."""
    made: list[int] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "8000000")])
        for number in range(80):
            made.append(number)
            yield b"x" * 100_000

    limits = {"unsent_memory": 1000, "unsent_file": 1_000_000}
    with running(app, **limits) as worker, worker.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        eventually(lambda: len(made) > 10)
        before = len(made)
        found = read_all(client)

    assert before < 80
    assert len(found.partition(b"\r\n\r\n")[2]) == 8_000_000


def test_client_that_goes_away() -> None:
    """A client that is gone ends its stream, and the next one is served."""
    closed = threading.Event()

    class Body:
        def __iter__(self) -> Any:
            for _ in range(1000):
                yield b"x" * 100_000

        def close(self) -> None:
            closed.set()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body() if environ["PATH_INFO"] == "/a" else [b"ok"]

    with running(app) as worker:
        with worker.connect() as client:
            client.sendall(GET)
        assert closed.wait(60)
        assert worker.talk(LAST).endswith(b"2\r\nok\r\n0\r\n\r\n")


def test_unix_socket(tmp_path: Path) -> None:
    """A Unix socket serves as well; its peer has no address."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "4")])
        return [environ["SERVER_NAME"].encode()]

    request = b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
    with running(app, path=str(tmp_path / "s")) as worker:
        assert worker.talk(request).endswith(b"\r\n\r\nshop")


def test_more_connections_than_allowed() -> None:
    """At the limit of connections an idle one makes room; busy ones wait."""
    with running(answer, settings={"worker_connections": 3}) as worker:
        idle = [worker.connect() for _ in range(3)]
        for client in idle:
            client.sendall(GET)
            read_response(client)

        assert worker.talk(LAST).endswith(b"GET /last 0\n")
        assert len(worker.loop.connections) <= 3
        for client in idle:
            client.close()


def test_queue_that_is_full() -> None:
    """Requests beyond the bound of the queue get a 503 at once."""
    release, begun = threading.Event(), threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        begun.set()
        release.wait(60)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with running(app, queue_limit=2) as worker:
        clients = [worker.connect() for _ in range(4)]
        clients[0].sendall(LAST)
        begun.wait(60)
        for client in clients[1:]:
            client.sendall(LAST)
        first = eventually(
            lambda: [each for each in clients if has_bytes(each)], timeout=60
        )
        refused = read_all(first[0])
        release.set()
        found = [read_all(each) for each in clients if each is not first[0]]
        for client in clients:
            client.close()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1" in refused
    assert all(each.startswith(b"HTTP/1.1 200 ") for each in found)


def has_bytes(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        client.settimeout(60)


def test_request_that_has_waited_too_long() -> None:
    """A request that nobody awaits anymore does not reach the app."""
    release, called = threading.Event(), []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        called.append(environ["RAW_URI"])
        release.wait(60)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with (
        running(app, queue_timeout=0.05) as worker,
        worker.connect() as first,
        worker.connect() as second,
    ):
        first.sendall(GET)
        eventually(lambda: called)
        second.sendall(LAST)
        eventually(lambda: worker.loop.ready)
        late = time.monotonic() + 0.1
        eventually(lambda: time.monotonic() > late)
        release.set()
        found = read_all(second)

    assert found.startswith(b"HTTP/1.1 503 ")
    assert called == ["/a"]


@pytest.mark.parametrize("threads", [1, 2])
def test_draining_answers_what_is_under_way(threads: int) -> None:
    """A worker that stops answers what it has, each time as the last response."""
    release, begun = threading.Event(), threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        begun.set()
        release.wait(60)
        return answer(environ, start_response)

    with running(app, threads=threads) as worker:
        clients = [worker.connect() for _ in range(5)]
        for client in clients:
            client.sendall(GET)
        begun.wait(60)
        eventually(
            lambda: (
                sum(
                    each.state == State.APP for each in worker.loop.connections.values()
                )
                == 5
            )
        )
        worker.is_draining = True
        worker.loop.wake()
        worker.loop.beat_now()
        eventually(lambda: worker.loop.sender.is_stopping)
        release.set()
        found = [read_all(client) for client in clients]
        worker.thread.join(60)
        for client in clients:
            client.close()

    assert all(each.endswith(b"GET /a 0\n") for each in found)
    assert all(b"Connection: close" in each for each in found)


def test_draining_without_a_filter(caplog: pytest.LogCaptureFixture) -> None:
    """A kernel that refuses the filter for new connections does not break the drain.

    A locked filter is refused with EPERM, as some kernels refuse every filter of a
    process without privileges.
    """
    caplog.set_level("INFO")
    with running(answer) as worker, worker.connect() as client:
        worker.socket.setsockopt(socket.SOL_SOCKET, _SO_LOCK_FILTER, 1)
        client.sendall(GET)
        read_response(client)
        worker.is_draining = True
        worker.loop.beat_now()
        worker.loop.wake()
        worker.thread.join(60)

        assert worker.drain.is_done(time.monotonic())
        # Clients that go on to come must not hold it until the grace is over.
        assert not worker.loop.listeners
    lines = [line for line in caplog.messages if "not kept out" in line]
    assert lines == ["New connections are not kept out: Operation not permitted."]


def test_error_of_the_worker_ends_one_connection(
    worker: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk, for example, ends one request with a 500, and not the worker."""

    def fail(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("modern_flask.server.worker.spool.make_file", fail)
        big = b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n"
        assert worker.talk(big).startswith(b"HTTP/1.1 500 ")

    assert "No space left" in caplog.text
    assert worker.talk(LAST).endswith(b"GET /last 0\n")


class _Pages:
    """Pages that are answered beside the app; all but /livez wait."""

    def __init__(self) -> None:
        self.release = threading.Event()

    def takes(self, environ: dict[str, Any]) -> bool:
        return environ["PATH_INFO"] in ("/livez", "/metrics")

    def is_instant(self, environ: dict[str, Any]) -> bool:
        return bool(environ["PATH_INFO"] == "/livez")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] != "/livez":
            self.release.wait(60)
        start_response("200 OK", [("Content-Length", "5")])
        return [b"alive"]


def test_liveness_while_other_pages_hang() -> None:
    """A collector that hangs holds the metrics, and no liveness probe."""
    pages = _Pages()

    with running(answer, pages=pages) as worker:
        others = [worker.connect() for _ in range(10)]
        for client in others:
            client.sendall(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n")
        found = [
            worker.talk(b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n")
            for _ in range(3)
        ]
        pages.release.set()
        rest = [read_all(client) for client in others]
        for client in others:
            client.close()

    assert all(each.endswith(b"alive") for each in found + rest)


@pytest.mark.proof
def test_many_takeovers(proof_size: Any) -> None:
    """Never two calls of the app at once, and all of them in the main thread.

    The calls last 40 to 80 ms, so that another thread takes the loop over.
    """
    number = proof_size(600)
    chance, running_now, idents, seen = random.Random(5), [0], set(), []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        running_now[0] += 1
        assert running_now[0] == 1
        idents.add(threading.get_ident())
        time.sleep(chance.uniform(0.04, 0.08))
        running_now[0] -= 1
        return answer(environ, start_response)

    def ask(path: bytes, expected: bytes) -> None:
        with worker.connect() as client:
            while len(seen) < number:
                client.sendall(b"GET " + path + b" HTTP/1.1\r\n\r\n")
                assert read_response(client)[1] == expected
                seen.extend([path] if path != b"/livez" else [])
            done.append(path)

    done: list[bytes] = []
    with running(app, pages=_Pages()) as worker:
        asked = [(b"/%d" % each, b"GET /%d 0\n" % each) for each in range(4)]
        asked += [(b"/livez", b"alive")] * 2
        threads = [threading.Thread(target=ask, args=each) for each in asked]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(600)
        main = worker.thread.ident

    assert len(done) == 6
    assert idents == {main}
