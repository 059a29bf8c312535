"""How the response of an app reaches the client (PEP 3333, RFC 9112)."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gunicorn.http.wsgi import FileWrapper

from tests.server.worker.conftest import Running, read_all, running

App = Callable[[dict[str, Any], Any], Any]
GET = b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n"
KEEP = b"GET /a HTTP/1.1\r\n\r\n"


def get(app: App, request: bytes = GET) -> tuple[bytes, bytes]:
    """The head and the body of the only response."""
    with running(app) as worker:
        head, _, body = worker.talk(request).partition(b"\r\n\r\n")
    return head, body


def make_app(status: str, headers: list[tuple[str, str]], *parts: bytes) -> App:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, headers)
        return list(parts)

    return app


def test_known_length() -> None:
    """A body with its length is sent as it is, with the head in one piece."""
    app = make_app("200 OK", [("Content-Length", "5"), ("X-A", " b ")], b"he", b"llo")

    head, body = get(app)

    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert b"Server: gunicorn" in lines
    assert b"X-A: b" in lines
    assert body == b"hello"


def test_unknown_length() -> None:
    """Without a length the body is chunked; empty parts end nothing."""
    head, body = get(make_app("200 OK", [], b"he", b"", b"llo"))

    assert b"Transfer-Encoding: chunked" in head
    assert body == b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


def test_unknown_length_for_an_old_client() -> None:
    """A client of HTTP/1.0 knows no chunks: the end of the connection ends the body."""
    request = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

    head, body = get(make_app("200 OK", [], b"hello"), request)

    assert b"Transfer-Encoding" not in head
    assert b"Connection: close" in head
    assert body == b"hello"


@pytest.mark.parametrize(
    ("request_", "status", "length"),
    [
        (GET, "204 No Content", False),
        (GET, "304 Not Modified", True),
        (GET.replace(b"GET", b"HEAD"), "200 OK", True),
    ],
)
def test_no_body(request_: bytes, status: str, length: bool) -> None:
    """Some responses have no body, whatever the app gives (RFC 9110, section 6.4)."""
    app = make_app(status, [("Content-Length", "5")], b"hello")

    head, body = get(app, request_)

    assert (b"Content-Length: 5" in head) is length
    assert b"Transfer-Encoding" not in head
    assert body == b""


def test_body_longer_than_its_length() -> None:
    """What is longer than the length that was promised is cut."""
    app = make_app("200 OK", [("Content-Length", "3")], b"he", b"llo")

    assert get(app)[1] == b"hel"


def test_body_shorter_than_its_length() -> None:
    """The client sees that a body is not complete: the connection ends."""
    app = make_app("200 OK", [("Content-Length", "9")], b"hello")

    assert get(app, KEEP)[1] == b"hello"


def test_fields_of_the_connection() -> None:
    """The app does not decide about the connection."""
    headers = [
        ("Connection", "keep-alive"),
        ("Transfer-Encoding", "gzip"),
        ("Keep-Alive", "9"),
        ("Content-Length", "0"),
    ]

    head, _ = get(make_app("200 OK", headers))

    assert b"Connection: close" in head
    assert b"Transfer-Encoding" not in head
    assert b"Keep-Alive" not in head


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK\r\nX: y", []),
        ("OK", []),
        ("200 OK", [("X\r\nY", "z")]),
        ("200 OK", [("X Y", "z")]),
        ("200 OK", [("X", "y\r\nZ: secret")]),
        ("200 OK", [("X", "y\x00")]),
        ("200 OK", [("Content-Length", "five")]),
        (200, []),
        ("200 OK", [("X", 5)]),
    ],
)
def test_malformed_head(status: Any, headers: Any, caplog: Any) -> None:
    """A head that would split the response is an error of the app: a 500."""
    head, body = get(make_app(status, headers, b"x"))

    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"Z: secret" not in head + body
    assert "Error handling request GET /a" in caplog.text
    assert "secret" not in caplog.text


def test_error_before_the_head(caplog: Any) -> None:
    """An error of the app is logged, and the client gets a 500."""

    def app(environ: Any, start_response: Any) -> Any:
        raise LookupError("gone")

    head, _ = get(app, KEEP)

    assert head.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"Connection: close" in head
    assert "LookupError: gone" in caplog.text


def test_error_in_the_body(caplog: Any) -> None:
    """After an error in the middle of a body, the client sees that it is cut."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield b"hello"
        raise LookupError("gone")

    _, body = get(app, KEEP)

    assert body == b"5\r\nhello\r\n"
    assert "LookupError: gone" in caplog.text


