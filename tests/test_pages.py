"""The pages for probes and scrapers, whatever the service registers."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers
from flask import Flask
from werkzeug.test import Client

import modern_flask
from modern_flask.errors import FIX_DURATION, FIX_PATH, BadDuration, BadPath
from modern_flask.observability.errors import FIX_ADDRESS, FIX_TOKEN
from modern_flask.wiring.errors import CheckFailed
from tests.closing import closing_apps
from tests.pages_service import make_services
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python

PATHS = ("/livez", "/readyz", "/startupz", "/metrics")
KEYS = {
    "/livez": "HEALTH_LIVENESS_PATH",
    "/readyz": "HEALTH_READINESS_PATH",
    "/startupz": "HEALTH_STARTUP_PATH",
    "/metrics": "METRICS_PATH",
}
TOKEN = {"Authorization": "Bearer s3cret-of-the-scraper"}


@pytest.fixture(autouse=True)
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No ``config.py`` of this folder is read, and no app stays open."""
    monkeypatch.chdir(tmp_path)
    # On a loaded machine the first ping imports longer than a second.
    monkeypatch.setenv("FLASK_HEALTH_TIMEOUT", "60")
    yield from closing_apps(monkeypatch)


def make(**config: Any) -> modern_flask.App:
    return modern_flask.create_app("shop", config=config, root_path=".")


def add_own(app: Flask, methods: tuple[str, ...] = ("GET",)) -> None:
    for path in PATHS:
        app.add_url_rule(path, path[1:], lambda: "mine", methods=methods)


def test_whatever_the_service_registers() -> None:
    """The pages answer behind every hook, with every rule for hosts."""
    found = {
        f"{name}{path}": Client(app).get(path, base_url="http://10.1.2.3").status_code
        for name, app in make_services()
        for path in PATHS
    }

    assert len(found) == 160
    assert {name for name, status in found.items() if status != 200} == set()


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "gunicorn", "--workers", "1"),
        ("-m", "gunicorn", "--threads", "4"),
        ("-m", "gunicorn", "-c", "python:modern_flask.server.settings"),
        ("-m", "flask", "run"),
    ],
    ids=["sync", "gthread", "settings", "flask"],
)
def test_with_every_server(words: tuple[str, ...], tmp_path: Path) -> None:
    """The same holds for a request by address, as a kubelet sends it."""
    port = free_port()
    factory = "tests.pages_service:make_server_app()"
    environ: dict[str, str | None] = {"PYTHONPATH": str(Path(__file__).parents[1])}
    if "flask" in words:
        program = tmp_path / "program.py"
        program.write_text(
            "from werkzeug.serving import run_simple\n"
            "from tests.pages_service import make_server_app\n"
            f"run_simple('127.0.0.1', {port}, make_server_app(), threaded=True)\n"
        )
        command = python(str(program))
    else:
        command = python(*words, "--bind", f"127.0.0.1:{port}", factory)

    with Process(*command, log=tmp_path / "log", env=environ, cwd=tmp_path):
        eventually(lambda: get_status(port, "/") == 200, timeout=60)
        names = [name for name, _ in make_services()]
        found = {
            f"{name}{path}": get_status(port, f"{name}{path}")
            for name in names
            for path in PATHS
        }

    assert {name for name, status in found.items() if status != 200} == set()


def get_status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_liveness_needs_no_start() -> None:
    """A fault of the wiring makes a process not ready, but it stays alive."""

    class Shop(modern_flask.Container):
        broken = modern_flask.Opened("tests.test_pages.nothing")

    app = modern_flask.create_app("shop", Shop(), root_path=".")
    client = app.test_client()

    assert client.get("/livez").status_code == 200
    for path in ("/readyz", "/startupz", "/metrics"):
        with pytest.raises(CheckFailed):
            client.get(path)


