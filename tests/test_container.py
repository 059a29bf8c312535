"""The container as declared, and the contract that its components keep, row by row."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers

import modern_flask
from modern_flask.testing import overriding
from modern_flask.wiring.edges import settings_of
from modern_flask.wiring.graph import Graph
from modern_flask.wiring.providers import Late
from modern_flask.wiring.settings import Settings
from tests.closing import closing_apps

ROOT = Path(__file__).parents[1]
SECRET = "hidden-and-long-enough"

COMPONENTS: dict[str, dict[str, Any]] = {
    "engine": {"DATABASE_ENGINE_URL": f"postgresql+psycopg://u:{SECRET}@127.0.0.1/db"},
    "redis": {"REDIS_URL": f"redis://:{SECRET}@127.0.0.1:9/0"},
    "storage": {
        "STORAGE_VENDOR": "cos",
        "STORAGE_SECRET_ID": "id",
        "STORAGE_SECRET_KEY": SECRET,
        "STORAGE_REGION": "ap-guangzhou",
        "STORAGE_BUCKET": "files-1250000000",
    },
    "celery": {"CELERY_BROKER_URL": f"redis://:{SECRET}@127.0.0.1:9/1"},
}
# What is not here yet, and the work that brings it. Empty when all of it is done.
PENDING = {
    ("celery", "reads within a deadline"): "data",
    ("storage", "writes within a deadline"): "data",
    ("celery", "drained at the end of a pod"): "server",
}


@pytest.fixture(autouse=True)
def closed(monkeypatch: Any) -> Iterator[None]:
    """No app stays open."""
    yield from closing_apps(monkeypatch)


@pytest.fixture(params=COMPONENTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(name: str, tmp_path: Path, monkeypatch: Any) -> modern_flask.App:
    """A service in which one component is configured, with a secret in its keys."""
    monkeypatch.chdir(tmp_path)
    return modern_flask.create_app("shop", config=COMPONENTS[name], root_path=".")


@pytest.fixture
def provider(app: modern_flask.App, name: str) -> providers.Provider[Any]:
    return app.container.providers[name]


def late() -> list[Any]:
    graph = Graph(modern_flask.Container())
    return [
        pytest.param(found, id=graph.name(found))
        for found in graph.nodes()
        if isinstance(found, Late)
    ]


@pytest.mark.parametrize("found", late())
def test_target_is_there(found: Late) -> None:
    """Every dotted target names a function that is documented."""
    module, _, attribute = found.label.rpartition(".")

    assert getattr(import_module(module), attribute).__doc__


def find_pings() -> dict[str, str]:
    """The ping that each component declares; of a choice, that of its branches."""
    container = modern_flask.Container()
    found: dict[str, str] = {}
    for name, provider in container.providers.items():
        chooses = isinstance(provider, providers.Selector)
        branches = provider.providers.values() if chooses else ()
        for each in (provider, *branches):
            if isinstance(each, Late) and each.ping:
                found[name] = each.ping
    return found


def test_pings_are_there() -> None:
    """Every ping names a function that takes the object and its seconds."""
    for path in find_pings().values():
        module, _, attribute = path.rpartition(".")
        parameters = list(
            signature(getattr(import_module(module), attribute)).parameters
        )

        assert parameters[1] == "timeout"


def test_every_component_is_known_here() -> None:
    """A component that gets a ping is under the contract."""
    assert find_pings().keys() == COMPONENTS.keys()


def test_pending_rows_name_components() -> None:
    """What is left to do is said of components that there are."""
    assert {component for component, _ in PENDING} <= COMPONENTS.keys()
    assert set(PENDING.values()) <= {"data", "observability", "server"}


def test_section(app: modern_flask.App, provider: Any, name: str) -> None:
    """It is made with a section of the configuration, of the prefix of its keys."""
    graph = Graph(app.container)
    ways = graph.paths(provider, lambda found: isinstance(found, Settings))
    prefixes = [way[-1].prefix for way in ways]  # type: ignore[attr-defined]

    assert all(key.startswith(tuple(prefixes)) for key in COMPONENTS[name])


def waits_of(name: str, made: Any) -> list[Any]:
    """How long what the component waits for may take, in seconds."""
    if name == "redis":
        known = made.connection_pool.connection_kwargs
        return [known["socket_timeout"], known["socket_connect_timeout"]]
    if name == "engine":
        return [made.pool.timeout(), made.dialect.create_connect_args(made.url)]
    if name == "celery":
        options = made.conf.broker_transport_options
        return [made.conf.broker_connection_timeout, options["socket_timeout"]]
    return list(made.raw._conf._timeout)


def test_safe_defaults(provider: Any, name: str) -> None:
    """Everything that waits has a bound, without a key of the user's."""
    assert all(waits_of(name, provider()))


