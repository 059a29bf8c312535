"""The library's own calls on the kit's container: one test for each row of the docs."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide

import modern_flask
from modern_flask import Container, Opened, inject
from modern_flask.app import faults
from modern_flask.wiring.errors import NoApp

Base: Any = Container
DOCS = Path(__file__).parents[2] / "docs" / "dependency-injector.md"
ROWS: dict[str, str] = {}
MODULE = "wired_by_hand"
CODE = """\
from typing import Annotated
from dependency_injector.wiring import Provide, inject as library_inject
from modern_flask import inject

attribute = Provide["greeting"]

@inject
def ours(found: Annotated[str, Provide["greeting"]]):
    return found

@library_inject
def theirs(found: str = Provide["greeting"]):
    return found

def plain(found: str = Provide["greeting"]):
    return found
"""


class Journal(list[str]): ...


class Own(Base):
    journal = providers.Singleton(Journal)
    greeting = providers.Callable(lambda: "from the container")
    first = Opened(lambda: "first")
    thing = providers.Singleton(object)


def row(call: str) -> Callable[[Any], Any]:
    """The row of the docs that a test shows."""

    def note(test: Any) -> Any:
        ROWS[call] = test.__name__
        return test

    return note


@pytest.fixture
def make(tmp_path: Path, monkeypatch: Any) -> Iterator[Callable[..., Any]]:
    """``make(container, KEY=...)``: an app around a container."""
    monkeypatch.chdir(tmp_path)
    apps: list[Any] = []

    def build(container: Any, **config: Any) -> Any:
        app = modern_flask.create_app("library_calls", container, config=config)
        apps.append(app)
        return app

    yield build
    for app in apps:
        app.lifecycle.close()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: Any) -> Iterator[Any]:
    """A module of functions to wire, in a package of its own."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "handwired"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / f"{MODULE}.py").write_text(CODE)
    yield __import__(f"handwired.{MODULE}", fromlist=["ours"])
    for name in [each for each in sys.modules if each.startswith("handwired")]:
        sys.modules.pop(name)


def test_every_row_has_a_test() -> None:
    """The table of the docs and the tests of this file are the same list."""
    calls = re.findall(r"^\| `(.+?)` \|", DOCS.read_text(), flags=re.M)

    assert sorted(calls) == sorted(ROWS)


class Recorded(Base):
    """Resources that note what opens and closes, one that fails, one not configured."""

    journal = providers.Singleton(Journal)

    def _open(name: str, fails: bool = False) -> Any:
        def open_(journal: Journal, *_: Any) -> Iterator[str]:
            journal.append(f"open {name}")
            yield name
            journal.append(f"close {name}")
            if fails:
                raise OSError(name)

        return open_

    first = Opened(_open("first"), journal)
    second = providers.Resource(_open("second"), journal, first)
    third = Opened(_open("third"), journal, second)
    mail = Opened(
        _open("mail"), journal, modern_flask.section(Base.config, "MAIL_", "URL")
    )
    choice = modern_flask.Choice(
        Base.config.PICK,
        a=Opened(_open("a"), journal),
        b=Opened(_open("b"), journal),
    )


class Failing(Recorded):
    second = providers.Resource(
        Recorded._open("second", fails=True), Recorded.journal, Recorded.first
    )
    third = Opened(Recorded._open("third"), Recorded.journal, second)


@pytest.mark.parametrize("bound", [False, True])
@row("container.init_resources()")
def test_init_resources(make: Any, bound: bool) -> None:
    """What is configured and chosen is opened, in order, with an app and without."""
    container = Recorded()
    if bound:
        make(container, PICK="b")
    else:
        container.config.from_dict({"PICK": "b"})

    assert container.init_resources() is None
    assert container.journal() == ["open first", "open second", "open third", "open b"]
    container.shutdown_resources()


@row("container.init_resources(Kind)")
def test_init_resources_of_a_kind() -> None:
    """Only resources of the kind are opened, and their dependencies."""
    container = Recorded()

    container.init_resources(modern_flask.Once)
    assert container.journal() == []
    with pytest.raises(TypeError):
        container.init_resources(object)


