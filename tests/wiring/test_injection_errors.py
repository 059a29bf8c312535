"""Errors of a call, of ``bind`` and of ``find``."""

from collections.abc import Callable
from typing import Annotated

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from dependency_injector.wiring import inject as library_inject
from flask import Flask

from modern_flask.wiring import find, get_bound, inject
from modern_flask.wiring.errors import (
    FIX_APP_CONTEXT,
    AlreadyBound,
    NoApp,
    NotBound,
    UnknownProvider,
)


class Shop(containers.DeclarativeContainer):
    """The container of the functions here."""

    config = providers.Configuration()
    name = providers.Object("shop")
    basket = providers.Factory(list)


NameDep = Annotated[str, Provide["name"]]


@pytest.fixture
def app(service: Callable[..., Flask]) -> Flask:
    container = Shop()
    container.config.from_dict({"CURRENCY": "EUR", "TAX": "19"})
    return service(container)


def test_no_app() -> None:
    """Outside of an app, a call raises NoApp, which says what to do."""

    @inject
    def name(found: NameDep) -> str:
        return found

    with pytest.raises(NoApp) as fault:
        name()  # type: ignore[call-arg]

    assert str(fault.value) == (
        f"{__name__}.test_no_app.<locals>.name is injected, and there is no current "
        "app to inject from.\n"
        f"  fix      {FIX_APP_CONTEXT}"
    )


def test_app_without_container() -> None:
    """The error names a Flask app that has no container."""

    @inject
    def name(found: NameDep) -> str:
        return found

    with Flask("plain").app_context(), pytest.raises(NotBound) as fault:
        name()  # type: ignore[call-arg]

    assert str(fault.value) == (
        "The Flask app plain has no container.\n"
        "  fix      modern_flask.init_app(app), or make it with create_app(...)"
    )


@pytest.mark.parametrize("wanted", ["nmae", "name.first", "wire", "providers"])
def test_unknown_provider(app: Flask, wanted: str) -> None:
    """An unknown name is an error, even if the container has such a method."""

    @inject
    def view(found: Annotated[str, Provide[wanted]]) -> None: ...

    with app.app_context(), pytest.raises(UnknownProvider) as fault:
        view()  # type: ignore[call-arg]

    assert fault.value.what.endswith(
        f'asks for "{wanted}", which Shop does not provide.'
    )


def test_bound_twice(app: Flask) -> None:
    """An app can have one container only."""
    from modern_flask.wiring import bind

    with pytest.raises(AlreadyBound) as fault:
        bind(app, Shop())

    assert str(fault.value) == (
        "The Flask app service already has a container.\n"
        "  fix      call init_app once; to replace its providers, override them"
    )


def test_wired_by_hand(app: Flask) -> None:
    """A module that was wired by the library's own ``wire`` keeps its container."""
    import sys
    import types

    module = types.ModuleType("wired_by_hand")

    @library_inject
    def name(found: NameDep) -> str:
        return found

    name.__module__ = module.__name__
    module.name = name  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    own = Shop(name=providers.Object("by hand"))
    own.wire(modules=[module])

    try:
        with app.app_context():
            from modern_flask.wiring.injection import bind_library_functions

            bind_library_functions()
            assert module.name() == "by hand"
    finally:
        own.unwire()
        del sys.modules[module.__name__]


def test_plans_belong_to_the_app(app: Flask) -> None:
    """The app, not the function, keeps the providers that a function resolves to."""

    @inject
    def name(found: NameDep) -> str:
        return found

    with app.app_context():
        name()  # type: ignore[call-arg]

    assert len(get_bound(app).plans) == 1


def test_find_an_unknown_name(app: Flask) -> None:
    """``find`` with an unknown name raises an error with the nearest name."""
    with app.app_context(), pytest.raises(UnknownProvider) as raised:
        find("baskte")

    assert str(raised.value) == (
        'A call of find asks for "baskte", which Shop does not provide.\n'
        '  in       find("baskte")\n'
        "  did you mean  basket"
    )
