"""Real servers, and retries that record their pauses instead of waiting."""

import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modern_flask.config.kubernetes import read_kubernetes
from modern_flask.config.network import make_backoff
from modern_flask.config.remote import read_remote
from modern_flask.config.source import KubernetesKey, RemoteFile, parse_source
from modern_flask.testing.kubernetes import KubernetesServer
from modern_flask.testing.kubernetes.certificates import write_certificates
from modern_flask.waiting import Retries

Reply = Callable[[BaseHTTPRequestHandler], None]


class Pauses(list[float]):
    """The pauses between attempts, in seconds; the retries do not wait for them."""

    def retries(self, total: float = 20.0, attempts: int = 6) -> Retries:
        backoff = replace(make_backoff(total), attempts=attempts)
        return Retries(backoff, sleep=self.append, uniform=lambda low, high: low)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers are on this machine."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


class Web(ThreadingHTTPServer):
    """An HTTP server whose paths are answered by functions of the test."""

    daemon_threads = True

    def __init__(self, folder: Path | None = None) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.requests: list[BaseHTTPRequestHandler] = []
        self.scheme = "http"
        super().__init__(("127.0.0.1", 0), WebHandler)
        if folder is not None:
            context = write_certificates(folder)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str = "/x.py", account: str = "") -> str:
        return f"{self.scheme}://{account}127.0.0.1:{self.port}{path}"

    def on(self, path: str, *replies: Reply) -> None:
        """Answer ``path`` with the replies in turn; the last one stays."""
        self.replies[path] = list(replies)

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients here hang up on purpose."""


class WebHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Web

    def do_GET(self) -> None:
        self.server.requests.append(self)
        replies = self.server.replies[self.path.partition("?")[0]]
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def reply(body: bytes = b"", status: int = 200, **headers: str) -> Reply:
    """An answer; ``content_length="9"`` becomes the header Content-Length."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"content-length": str(len(body)), **names}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    return send


@pytest.fixture(name="reply")
def reply_() -> Callable[..., Reply]:
    return reply


@pytest.fixture
def web() -> Iterator[Web]:
    yield from serving(Web())


@pytest.fixture
def other_web() -> Iterator[Web]:
    yield from serving(Web())


@pytest.fixture
def secure_web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """HTTPS by a CA that requests trusts."""
    yield from serving(Web(tmp_path), trusted=(monkeypatch, tmp_path / "ca.crt"))


@pytest.fixture
def untrusted_web(tmp_path: Path) -> Iterator[Web]:
    yield from serving(Web(tmp_path))


def serving(
    web: Web, trusted: tuple[pytest.MonkeyPatch, Path] | None = None
) -> Iterator[Web]:
    if trusted is not None:
        trusted[0].setenv("REQUESTS_CA_BUNDLE", str(trusted[1]))
    thread = threading.Thread(target=web.serve_forever, args=(0.02,))
    thread.start()
    yield web
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that stays free of listeners during the test."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@pytest.fixture
def cluster() -> Iterator[KubernetesServer]:
    with KubernetesServer() as server:
        yield server


@pytest.fixture
def read_url(pauses):
    def read_text(text, timeouts=(30.0, 30.0), environ=None, total=60.0):
        source = parse_source(text)
        assert isinstance(source, RemoteFile)
        return read_remote(
            source,
            environ=environ or {},
            retries=pauses.retries(total),
            timeouts=timeouts,
        )

    return read_text


@pytest.fixture
def url_fault(read_url):
    """The error of reading, after a check that its traceback holds no secret."""

    def read_badly(kind, *args, **keywords):
        with pytest.raises(kind) as caught:
            read_url(*args, **keywords)
        error = caught.value
        printed = "".join(traceback.format_exception(error))
        assert "hunter2" not in printed + repr(error) + repr(vars(error))
        assert error.__cause__ is None
        assert error.__context__ is None
        return error

    return read_badly


@pytest.fixture
def shop(cluster):
    """A cluster with the configuration of a service."""
    cluster.put_config_map(
        "shop", "orders", {"config.py": "NAME = 'é'\n"}, {"latin.py": b"N = '\xe9'\n"}
    )
    cluster.put_secret("shop", "orders", {"config.py": b"PASSWORD = 'hunter2'\n"})
    return cluster


@pytest.fixture
def read_key(shop, tmp_path, pauses):
    """Read as the administrator, or with a token instead of the pod's token."""

    def read_text(text, token="", timeouts=(30.0, 30.0), total=60.0):
        source = parse_source(text)
        assert isinstance(source, KubernetesKey)
        folder = shop.service_account(
            tmp_path / "account", namespace="shop", token=token
        )
        return read_kubernetes(
            source,
            environ=shop.environ,
            service_account=folder,
            retries=pauses.retries(total),
            timeouts=timeouts,
        )

    return read_text


@pytest.fixture
def key_fault(read_key, cluster):
    """The error of reading, after a check that its traceback holds no secret."""

    def read_badly(kind, *args, **keywords):
        with pytest.raises(kind) as caught:
            read_key(*args, **keywords)
        error = caught.value
        printed = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert not any(token in printed for token in cluster.users)
        assert "hunter2" not in printed
        assert error.__cause__ is None
        assert error.__context__ is None
        return error

    return read_badly