@row("container.shutdown_resources()")
def test_shutdown_resources() -> None:
    """All is closed in the reverse order, whatever fails, and the failure is raised."""
    container = Failing()
    container.config.from_dict({"PICK": "a"})
    container.init_resources()
    container.journal().clear()

    with pytest.raises(OSError, match="second"):
        container.shutdown_resources()

    assert container.journal()[-3:] == ["close third", "close second", "close first"]
    assert not container.first.initialized


@row("container.shutdown_resources(Kind)")
def test_shutdown_resources_of_a_kind() -> None:
    """Only resources of the kind are closed."""
    container = Recorded()
    container.init_resources()

    container.shutdown_resources(Opened)

    assert container.second.initialized
    assert not container.third.initialized
    with pytest.raises(TypeError):
        container.shutdown_resources(object)


def wired(module: Any) -> list[str]:
    return [module.ours(), module.theirs(), module.plain(), module.attribute]


@row("container.wire(modules=[...])")
def test_wire_modules(make: Any, module: Any) -> None:
    """A hand-wired container serves both decorators where there is no app."""
    container = Own()
    container.wire(modules=[module])
    try:
        assert wired(module) == ["from the container"] * 4
        app = make(Own(greeting=providers.Object("from the app")))
        with app.app_context():
            assert module.ours() == "from the app"
            assert module.theirs() == "from the container"
    finally:
        container.unwire()


@row("container.wire(packages=[...])")
def test_wire_packages(module: Any) -> None:
    """All modules of a package are wired, also by a name."""
    container = Own()
    container.wire(packages=["handwired"])
    try:
        assert wired(module) == ["from the container"] * 4
    finally:
        container.unwire()


@row("wiring_config")
def test_wiring_config(module: Any) -> None:
    """A declared wiring is done when the container is made."""

    class Declared(Own):
        wiring_config = containers.WiringConfiguration(
            modules=[f".{MODULE}"], from_package="handwired"
        )

    container = Declared()
    try:
        assert wired(module) == ["from the container"] * 4
    finally:
        container.unwire()


def test_wire_by_a_relative_name(module: Any) -> None:
    """A relative name is resolved from the package of the caller."""
    names = {"__package__": "handwired", "container": Own(), "__name__": "handwired.x"}
    exec(f"container.wire(modules=['.{MODULE}'])", names)
    try:
        assert module.ours() == "from the container"
    finally:
        names["container"].unwire()  # type: ignore[attr-defined]


@row("container.unwire()")
def test_unwire(make: Any, module: Any) -> None:
    """What was wired is undone: functions are served through the app again."""
    container = Own()
    container.wire(modules=[module])
    container.unwire()

    with pytest.raises(NoApp):
        module.ours()
    with pytest.raises(NoApp):
        module.theirs()
    app = make(Own())
    with app.app_context():
        assert module.ours() == "from the container"
        assert module.theirs() == "from the container"


@pytest.mark.parametrize("name", ["greeting", "first", "thing"])
@row("container.provider.override(...)")
def test_override_of_a_provider(make: Any, name: str) -> None:
    """An override replaces what is injected at once, and is undone."""
    app = make(Own())

    @inject
    def view(found: Annotated[Any, Provide[name]]) -> Any:
        return found

    provider = getattr(app.container, name)
    with app.app_context():
        before = view()
        with provider.override("double"):
            assert view() == "double"
        assert view() == before
        provider.override(providers.Object("again"))
        assert view() == "again"
        provider.reset_override()
        assert view() == before


@row("container.override(other)")
def test_override_by_a_container(make: Any) -> None:
    """Another container's providers win, before and after the app is made."""

    class Doubles(containers.DeclarativeContainer):
        greeting = providers.Object("double")

    container = Own()
    app = make(container)
    container.override(Doubles())

    @app.get("/")
    @inject
    def view(greeting: Annotated[str, Provide["greeting"]]) -> str:
        return greeting

    assert app.test_client().get("/").text == "double"
    container.reset_override()


@row("@containers.override(Container)")
def test_override_of_the_class(make: Any) -> None:
    """A class-level override counts for every container that is made later."""

    class First(Own): ...

    @containers.override(First)
    class Doubles(containers.DeclarativeContainer):
        greeting = providers.Object("double")

    assert make(First()).container.greeting() == "double"
    First.reset_override()
    assert First().greeting() == "from the container"