@pytest.mark.parametrize("path", PATHS)
def test_methods(path: str) -> None:
    """The pages are read by GET and HEAD."""
    client = make().test_client()

    head, post = client.head(path), client.post(path)

    assert (head.status_code, head.data) == (200, b"")
    assert (post.status_code, post.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", PATHS)
def test_own_route_of_an_app_that_exists(path: str) -> None:
    """Under ``init_app`` a route of the service wins, whenever it is registered."""
    before, after = Flask("before", root_path="."), Flask("after", root_path=".")
    add_own(before)
    for app in (before, after):
        modern_flask.init_app(app)
    add_own(after)

    for app in (before, after):
        assert app.test_client().get(path).text == "mine"
        assert modern_flask.app.warnings(app) == []


@pytest.mark.parametrize("path", PATHS)
def test_own_route_for_another_host(path: str) -> None:
    """A route of the service for one host leaves the other hosts to the page."""
    app = Flask("shop", root_path=".", host_matching=True, static_host="shop.example")
    modern_flask.init_app(app)
    app.add_url_rule(path, "own", lambda: "mine", host="shop.example")
    client = app.test_client()

    assert client.get(path, base_url="http://shop.example").text == "mine"
    assert client.get(path, base_url="http://10.1.2.3").text != "mine"


@pytest.mark.parametrize("path", PATHS)
def test_own_route_of_a_new_app(path: str) -> None:
    """Under ``create_app`` the page wins, and a warning names the key that moves it."""
    app = make()
    add_own(app)

    assert app.test_client().get(path).text != "mine"
    assert (
        f"The view {path[1:]} never gets GET {path}: that is a page of the kit. "
        f"Set {KEYS[path]} to another path, or to None."
    ) in modern_flask.app.warnings(app)


@pytest.mark.parametrize("path", PATHS)
def test_own_route_of_another_method(path: str) -> None:
    """A route that only takes POST is the service's, and hides nothing."""
    app = make()
    add_own(app, methods=("POST",))
    client = app.test_client()

    assert client.post(path).text == "mine"
    assert client.get(path).status_code == 200
    assert modern_flask.app.warnings(app) == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("off", [None, "", False])
def test_page_that_is_off(path: str, off: Any) -> None:
    """A page without a path is not there, and its path is the service's."""
    app = make(**{KEYS[path]: off})
    without = app.test_client().get(path).status_code
    other = make(**{KEYS[path]: off})
    add_own(other)

    assert without == 404
    assert other.test_client().get(path).text == "mine"


@pytest.mark.parametrize("path", PATHS)
def test_page_that_moves(path: str) -> None:
    """A page answers at the path of its key, and only there."""
    client = make(**{KEYS[path]: f"/internal{path}/€"}).test_client()

    assert client.get(f"/internal{path}/€").status_code == 200
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("value", ["livez", 7, ["/livez"], True])
@pytest.mark.parametrize("key", KEYS.values())
def test_bad_path(key: str, value: Any) -> None:
    """A path that no request can have is an error with its key."""
    with pytest.raises(BadPath) as raised:
        make(**{key: value})

    assert str(raised.value) == (
        f'{key} = "{value}" is not a path.\n'
        f"  set in   create_app(config=...)\n  fix      {FIX_PATH}"
    )


def test_path_of_two_pages() -> None:
    """Two pages can't have the same path."""
    with pytest.raises(BadPath) as raised:
        make(METRICS_PATH="/livez")

    assert str(raised.value).startswith(
        'METRICS_PATH = "/livez" is the path of HEALTH_LIVENESS_PATH too.'
    )


@pytest.mark.parametrize("value", ["soon", 0, -1, None, True, float("inf")])
def test_bad_timeout(value: Any) -> None:
    """A time for pings that is not a duration is an error with its key."""
    with pytest.raises(BadDuration) as raised:
        make(HEALTH_TIMEOUT=value)

    assert str(raised.value) == (
        f'HEALTH_TIMEOUT = "{value}" is not a positive number of seconds.\n'
        f"  set in   create_app(config=...)\n  fix      {FIX_DURATION}"
    )


def test_misspelled_key() -> None:
    """A key that resembles a key of the pages is reported; others are the service's."""
    app = make(HEALTH_READYNESS_PATH="/ready", HEALTH_CHECK_URL="http://x")

    assert modern_flask.app.warnings(app) == [
        "HEALTH_READYNESS_PATH (create_app(config=...)) has no effect: "
        "did you mean HEALTH_READINESS_PATH?"
    ]


def test_readiness_gives_names_only(caplog: pytest.LogCaptureFixture) -> None:
    """The reason is logged once for each change, and is not on the page."""
    trouble: list[Exception] = [ConnectionRefusedError("hidden")]
    caplog.set_level("INFO", "modern_flask.health")

    def ping(mailer: Any, timeout: float) -> None:
        if trouble:
            raise trouble[0]

    class Shop(modern_flask.Container):
        mailer = modern_flask.Opened(list, ping=ping)

    app = modern_flask.create_app(
        "shop", Shop(), config={"HEALTH_PERIOD": 0.01}, root_path="."
    )
    client = app.test_client()
    down = [client.get("/readyz") for _ in range(3)]
    trouble.clear()
    eventually(lambda: client.get("/readyz").status_code == 200)

    assert {response.status_code for response in down} == {503}
    assert down[0].json == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Not ready: mailer.",
        "instance": "/readyz",
        "checks": {"mailer": "failing"},
    }
    assert [text for name, _, text in caplog.record_tuples if "health" in name] == [
        "mailer is not ready: ConnectionRefusedError: connection refused.",
        "mailer is ready again.",
    ]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz"])
