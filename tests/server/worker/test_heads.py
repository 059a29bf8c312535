"""A plain head is read as gunicorn's own parser reads it, or it is not plain."""

import random
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser

from modern_flask.server.worker.heads import PlainHeads

PEER = ("10.0.0.1", 5000)
SERVER = ("127.0.0.1", 8000)
BASE = {
    "SCRIPT_NAME": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "wsgi.url_scheme": "http",
    "SERVER_NAME": SERVER[0],
    "SERVER_PORT": str(SERVER[1]),
}
IGNORED = (
    *("wsgi.errors", "wsgi.input", "wsgi.early_hints", "gunicorn.socket"),
    *("REMOTE_ADDR", "REMOTE_PORT"),
)


def make_config(**settings: Any) -> Config:
    cfg = Config()
    for name, value in {"http_parser": "python", **settings}.items():
        cfg.set(name, value)
    return cfg


def read(data: bytes, cfg: Config | None = None, peer: Any = PEER) -> Any:
    """What the plain way makes of a head."""
    end = data.find(b"\r\n\r\n")
    return PlainHeads(cfg or make_config()).read(data, end, BASE, peer)


def read_as_gunicorn(data: bytes, cfg: Config | None = None, peer: Any = PEER) -> Any:
    """What gunicorn makes of it.

    Raises:
        Exception: Gunicorn refuses it.
    """
    cfg = cfg or make_config()
    request = next(RequestParser(cfg, [data], peer))
    _, environ = wsgi.create(request, None, peer, SERVER, cfg)
    found: dict[str, Any] = environ
    return found


PLAIN = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /a/b?c=d&e HTTP/1.1\r\nHost: shop\r\n\r\n",
    b"POST /%41%e4%20b?%41 HTTP/1.1\r\nContent-Length: 3\r\nContent-Type: a/b\r\n\r\n",
    b"HEAD /;x HTTP/1.1\r\nX-A:1\r\nX-B: \t two words \t\r\nX-C:\r\n\r\n",
    b"DELETE /? HTTP/1.1\r\nConnection: close\r\nAccept: \xe4\xff\r\n\r\n",
    b"GET /a?b?c=/d HTTP/1.1\r\nx-lower-Case: Y\r\n\r\n",
    b"GET /a//b HTTP/1.1\r\nContent-Length: 000\r\n\r\n",
]

NOT_PLAIN = [
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET  / HTTP/1.1\r\n\r\n",
    b"get / HTTP/1.1\r\n\r\n",
    b"BREW / HTTP/1.1\r\n\r\n",
    b"GET http://shop/ HTTP/1.1\r\n\r\n",
    b"GET //shop/a HTTP/1.1\r\n\r\n",
    b"GET /#a HTTP/1.1\r\n\r\n",
    b"GET /\xe4 HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    b"GET / HTTP/1.1\r\n X: folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-A: b\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nX_A: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-A: b\x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1,1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1234567890123456\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
    b"GET / HTTP/1.1\r\nTrailer: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nTE: trailers\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-SSL: off\r\n\r\n",
    b"GET / HTTP/1.1\r\n:a\r\n\r\n",
    b"GET / HTTP/1.1\r\na\r\n\r\n",
    b"GET /" + b"a" * 4100 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(101)) + b"\r\n",
]


@pytest.mark.parametrize("data", PLAIN)
def test_plain(data: bytes) -> None:
    """A plain head gives the environ that gunicorn makes."""
    assert visible(read(data)) == visible(read_as_gunicorn(data))


def visible(environ: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in environ.items()
        if key not in IGNORED
        and (not key.startswith("wsgi.") or key == "wsgi.url_scheme")
        and key != "SERVER_SOFTWARE"
    }


@pytest.mark.parametrize("data", NOT_PLAIN)
def test_not_plain(data: bytes) -> None:
    """Everything that could be read in two ways is left to gunicorn."""
    assert read(data) is None


@pytest.mark.parametrize(
    ("settings", "data"),
    [
        ({"limit_request_line": 20}, b"GET /" + b"a" * 30 + b" HTTP/1.1\r\n\r\n"),
        ({"limit_request_fields": 1}, b"GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n"),
        (
            {"limit_request_field_size": 20},
            b"GET / HTTP/1.1\r\nA: 123456789012345678901\r\n\r\n",
        ),
    ],
)
def test_limits_of_gunicorn(settings: dict[str, Any], data: bytes) -> None:
    """Gunicorn's limits hold for plain heads as well."""
    assert read(data) is not None
    assert read(data, make_config(**settings)) is None