@row("Container(provider=...)")
def test_override_when_it_is_made(make: Any) -> None:
    """A keyword overrides a provider from the beginning."""
    app = make(Own(greeting="double"))

    assert app.container.greeting() == "double"
    assert faults(app) == []


@row("container.reset_singletons()")
def test_reset_singletons(make: Any) -> None:
    """Singletons are made anew, in a block and after it."""

    class Abstract(Own):
        gone = providers.AbstractSingleton(object)

    container = make(Abstract()).container
    first = container.thing()
    with container.reset_singletons():
        second = container.thing()
        assert second is not first
    assert container.thing() not in (first, second)


@pytest.mark.parametrize("late", [False, True])
@row("container.set_provider(name, ...)")
def test_set_provider(make: Any, late: bool) -> None:
    """A provider that is added is found by its name, early or late."""
    container = Own()
    app = make(container) if late else None
    container.set_provider("added", providers.Object("added"))
    app = app or make(container)

    @app.get("/")
    @inject
    def view(added: Annotated[str, Provide["added"]]) -> str:
        return added

    assert faults(app) == []
    assert app.test_client().get("/").text == "added"


@pytest.mark.parametrize("moment", ["early", "late", "served"])
def test_replaced_provider_is_injected(make: Any, moment: str) -> None:
    """A replaced provider is found by its name and by the declared provider."""
    container = Own()

    def replace() -> None:
        container.set_provider("greeting", providers.Object("new"))

    if moment == "early":
        replace()
    app = make(container)

    @app.get("/")
    @inject
    def view(
        one: Annotated[str, Provide["greeting"]],
        two: Annotated[str, Provide[Own.greeting]],
    ) -> str:
        return f"{one} {two}"

    if moment == "served":
        assert (
            app.test_client().get("/").text == "from the container from the container"
        )
    if moment != "early":
        replace()
    assert app.test_client().get("/").text == "new new"


def test_replaced_resource_is_closed(make: Any) -> None:
    """An open resource that is replaced is closed with the others."""
    closed: list[str] = []

    def open_box() -> Iterator[str]:
        yield "box"
        closed.append("box")

    class Boxes(Own):
        box = Opened(open_box)

    container = Boxes()
    app = make(container)
    assert container.box() == "box"
    container.set_provider("box", providers.Object("new"))

    app.lifecycle.close()

    assert closed == ["box"]


@row("container.config.from_dict(...)")
def test_from_dict(make: Any) -> None:
    """Loaded values win: before the app is made, and afterwards."""
    container = Own()
    container.config.from_dict({"WORD": "first", "NEST": {"a": 1}})
    app = make(container, OTHER="kept")

    assert app.config["WORD"] == "first"
    container.config.from_dict({"WORD": "second", "NEST": {"b": 2}})
    assert container.config.WORD() == "second"
    assert container.config.NEST() == {"a": 1, "b": 2}
    assert container.config.OTHER() == "kept"


@row("container.config.from_yaml(...)")
def test_from_yaml(make: Any, tmp_path: Path) -> None:
    """A file's values are laid over what is there."""
    path = tmp_path / "values.yml"
    path.write_text(
        dedent("""
        STORAGE_VENDOR: memory
        WORD: yaml
    """)
    )
    container = make(Own()).container

    container.config.from_yaml(path)

    assert container.config.WORD() == "yaml"
    assert container.storage().vendor == "memory"


@row("container.config.KEY.from_env(...)")
def test_from_env(make: Any, monkeypatch: Any) -> None:
    """One key comes from a variable, before the app or after."""
    monkeypatch.setenv("WORD_OF_TEST", "env")
    container = Own()
    container.config.WORD.from_env("WORD_OF_TEST")
    app = make(container)

    assert app.config["WORD"] == "env"
    container.config.LATER.from_env("WORD_OF_TEST")
    assert container.config.LATER() == "env"


@row("Configuration(default={...})")
def test_defaults(make: Any) -> None:
    """Defaults lie below every source; the base's sections keep the service's keys."""

    class Declared(Own):
        config = providers.Configuration(default={"WORD": "default", "OTHER": 1})

    container = make(Declared(), WORD="given", STORAGE_VENDOR="memory").container

    assert container.config.WORD() == "given"
    assert container.config.OTHER() == 1
    assert container.storage().vendor == "memory"
