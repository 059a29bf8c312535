"""The app gets the environ that it gets from gunicorn's own worker."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.server.worker.conftest import read_response
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python

PROGRAM = """
import json

def show(value):
    kind = type(value)
    if kind in (str, int, bool, tuple):
        return value
    return f"{kind.__module__}.{kind.__name__}"

def app(environ, start_response):
    found = {key: show(value) for key, value in environ.items()}
    found["BODY"] = environ["wsgi.input"].read().decode("latin-1")
    text = json.dumps(found).encode()
    start_response("200 OK", [("Content-Length", str(len(text)))])
    return [text]
"""
OTHER = {
    "REMOTE_PORT": "each connection has its own",
    "SERVER_PORT": "each server has its own",
    "wsgi.input": "a file that is complete",
    "wsgi.multithread": "gthread says True at one thread as well",
    "wsgi.early_hints": "a method, not a function",
}
"""Keys whose values are not the same, and why."""

REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n",
    b"GET /a%20b;c/%E4%bd%A0?d=%20e&f HTTP/1.1\r\nHost: shop:80\r\nX-A:  b \t\r\n\r\n",
    b"GET /a? HTTP/1.1\r\nHost: shop\r\nCookie: a=\xe4\xff\r\nx-lower: Y\r\n\r\n",
    b"GET /h HTTP/1.0\r\nHost: shop\r\n\r\n",
    b"PUT /u HTTP/1.1\r\nContent-Type: a/b\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /l HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n",
    b"POST /c HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n",
    b"GET /p HTTP/1.1\r\nHost: shop\r\nX-Forwarded-Proto: https\r\n"
    b"X-Forwarded-For: 1.2.3.4\r\n\r\n",
    b"GET http://other:81/abs?q HTTP/1.1\r\nHost: shop\r\n\r\n",
    b"GET //two/slashes HTTP/1.1\r\nHost: shop\r\n\r\n",
    b"GET /frag#ment HTTP/1.1\r\nHost: shop\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n",
    b"PROPFIND /m HTTP/1.1\r\nHost: shop\r\n\r\n",
    b"GET /r HTTP/1.1\r\nHost: shop\r\nX-A: 1\r\nX-A: 2\r\nScript-Name: /x\r\n\r\n",
    b"GET /s HTTP/1.1\r\nHost: shop\r\nAuthorization: Basic YTpi\r\nReferer: r\r\n\r\n",
    b"GET /n HTTP/1.1\r\n\r\n",
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Gunicorn's worker and ours, each with a port and a Unix socket."""
    folder = tmp_path_factory.mktemp("environ")
    (folder / "shown.py").write_text(PROGRAM)
    with ExitStack() as stack:
        found = []
        for number, kind in enumerate(("gthread", "modern_flask.server.Worker")):
            port, path = free_port(), folder / str(number) / "socket"
            path.parent.mkdir()
            words = ("--bind", f"127.0.0.1:{port}", "--bind", f"unix:{path}")
            command = python("-m", "gunicorn", "-k", kind, *words, "shown:app")
            log = folder / f"log{number}"
            stack.enter_context(Process(*command, log=log, cwd=folder))
            found.append({"tcp": ("127.0.0.1", port), "unix": str(path)})
        for addresses in found:
            for address in addresses.values():
                eventually(lambda address=address: is_open(address), timeout=60)
        yield found


def connect(address: Any) -> socket.socket:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(60)
    try:
        client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def is_open(address: Any) -> bool:
    try:
        connect(address).close()
    except OSError:
        return False
    return True


def ask(address: Any, request: bytes) -> dict[str, Any]:
    with closing(connect(address)) as client:
        client.sendall(request)
        found: dict[str, Any] = json.loads(read_response(client)[1])
    # Of a Unix socket, without a Host, it is the path.
    found["SERVER_NAME"] = Path(found["SERVER_NAME"]).name
    return {key: value for key, value in found.items() if key not in OTHER}


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("number", range(len(REQUESTS)))
def test_environ(servers: list[dict[str, Any]], number: int, kind: str) -> None:
    """Each key has the value that gunicorn gives it, but for those in the table."""
    gunicorn, ours = (ask(each[kind], REQUESTS[number]) for each in servers)

    assert ours == gunicorn


def test_keys(servers: list[dict[str, Any]]) -> None:
    """No key is missing, and none is added."""
    request, keys = REQUESTS[0], []
    for each in servers:
        with closing(connect(each["tcp"])) as client:
            client.sendall(request)
            keys.append(set(json.loads(read_response(client)[1])))

    assert keys[0] == keys[1]
    assert OTHER.keys() <= keys[0]