@pytest.mark.parametrize(
    ("allowed", "peer", "value", "scheme"),
    [
        ("10.0.0.1", PEER, b"https", "https"),
        ("10.0.0.0/8", PEER, b"https", "https"),
        ("*", PEER, b"https", "https"),
        ("10.0.0.1", PEER, b"http", "http"),
        ("10.0.0.1", PEER, b"HTTPS", "http"),
        ("127.0.0.1", PEER, b"https", "http"),
    ],
)
def test_scheme_of_a_proxy(allowed: str, peer: Any, value: bytes, scheme: str) -> None:
    """Only a trusted proxy says that the client uses HTTPS."""
    cfg = make_config(forwarded_allow_ips=allowed)
    data = b"GET / HTTP/1.1\r\nX-Forwarded-Proto: %b\r\n\r\n" % value

    assert read(data, cfg, peer)["wsgi.url_scheme"] == scheme
    assert read_as_gunicorn(data, cfg, peer).get("wsgi.url_scheme") == scheme


def test_names_are_bounded() -> None:
    """A client that invents names does not make the worker grow."""
    heads = PlainHeads(make_config())
    for number in range(1500):
        data = b"GET / HTTP/1.1\r\nX-%d: 1\r\n\r\n" % number
        assert heads.read(data, len(data) - 4, BASE, PEER) is not None

    assert len(heads._keys) == 1000


def test_prefix_of_all_paths() -> None:
    """With SCRIPT_NAME gunicorn reads all heads: it checks the prefix."""
    data = b"GET /shop/a HTTP/1.1\r\n\r\n"

    assert PlainHeads(make_config(), "/shop").read(data, 24, BASE, PEER) is None


_PIECES = (
    *(b"GET", b"POST", b"PUT", b"HEAD", b"get", b"G T", b" ", b"  ", b"\t"),
    *(b"/", b"//", b"/a", b"?b=c", b"%41", b"%", b"#f", b"*", b"http://x/", b"\xe4"),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"\r\n", b"\n", b"\r"),
    *(b"Host: a\r\n", b"Host: b\r\n", b"Content-Length: 3\r\n", b"X-A: b\r\n"),
    *(b"Content-Length: 4\r\n", b"Transfer-Encoding: chunked\r\n", b"X_A: c\r\n"),
    *(b"Content-Type: t/x\r\n", b"Connection: close\r\n", b"X-A:b \t\r\n", b"X-B:\r\n"),
    *(b"X-Forwarded-Proto: https\r\n", b"X-Forwarded-SSL: on\r\n", b"A-\xe4: b\r\n"),
    *(b" folded\r\n", b"X A: b\r\n", b"X-C : d\r\n", b": e\r\n", b"f\r\n", b"\x00"),
    *(b"X-\xff: 1\r\n", b"X-D: \xff\x80\r\n", b"X-E: \x7f\r\n", b"Expect: x\r\n"),
)


def make_head(chance: random.Random) -> bytes:
    """A head that is right in most parts, or pieces in any order."""
    if chance.random() < 0.2:
        return b"".join(chance.choices(_PIECES, k=chance.randint(1, 12))) + b"\r\n\r\n"
    line = b"%b %b HTTP/1.1\r\n" % (
        chance.choice((b"GET", b"POST", b"PUT", b"OPTIONS", b"PATCH", b"CONNECT")),
        b"".join((b"/", *chance.choices(_PIECES[9:19], k=chance.randint(0, 3)))),
    )
    fields = [piece for piece in _PIECES if piece.endswith(b"\r\n")]
    head = line + b"".join(chance.sample(fields, k=chance.randint(0, 5))) + b"\r\n"
    if chance.random() < 0.3:
        at = chance.randrange(len(head))
        head = head[:at] + bytes([chance.randrange(256)]) + head[at + 1 :]
    return head


def compare(seed: int, number: int) -> tuple[int, list[bytes]]:
    """Compare heads; how many were plain, and those that gunicorn reads otherwise."""
    chance, plain, wrong = random.Random(seed), 0, []
    cfg = make_config(forwarded_allow_ips="10.0.0.0/8")
    heads = PlainHeads(cfg)
    for _ in range(number):
        data = make_head(chance)
        end = data.find(b"\r\n\r\n")
        if end < 0:
            continue
        found = heads.read(data, end, BASE, PEER)
        if found is None:
            continue
        plain += 1
        try:
            expected = visible(read_as_gunicorn(data[: end + 4], cfg))
        except Exception:
            expected = {}
        if visible(found) != expected:
            wrong.append(data)
    return plain, wrong


def test_fuzzed_heads() -> None:
    """No fuzzed head is read in another way than by gunicorn."""
    plain, wrong = compare(seed=7, number=5000)

    assert wrong == []
    assert plain > 500


@pytest.mark.proof
def test_many_fuzzed_heads(proof_size: Any) -> None:
    """The same for 100,000 heads."""
    number = proof_size(100_000)

    plain, wrong = compare(seed=11, number=number)

    assert wrong == []
    assert plain > number // 10