def test_opened_once(provider: Any, app: modern_flask.App) -> None:
    """Two threads that race for it receive one object; it is closed once."""
    start, found = threading.Barrier(2), []

    def use() -> None:
        start.wait()
        found.append(provider())

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found[0] is found[1]
    app.lifecycle.close()
    assert provider() is not found[0]
    app.lifecycle.close()


def test_ping(app: modern_flask.App, name: str) -> None:
    """It is asked whether it answers, and a server that is away is told by name."""
    response = app.test_client().get("/readyz")

    assert response.json is not None
    assert response.json["checks"].keys() == {name}
    assert SECRET not in response.text


def test_observed(provider: Any) -> None:
    """It is handed to telemetry when it is made."""
    chosen = provider.cos if isinstance(provider, providers.Selector) else provider

    assert "observed_by" in chosen.kwargs


SERIES = {
    "engine": 'database_pool_size{database="db"}',
    "redis": 'redis_pool_connections{state="idle"}',
    "storage": 'storage_operation_duration_seconds_count{operation="head",',
    "celery": 'celery_queue_messages{queue="celery"}',
}


def test_measured(app: modern_flask.App, provider: Any, name: str) -> None:
    """When it is open, /metrics tells of it."""
    made = provider()
    if name == "celery":
        made.conf.broker_url = "memory://"
    if name == "storage":
        with made.observe("head", "a.txt"):
            pass

    text = app.test_client().get("/metrics").text

    assert SERIES[name] in text
    assert SECRET not in text


def test_no_secret_in_repr(app: modern_flask.App, provider: Any) -> None:
    """Its ``repr``, its provider's and that of its settings hold no secret."""
    made = [provider(), *(found() for found in settings_of(provider))]
    shown = [repr(one) for one in (*made, provider, app.container.config())]

    assert SECRET not in "".join(shown)


MODULES = {
    "engine": "sqlalchemy",
    "redis": "redis",
    "storage": "qcloud_cos",
    "celery": "celery",
}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The modules of a service that configures nothing."""
    code = (
        "import modern_flask, sys\n"
        "app = modern_flask.create_app('shop', root_path='.')\n"
        "app.test_client().get('/readyz')\n"
        "print(*sys.modules)"
    )
    folder = tmp_path_factory.mktemp("shop")
    command = [sys.executable, "-c", code]
    return subprocess.check_output(command, cwd=folder, text=True).split()


def test_imported_only_when_configured(name: str, imported: list[str]) -> None:
    """A service that does not configure it never imports what it stands on."""
    assert "modern_flask" in imported
    assert MODULES[name] not in imported


def test_override(app: modern_flask.App, provider: Any, name: str) -> None:
    """A test puts a double in its place, and takes it away."""
    double = object()

    with overriding(app.container, **{name: double}):
        assert provider() is double
    assert provider() is not double


def test_documented(name: str) -> None:
    """The README shows its keys."""
    readme = (ROOT / "README.md").read_text()

    assert all(key in readme or prefix_of(key) in readme for key in COMPONENTS[name])


def prefix_of(key: str) -> str:
    return key[: key.index("_") + 1] + "*"


def test_used_in_the_example(name: str, monkeypatch: Any) -> None:
    """The example service asks for it."""
    from example_service import create_app
    from modern_flask.wiring import get_bound
    from modern_flask.wiring.checks.checked_app import find_injections
    from modern_flask.wiring.checks.functions import find_functions

    keys = {key: value for known in COMPONENTS.values() for key, value in known.items()}
    app = create_app(**keys)
    bound, graph = get_bound(app), Graph(app.container)
    wanted = app.container.providers[name]

    def is_wanted(found: providers.Provider[Any]) -> bool:
        return found is wanted

    assert any(
        list(graph.paths(one.provider, is_wanted))
        for asker in find_functions(app, {})
        for one in find_injections(asker, bound)
    )


def test_subclass_adds_its_own() -> None:
    """A service's providers stand beside the kit's, and on them."""

    class Shop(modern_flask.Container):
        orders = providers.Factory(list, providers.List(modern_flask.Container.redis))

    shop = Shop()
    with shop.redis.override("double"):
        assert shop.orders() == ["double"]
    assert set(modern_flask.Container().providers) < set(shop.providers)


def test_containers_share_nothing() -> None:
    """Two containers of one class open an object each."""
    one, two = modern_flask.Container(), modern_flask.Container()
    for container in (one, two):
        container.config.from_dict({"DATABASE_ENGINE_URL": "sqlite://"})
        container.config.from_dict({"SERVICE_NAME": "shop"})

    make: Callable[[Any], Any] = lambda container: container.engine()  # noqa: E731
    assert make(one) is make(one)
    assert make(one) is not make(two)
