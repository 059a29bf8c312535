"""Components that don't open: each is told by its name and its keys, once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import containers, providers

import modern_flask
from modern_flask import Container
from modern_flask.config.values import Origin, Values
from modern_flask.wiring import Choice, Opened, section
from modern_flask.wiring.checks.errors import NotClosed, NotOpened
from modern_flask.wiring.checks.run import check_opening

SECRET = "hunter2"


def open_mailer(settings: Any, *_: Any) -> Iterator[str]:
    yield f"{settings['host']:d}"


def open_leak() -> Iterator[str]:
    yield "leak"
    raise ValueError(SECRET)


OPENS = f"{__name__}, line {open_mailer.__code__.co_firstlineno + 1}"
LEAKS = f"{__name__}, line {open_leak.__code__.co_firstlineno + 2}"


class Shop(containers.DeclarativeContainer):
    """One component that stands on another, and one that is chosen."""

    config = providers.Configuration()
    mailer = Opened(open_mailer, section(config, "MAIL_", "HOST"))
    letters = Opened(list, mailer.provided.sent)
    post = Choice(config.POST, paper=Opened(open_mailer, section(config, "POST_")))


class Leaking(containers.DeclarativeContainer):
    """A component that raises when it is closed."""

    leak = Opened(open_leak)


def shop(**values: Any) -> Any:
    """The container with ``values``, each set in a line of its own."""
    lines = {key: Origin("config.py", n) for n, key in enumerate(values, start=1)}
    container = Shop()
    container.config.override(Values(values, lines))
    return container


def told(container: Any) -> list[str]:
    return [str(fault) for fault in check_opening(container)]


def test_component_is_told_by_its_name_and_keys() -> None:
    """The fault has the name, where it was raised and the keys; never the message."""
    (fault,) = check_opening(shop(MAIL_HOST=SECRET, MAIL_PORT=25))

    assert isinstance(fault, NotOpened)
    assert isinstance(fault.__cause__, ValueError)
    assert str(fault) == (
        "mailer can't be opened: ValueError.\n"
        f"  in       {OPENS}\n"
        "  given    MAIL_HOST, set in config.py, line 1\n"
        "           MAIL_PORT, set in config.py, line 2\n"
        "  check    the types of these values"
    )


def test_what_stands_on_it_is_not_told() -> None:
    """Two components that fail are two faults; what stands on one of them is none."""
    found = told(shop(MAIL_HOST=SECRET, POST="paper", POST_HOST=SECRET))

    assert [text.partition("\n")[0] for text in found] == [
        "mailer can't be opened: ValueError.",
        "post can't be opened: ValueError.",
    ]


def test_branch_that_is_chosen_is_told_by_its_keys() -> None:
    """A choice is told with the keys of the branch that is in force."""
    (text,) = told(shop(POST="paper", POST_HOST=SECRET))

    assert text == (
        "post can't be opened: ValueError.\n"
        f"  in       {OPENS}\n"
        "  given    POST_HOST, set in config.py, line 2\n"
        "  check    the types of these values"
    )


def test_key_that_is_no_section() -> None:
    """A single key that a component is made with is told as well."""

    class Own(Shop):
        till = Opened(int, Shop.config.TILL)

    container = Own()
    container.config.override(Values({"TILL": "x"}, {"TILL": Origin("config.py", 9)}))

    (text,) = told(container)

    assert text.splitlines()[0] == "till can't be opened: ValueError."
    assert text.splitlines()[2:] == [
        "  given    TILL, set in config.py, line 9",
        "  check    the types of these values",
    ]


def test_component_without_keys() -> None:
    """A component of no configuration is told by the line that raised."""

    class Own(containers.DeclarativeContainer):
        mailer = Opened(open_mailer, {"host": SECRET})

    assert told(Own()) == [f"mailer can't be opened: ValueError.\n  in       {OPENS}"]


def test_component_that_does_not_close() -> None:
    """What a closer raises is told by its class and its line."""
    (fault,) = check_opening(Leaking())

    assert isinstance(fault, NotClosed)
    assert isinstance(fault.__cause__, ValueError)
    assert str(fault) == (
        f"A component can't be closed: ValueError.\n  in       {LEAKS}"
    )


@pytest.mark.parametrize(
    ("component", "values"),
    [
        ("metrics", {"METRICS_PORT": 0, "METRICS_ADDRESS": 3}),
        ("logging", {"LOGGING_LEVELS": "x"}),
        (
            "engine",
            {"DATABASE_ENGINE_URL": "sqlite:///", "DATABASE_ENGINE_CONNECT_ARGS": "x"},
        ),
        (
            "engine",
            {"DATABASE_ENGINE_URL": "sqlite:///a.db", "DATABASE_ENGINE_POOL_SIZE": "x"},
        ),
    ],
)
def test_value_of_a_wrong_type(
    component: str,
    values: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each component of the kit tells a wrong type by its name and its keys, once."""
    monkeypatch.chdir(tmp_path)
    app = modern_flask.create_app("shop", Container(), config=values)

    (fault,) = check_opening(app.container)

    assert isinstance(fault, NotOpened)
    assert (fault.component, list(fault.given)) == (component, list(values))