def test_error_page_of_the_app() -> None:
    """Before bytes were sent, the app may replace its response (PEP 3333)."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        try:
            raise LookupError
        except LookupError as error:
            exc_info = (type(error), error, error.__traceback__)
            start_response("418 Teapot", [("Content-Length", "1")], exc_info)
        return [b"x"]

    assert get(app)[0].startswith(b"HTTP/1.1 418 Teapot\r\n")


def test_two_responses(caplog: Any) -> None:
    """A second start of the response without an error is a mistake of the app."""

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        start_response("201 Created", [])
        return [b"x"]

    assert get(app)[0].startswith(b"HTTP/1.1 500 ")
    assert "Response headers already set!" in caplog.text


def test_write_function() -> None:
    """The function that ``start_response`` returns writes before the body."""

    def app(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Length", "5")])
        write(b"he")
        return [b"llo"]

    assert get(app)[1] == b"hello"


@pytest.mark.parametrize("outcome", ["ok", "error"])
def test_body_is_closed(outcome: str) -> None:
    """The body of the app is closed once, after the last part or an error."""
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Any:
            yield b"hello"
            if outcome == "error":
                raise LookupError

        def close(self) -> None:
            closed.append(outcome)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body()

    get(app)

    assert closed == [outcome]


@pytest.mark.parametrize("size", [0, 10, 5_000_000])
@pytest.mark.parametrize("length", [True, False])
def test_file(tmp_path: Path, size: int, length: bool) -> None:
    """A file is sent by the kernel from its position on, also after it is closed."""
    path = tmp_path / "file"
    path.write_bytes(b"skipped" + b"x" * size)
    wrapped: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        headers = [("Content-Length", str(size))] if length else []
        start_response("200 OK", headers)
        file = path.open("rb")
        file.seek(7)
        wrapped.append(file)
        return environ["wsgi.file_wrapper"](file)

    _, body = get(app)

    if not length:
        body = b"".join(body.split(b"\r\n")[1::2])
    assert body == b"x" * size
    assert wrapped[0].closed


def test_wrapper_of_no_file() -> None:
    """What has no descriptor is read like every other body."""
    from io import BytesIO

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "5")])
        return FileWrapper(BytesIO(b"hello"))

    assert get(app)[1] == b"hello"


def test_early_hints() -> None:
    """Hints are sent before the response; after it has begun they are left out."""

    def app(environ: Any, start_response: Any) -> Any:
        environ["wsgi.early_hints"]([("Link", "</a.css>; rel=preload")])
        write = start_response("200 OK", [("Content-Length", "2")])
        write(b"o")
        environ["wsgi.early_hints"]([("Link", "</b.css>; rel=preload")])
        return [b"k"]

    with running(app) as worker:
        found = worker.talk(GET)

    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    assert found.startswith(hint + b"HTTP/1.1 200 OK\r\n")
    assert b"b.css" not in found
    assert found.endswith(b"ok")


def test_websocket() -> None:
    """An app may take the socket over, as Flask-Sock does, and end it."""

    def app(environ: Any, start_response: Any) -> Any:
        with environ["gunicorn.socket"].dup() as own:
            own.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            while data := own.recv(100):
                own.sendall(data.upper())
                if data.endswith(b"bye"):
                    break
        raise StopIteration

    request = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with running(app) as worker, worker.connect() as client:
        client.sendall(request)
        assert client.recv(100).startswith(b"HTTP/1.1 101 ")
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"
        client.sendall(b"bye")
        assert read_all(client) == b"BYE"


FORMATS = (
    '%(h)s %(l)s %(u)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"',
    "%(m)s %(U)s %(q)s %(H)s %(B)s",
    "%({host}i)s %({X-None}i)s %({x-out}o)s %({none}o)s %({raw_uri}e)s %({none}e)s",
    "%({wsgi.url_scheme}e)s %({Content-Length}o)s %({content-type}i)s %(zzz)s",
)


class _Collector(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage())


@pytest.mark.parametrize("number", range(len(FORMATS)))
def test_access_log(number: int) -> None:
    """A line of the access log is the one that gunicorn writes."""
    from gunicorn.glogging import Logger

    class Other(Logger):  # type: ignore[misc]
        """A class of its own, which is called as gunicorn calls it."""

        def atoms(self, *words: Any) -> Any:
            return super().atoms(*words)

    def app(environ: Any, start_response: Any) -> Any:
        calls.append(environ["RAW_URI"])
        start_response("200 OK", [("Content-Length", "2"), ("X-Out", 'a"b')])
        return [b"ok"]

    request = (
        b'GET /a%20b"?c=d HTTP/1.1\r\nHost: shop\r\nContent-Type: t/x\r\n'
        b'User-Agent: me "too"\r\nConnection: close\r\n\r\n'
    )
    calls: list[str] = []
    found = []
    for kind in (Logger, Other):
        settings = {"accesslog": "/dev/null", "access_log_format": FORMATS[number]}
        with running(app, settings=settings, logger=kind) as worker:
            lines: list[str] = []
            collector = _Collector(lines)
            logging.getLogger("gunicorn.access").addHandler(collector)
            worker.talk(request)
            logging.getLogger("gunicorn.access").removeHandler(collector)
        found.append(lines)

    assert len(calls) == 2
    assert len(found[0]) == 1
    assert found[0] == found[1]


def test_hooks_of_gunicorn() -> None:
    """``pre_request`` and ``post_request`` get what gunicorn gives them."""
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "0")])
        return []

    def before(request: Any) -> None:
        seen.append((request.method, request.uri))

    def after(request: Any, environ: Any, response: Any) -> None:
        seen.append((request.path, environ["RAW_URI"], response.status))

    with running(app, before=before, after=after) as worker:
        worker.talk(b"GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert seen == [("GET", "/a?b"), ("/a", "/a?b", "200 OK")]


def test_calls_of_the_app_are_in_one_thread(worker: Running) -> None:
    """At one thread all calls are in the thread that runs the worker."""
    idents: set[int] = set()
    release = threading.Event()

    def app(environ: Any, start_response: Any) -> Any:
        idents.add(threading.get_ident())
        if environ["PATH_INFO"] == "/slow":
            release.wait(60)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with running(app) as own:
        slow = own.connect()
        slow.sendall(b"GET /slow HTTP/1.1\r\nConnection: close\r\n\r\n")
        others = [own.connect() for _ in range(5)]
        for client in others:
            client.sendall(GET)
        release.wait(0.3)  # time enough that the standby takes the loop over
        release.set()
        for client in [slow, *others]:
            assert read_all(client).startswith(b"HTTP/1.1 200 ")
            client.close()
        assert idents == {own.thread.ident}
