"""Components that can't be opened: each is reported once, with its reason and keys."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from dependency_injector import containers, providers

import modern_flask
from modern_flask import Container
from modern_flask.config.values import Origin, Values
from modern_flask.places import locate_line
from modern_flask.wiring import Choice, Opened, section
from modern_flask.wiring.checks.failure import NotClosed, NotOpened
from modern_flask.wiring.checks.opening import check_opening

SECRET = "hunter2"


def open_mailer(settings: Any, *_: Any) -> Iterator[str]:
    raise ValueError(f"refused {settings['password']} for {settings['host']}")
    yield ""


def open_leak() -> Iterator[str]:
    yield "leak"
    raise ValueError("the file is gone")


HERE = locate_line(__file__, None)
OPENS = f"{HERE}, line {open_mailer.__code__.co_firstlineno + 1}"
LEAKS = f"{HERE}, line {open_leak.__code__.co_firstlineno + 2}"


class Shop(containers.DeclarativeContainer):
    """A component, another that depends on it, and one that is chosen."""

    config = providers.Configuration()
    mailer = Opened(open_mailer, section(config, "MAIL_", "HOST"))
    letters = Opened(list, mailer.provided.sent)
    post = Choice(config.POST, paper=Opened(open_mailer, section(config, "POST_")))


class Leaking(containers.DeclarativeContainer):
    """A component that raises when it is closed."""

    leak = Opened(open_leak)


MAIL = {"MAIL_HOST": "mx", "MAIL_PASSWORD": SECRET}
POST = {"POST": "paper", "POST_HOST": "mx", "POST_PASSWORD": SECRET}


def shop(**values: Any) -> Any:
    """The container with ``values``, each set in a line of its own."""
    lines = {key: Origin("config.py", n) for n, key in enumerate(values, start=1)}
    container = Shop()
    container.config.override(Values(values, lines))
    return container


def report(container: Any) -> list[str]:
    return [str(fault) for fault in check_opening(container)]


def test_component_that_does_not_open() -> None:
    """The fault names the component, the reason, the place and the keys."""
    (fault,) = check_opening(shop(**MAIL))

    assert isinstance(fault, NotOpened)
    assert fault.__cause__ is None
    assert fault.__context__ is None
    assert str(fault) == (
        "mailer can't be opened: ValueError: refused ****** for mx.\n"
        f"  in       {OPENS}\n"
        "  set in   config.py, line 1 (MAIL_HOST)\n"
        "           config.py, line 2 (MAIL_PASSWORD)\n"
        "  fix      correct the values of these keys"
    )


@pytest.mark.parametrize(
    "secret", ["hunter2", "hunter 2/&", "it's hunter2", "line\nbreak2"]
)
def test_reason_has_no_secret(secret: str) -> None:
    """The value of a secret key is masked in plain text, in ``repr`` and in a URL."""

    def fail(settings: Any) -> None:
        password = settings["password"]
        raise ValueError(
            f"{password!r} smtp://x:{quote(password, safe='')}@h {password}"
        )

    class Own(Shop):
        relay = Opened(fail, section(Shop.config, "RELAY_", "PASSWORD"))

    container = Own()
    container.config.override(Values({"RELAY_PASSWORD": secret}, {}))

    (text,) = report(container)

    assert "******" in text
    assert secret not in text
    assert quote(secret, safe="") not in text


def test_dependent_component_is_not_reported() -> None:
    """Each component that fails is reported; one that depends on it is not."""
    found = report(shop(**MAIL, **POST))

    assert [text.partition(" can't")[0] for text in found] == ["mailer", "post"]


def test_chosen_branch_is_reported_by_its_keys() -> None:
    """A choice is reported with the keys of the branch that is chosen."""
    (text,) = report(shop(**POST))

    assert text == (
        "post can't be opened: ValueError: refused ****** for mx.\n"
        f"  in       {OPENS}\n"
        "  set in   config.py, line 2 (POST_HOST)\n"
        "           config.py, line 3 (POST_PASSWORD)\n"
        "  fix      correct the values of these keys"
    )


def test_key_that_is_no_section() -> None:
    """A component that uses a single key is reported with that key."""

    class Own(Shop):
        till = Opened(int, Shop.config.TILL)

    container = Own()
    container.config.override(Values({"TILL": "x"}, {"TILL": Origin("config.py", 9)}))

    (text,) = report(container)

    assert text.splitlines()[0] == (
        "till can't be opened: ValueError: invalid literal for int() with base 10: 'x'."
    )
    assert text.splitlines()[2:] == [
        "  set in   config.py, line 9 (TILL)",
        "  fix      correct the values of these keys",
    ]


def test_key_that_can_not_be_converted() -> None:
    """A key whose conversion fails is reported with the key, as every other."""

    class Own(Shop):
        till = Opened(int, Shop.config.TILL.as_int())

    container = Own()
    container.config.override(Values({"TILL": "x"}, {"TILL": Origin("config.py", 9)}))

    (text,) = report(container)

    assert "  set in   config.py, line 9 (TILL)" in text.splitlines()


def test_component_without_keys() -> None:
    """A component without configuration is reported with the line that raised."""

    class Own(containers.DeclarativeContainer):
        mailer = Opened(open_mailer, {"host": "mx", "password": "no"})

    assert report(Own()) == [
        f"mailer can't be opened: ValueError: refused no for mx.\n  in       {OPENS}"
    ]


def test_fault_keeps_a_masked_traceback() -> None:
    """The traceback for ``--verbose`` leads to the opener, and has no secret."""
    (fault,) = check_opening(shop(**MAIL))

    assert isinstance(fault, NotOpened)
    assert fault.details.startswith("Traceback (most recent call last):")
    assert fault.details.endswith("ValueError: refused ****** for mx")
    assert SECRET not in fault.details + repr(vars(fault))


def test_place_is_in_the_code_of_the_service(tmp_path: Path) -> None:
    """The place is the innermost line of the service, not that of a library."""

    def open_post(settings: Any) -> Any:
        return json.loads(settings["host"])

    class Own(Shop):
        relay = Opened(open_post, section(Shop.config, "RELAY_", "HOST"))

    container = Own()
    container.config.override(Values({"RELAY_HOST": "{"}, {}))

    (text,) = report(container)

    line = open_post.__code__.co_firstlineno + 1
    assert text.splitlines()[1] == f"  in       {HERE}, line {line}"


def test_place_in_an_installed_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an image, the service may be installed among the libraries."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "installed_shop.py").write_text("def open_post():\n    int('x')\n")
    monkeypatch.syspath_prepend(folder)

    class Own(containers.DeclarativeContainer):
        post = Opened("installed_shop.open_post")

    (text,) = report(Own())

    assert text.splitlines()[1].endswith("installed_shop.py, line 2")


def test_opener_that_exits() -> None:
    """An opener that calls ``sys.exit`` is a fault, and does not end the process."""

    class Own(containers.DeclarativeContainer):
        post = Opened(sys.exit, 1)

    assert report(Own())[0].startswith("post can't be opened: SystemExit: 1.")


def test_component_without_its_required_key() -> None:
    """If only other keys are set, the required one is named, not the opener's error."""
    container = shop(MAIL_PASSWORD=SECRET)

    assert report(container)[0].splitlines()[0] == (
        "mail is not configured: MAIL_HOST is not set, but MAIL_PASSWORD "
        "(config.py, line 1) is."
    )


def test_component_that_does_not_close() -> None:
    """The fault of a closer names its reason and its line."""
    (fault,) = check_opening(Leaking())

    assert isinstance(fault, NotClosed)
    assert fault.__cause__ is None
    assert str(fault) == (
        "A component can't be closed: ValueError: the file is gone.\n"
        f"  in       {LEAKS}"
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
    """Each component of the kit reports a value of a wrong type once, with its keys."""
    monkeypatch.chdir(tmp_path)
    app = modern_flask.create_app("shop", Container(), config=values)

    (fault,) = check_opening(app.container)

    assert isinstance(fault, NotOpened)
    assert (fault.component, list(fault.given)) == (component, list(values))
