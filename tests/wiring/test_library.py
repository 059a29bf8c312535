"""The private names of dependency-injector: these tests fail if one of them changes."""

import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers, wiring
from dependency_injector.wiring import Closing, Provide, Provider

import modern_flask
from modern_flask.wiring import library

ROOM = Path(modern_flask.__file__).parent
PRIVATE = re.compile(
    r"_patched_registry|_Marker\b|_callables|\._map\b|_get_root|ProvidersMap"
    r"|\._last_overriding|\._overridden|__IS_CONTAINER__"
)


class Container(containers.DeclarativeContainer):
    """The container of the functions here."""

    config = providers.Configuration()
    name = providers.Object("name")


@pytest.mark.parametrize(
    "name",
    [
        "_patched_registry",
        "_Marker",
        "ProvidersMap",
    ],
)
def test_module_has(name: str) -> None:
    """The library's wiring module has the private name."""
    assert hasattr(wiring, name)


def test_registry() -> None:
    """The registry records each injected function, its markers and its injections."""

    def view(name: Annotated[Any, Provide["name"]], gone: Any = Closing["name"]) -> Any:
        return name

    patched = wiring.inject(view)
    registry: Any = wiring._patched_registry  # type: ignore[attr-defined]
    record = registry.get_callable(patched)

    assert registry.has_callable(patched)
    assert record in registry._callables.values()
    assert record.original is view
    assert record.reference_injections.keys() == {"name", "gone"}
    assert record.reference_closing.keys() == {"gone"}
    assert record.injections == {}
    library.add_injection(record, "name", providers.Object("filled"))
    library.add_injection(record, "gone", providers.Object("filled"))
    assert patched() == "filled"


def test_markers() -> None:
    """A marker has a kind, a provider and a modifier."""
    marker: Any = Provide["name"]

    assert library.is_marker(marker)
    assert library.is_provider_marker(Provider["name"])
    assert library.is_closing(Closing["name"])
    assert not library.is_marker("name")
    assert (marker.provider, marker.modifier) == ("name", None)


def test_providers_map() -> None:
    """The map resolves texts, providers and keys, also from a base to a subclass."""

    class Sub(Container):
        name = providers.Object("sub")

    container = Sub()
    found = library.providers_map(container)

    assert found.resolve_provider("name", None) is container.name
    assert found.resolve_provider(Container.name, None) is container.name
    assert found.resolve_provider("nothing", None) is None
    assert found.resolve_provider(Container.config.KEY, None).get_name() == "config.KEY"


def test_option_knows_its_configuration() -> None:
    """An option of the configuration leads to the whole configuration."""
    container = Container()
    container.config.from_dict({"KEY": 1})

    assert library.configuration_of(container.config.KEY) == {"KEY": 1}
    assert library.configuration_of(container.name) is None


def test_providers_can_be_subclassed() -> None:
    """A call runs the ``_provide`` of a subclass, unless the provider is overridden."""

    class Late(providers.Resource[Any]):
        def _provide(self, args: Any, kwargs: Any) -> Any:
            return args, kwargs

    late = Late(list)
    late.disable_async_mode()

    assert late(1, two=2) == ((1,), {"two": 2})
    with late.override("double"):
        assert late() == "double"
        assert late.last_overriding is not None
    assert late.last_overriding is None


def test_only_one_module_touches_them() -> None:
    """Only ``wiring/library.py`` uses the private names."""
    files = [path for path in ROOM.rglob("*.py") if path.name != "library.py"]

    touching = {
        path.relative_to(ROOM).as_posix(): found
        for path in files
        if (found := set(PRIVATE.findall(path.read_text())))
    }

    assert touching == {}