def test_pages_are_not_cached(path: str) -> None:
    """No cache between a probe and the process keeps an answer."""
    response = make().test_client().get(path)

    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Basic s3cret-of-the-scraper"}, 401),
        ({"Authorization": "Bearer \xe9"}, 401),
        (TOKEN, 200),
        ({"Authorization": "bearer  s3cret-of-the-scraper"}, 200),
    ],
)
def test_token(headers: dict[str, str], status: int) -> None:
    """With METRICS_TOKEN a scraper needs the token; the probes do not."""
    app = make(METRICS_TOKEN="s3cret-of-the-scraper")
    client = app.test_client()

    response = client.get("/metrics", headers=headers)

    assert response.status_code == status
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    assert "s3cret" not in response.text + repr(app.container.config())
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("allowed", "address", "status"),
    [
        ("10.0.0.0/8, 192.168.1.7", "10.255.0.1", 200),
        ("10.0.0.0/8, 192.168.1.7", "192.168.1.7", 200),
        ("10.0.0.0/8, 192.168.1.7", "192.168.1.8", 403),
        (["10.1.2.3/8"], "10.9.9.9", 200),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", 200),
        (["fd00::/8"], "fd00::1", 200),
        (["fd00::/8"], "10.0.0.1", 403),
        (["0.0.0.0/0", "::/0"], "", 403),
        ([], "127.0.0.1", 403),
    ],
)
def test_allowed_addresses(allowed: Any, address: str, status: int) -> None:
    """With METRICS_ALLOWED_ADDRESSES only these peers may scrape."""
    client = make(METRICS_ALLOWED_ADDRESSES=allowed).test_client()

    response = client.get("/metrics", environ_overrides={"REMOTE_ADDR": address})

    assert response.status_code == status


@pytest.mark.parametrize(
    ("config", "text"),
    [
        (
            {"METRICS_TOKEN": " "},
            f"METRICS_TOKEN is empty.\n  set in   {{}}{FIX_TOKEN}",
        ),
        (
            {"METRICS_ALLOWED_ADDRESSES": "10.0.0.0/8,node"},
            'METRICS_ALLOWED_ADDRESSES has "node", which is not an address or a '
            f"network.\n  set in   {{}}{FIX_ADDRESS}",
        ),
    ],
)
def test_bad_access(config: dict[str, Any], text: str) -> None:
    """A token or an address that protects nothing is a fault at start."""
    faults = modern_flask.app.faults(make(**config))

    assert [str(fault) for fault in faults] == [
        text.format("create_app(config=...)\n  fix      ")
    ]


def test_port_of_its_own_has_the_same_access() -> None:
    """METRICS_TOKEN holds on METRICS_PORT too; METRICS_PATH takes the page away."""
    port = free_port()
    app = make(
        METRICS_TOKEN="s3cret-of-the-scraper",
        METRICS_PORT=port,
        METRICS_ADDRESS="127.0.0.1",
        METRICS_PATH=None,
    )

    assert app.test_client().get("/metrics").status_code == 404
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    for headers in ({}, TOKEN):
        connection.request("GET", "/metrics", headers=headers)
        response = connection.getresponse()
        response.read()
        found.append(response.status)
    connection.close()

    assert found == [401, 200]


def test_calls_of_the_pages_are_not_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping and a collector of the service make no spans."""
    from opentelemetry import context
    from opentelemetry.instrumentation.utils import is_instrumentation_enabled
    from prometheus_client import REGISTRY

    seen: list[bool] = []

    class Collector:
        def collect(self) -> list[Any]:
            seen.append(is_instrumentation_enabled())
            return []

    def ping(mailer: Any, timeout: float) -> None:
        seen.append(is_instrumentation_enabled())

    class Shop(modern_flask.Container):
        mailer = modern_flask.Opened(list, ping=ping)

    client = modern_flask.create_app("shop", Shop(), root_path=".").test_client()
    collector: Any = Collector()
    REGISTRY.register(collector)
    seen.clear()
    try:
        for path in PATHS:
            assert client.get(path).status_code == 200
    finally:
        REGISTRY.unregister(collector)

    assert seen == [False, False]
    assert context.get_current() == {}


def test_pages_are_no_routes() -> None:
    """The pages are not in the app's URL map: a specification does not list them."""
    app = make()

    assert {rule.endpoint for rule in app.url_map.iter_rules()} == {"static"}


def test_override_of_the_metrics() -> None:
    """A test may replace the metrics of the container."""

    class Fake:
        def answer(self, environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [b"fake"]

    app = make()
    with app.container.metrics.override(providers.Object(Fake())):
        assert app.test_client().get("/metrics").text == "fake"


def test_bad_numbers() -> None:
    """Each setting of the checks is a positive number."""
    for name in ("HEALTH_PERIOD", "HEALTH_FAILURES", "HEALTH_SUCCESSES"):
        with pytest.raises(BadDuration):
            make(**{name: 0})
