"""The same four views in plain Flask, in the kit and in each of its peers.

The view ``/nothing`` is injected with nothing, ``/one`` and ``/three`` with objects of
the process, ``/unit`` with an object that is created for the request and closed with
it. Each function makes one app. The views do the same work: only the injection differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask

__all__ = ["APPS", "ROUTES"]

ROUTES = ("/nothing", "/one", "/three", "/unit")


class A:
    """An object of the process."""


class B:
    """Another one."""


class C:
    """A third one."""


class Unit:
    """An object of one request."""

    closed = 0

    def close(self) -> None:
        Unit.closed += 1


def open_unit() -> Iterator[Unit]:
    unit = Unit()
    try:
        yield unit
    finally:
        unit.close()


def nothing() -> str:
    return "done"


def plain() -> Flask:
    """No library: globals, and a ``try`` around the request's object."""
    app = Flask("plain")
    a, b, c = A(), B(), C()

    @app.get("/one")
    def one() -> str:
        return "done" if a else ""

    @app.get("/three")
    def three() -> str:
        return "done" if a and b and c else ""

    @app.get("/unit")
    def unit() -> str:
        made = Unit()
        try:
            return "done" if made else ""
        finally:
            made.close()

    app.add_url_rule("/nothing", view_func=nothing)
    return app


def modern_flask() -> Flask:
    """The kit's injection and request scope."""
    from tests.benchmarks.kit import make

    return make()


def dependency_injector() -> Flask:
    """The library that the kit uses, as documented; its Closing closes the unit."""
    from tests.benchmarks.library import make

    return make()


def wireup() -> Flask:
    """wireup and its Flask integration."""
    import wireup as library
    from wireup import Injected
    from wireup.integration.flask import setup

    app = Flask("wireup")

    def one(a: Injected[A]) -> str:
        return "done" if a else ""

    def three(a: Injected[A], b: Injected[B], c: Injected[C]) -> str:
        return "done" if a and b and c else ""

    def unit(made: Injected[Unit]) -> str:
        return "done" if made else ""

    for view in (nothing, one, three, unit):
        view.__annotations__ = _evaluate(view, locals())
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    singletons: list[Any] = [library.injectable(kind) for kind in (A, B, C)]
    scoped = library.injectable(open_unit, lifetime="scoped")
    setup(library.create_sync_container(injectables=[*singletons, scoped]), app)
    return app


def dishka() -> Flask:
    """dishka and its Flask integration."""
    from dishka import Provider, Scope, make_container
    from dishka.integrations.flask import FromDishka, inject, setup_dishka

    app = Flask("dishka")

    def one(a: FromDishka[A]) -> str:
        return "done" if a else ""

    def three(a: FromDishka[A], b: FromDishka[B], c: FromDishka[C]) -> str:
        return "done" if a and b and c else ""

    def unit(made: FromDishka[Unit]) -> str:
        return "done" if made else ""

    for view in (one, three, unit):
        view.__annotations__ = _evaluate(view, locals())
        app.add_url_rule(f"/{view.__name__}", view_func=inject(view))
    app.add_url_rule("/nothing", view_func=nothing)
    provider = Provider(scope=Scope.APP)
    for kind in (A, B, C):
        provider.provide(kind)
    provider.provide(open_unit, scope=Scope.REQUEST)
    setup_dishka(make_container(provider), app)
    return app


def svcs() -> Flask:
    """svcs and its Flask integration."""
    import svcs as library

    app = Flask("svcs")
    library.flask.init_app(app)
    for kind in (A, B, C):
        library.flask.register_value(app, kind, kind())
    library.flask.register_factory(app, Unit, open_unit)

    def one() -> str:
        return "done" if library.flask.get(A) else ""

    def three() -> str:
        return "done" if all(library.flask.get(A, B, C)) else ""

    def unit() -> str:
        return "done" if library.flask.get(Unit) else ""

    for view in (nothing, one, three, unit):
        app.add_url_rule(f"/{view.__name__}", view_func=view)
    return app


def flask_injector() -> Flask:
    """Flask-Injector; it does not close the object of a request."""
    from flask_injector import FlaskInjector, request
    from injector import singleton

    app = Flask("flask_injector")

    def one(a: A) -> str:
        return "done" if a else ""

    def three(a: A, b: B, c: C) -> str:
        return "done" if a and b and c else ""

    def unit(made: Unit) -> str:
        return "done" if made else ""

    for view in (nothing, one, three, unit):
        app.add_url_rule(f"/{view.__name__}", view_func=view)

    def configure(binder: Any) -> None:
        for kind in (A, B, C):
            binder.bind(kind, to=kind, scope=singleton)
        binder.bind(Unit, to=Unit, scope=request)

    FlaskInjector(app=app, modules=[configure])
    return app


def _evaluate(view: Callable[..., Any], names: dict[str, Any]) -> dict[str, Any]:
    """The annotations of a local function as objects, as these libraries need them."""
    known = {**globals(), **names}
    return {name: eval(text, known) for name, text in view.__annotations__.items()}


APPS: dict[str, Callable[[], Flask]] = {
    "plain": plain,
    "modern_flask": modern_flask,
    "dependency_injector": dependency_injector,
    "wireup": wireup,
    "dishka": dishka,
    "svcs": svcs,
    "flask_injector": flask_injector,
}
