"""Injected functions that the app does not register: reached ones are checked."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from flask import Flask

from modern_flask.wiring.checks.run import check_wiring, find_warnings
from modern_flask.wiring.errors import UnknownProvider
from tests.wiring.shop import Shop, shop

PACKAGE = "reach_service"
HELPERS = """\
from typing import Annotated
from dependency_injector.wiring import Provide
from modern_flask.wiring import inject

@inject
def lookup(found: Annotated[str, Provide["nmae"]]): ...

@inject
def good(found: Annotated[str, Provide["name"]]): ...

def step():
    return lookup()

class Loader:
    @inject
    def load(self, found: Annotated[str, Provide["nmae"]]): ...

    @classmethod
    @inject
    def build(cls, found: Annotated[str, Provide["nmae"]]): ...

    def run(self):
        return self.load()
"""


@pytest.fixture
def app(
    service: Callable[..., Flask], tmp_path: Path, monkeypatch: Any
) -> Iterator[Callable[..., Flask]]:
    """``app(code)``: a service of two modules, whose views are in ``code``."""
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helpers.py").write_text(HELPERS)

    def make(code: str, kind: Any = Shop) -> Flask:
        (package / "views.py").write_text(dedent(code))
        views = __import__(f"{PACKAGE}.views", fromlist=["view"])
        made = service(shop(kind), PACKAGE)
        made.add_url_rule("/", view_func=views.view)
        return made

    yield make
    for name in [each for each in sys.modules if each.startswith(PACKAGE)]:
        sys.modules.pop(name)


def faults(app: Flask) -> list[Any]:
    return list(check_wiring(app, app.extensions["modern_flask"], {}))


def warnings(app: Flask) -> list[str]:
    return find_warnings(app, app.extensions["modern_flask"], {})


@pytest.mark.parametrize(
    ("code", "function"),
    [
        ("from .helpers import lookup\ndef view(): return lookup()", "lookup"),
        ("from . import helpers\ndef view(): return helpers.lookup()", "lookup"),
        ("from .helpers import step\ndef view(): return step()", "lookup"),
        (
            "from .helpers import Loader\ndef view(): return Loader().load()",
            "Loader.load",
        ),
        (
            "from .helpers import Loader\ndef view(): return Loader().run()",
            "Loader.load",
        ),
        (
            "from .helpers import Loader\ndef view(): return Loader.build()",
            "Loader.build",
        ),
        (
            "from .helpers import Loader\nloader = Loader()\n"
            "def view(): return [loader.load() for _ in range(2)]",
            "Loader.load",
        ),
    ],
    ids=[
        *("imported", "module", "two_steps", "method", "two_methods"),
        *("classmethod", "object_in_a_comprehension"),
    ],
)
def test_reached_helper(app: Any, code: str, function: str) -> None:
    """A helper that a view calls, however it is spelled, is checked like a view."""
    (fault,) = faults(app(code))

    assert isinstance(fault, UnknownProvider)
    assert fault.what == (
        f'Function reach_service.helpers.{function} asks for "nmae", '
        "which Shop does not provide."
    )
    assert fault.nearest[0] == "name"


def test_unreached_helper(app: Any) -> None:
    """A helper that nothing seems to call is a warning: another caller may exist."""
    found = app("from . import helpers\ndef view(): return helpers.good()")

    assert faults(found) == []
    assert [text.partition(" asks")[0] for text in warnings(found)] == [
        "Function reach_service.helpers.Loader.build",
        "Function reach_service.helpers.Loader.load",
        "Function reach_service.helpers.lookup",
    ]


def test_correct_helpers(app: Any) -> None:
    """A helper without a fault is neither."""
    found = app("from .helpers import good\ndef view(): return good()")

    assert faults(found) == []
    assert not any("good" in text for text in warnings(found))


def test_method_of_what_is_injected(app: Any, tmp_path: Path) -> None:
    """A method of a class that the container provides is reached by its name."""
    from dependency_injector import providers

    code = """
        from typing import Annotated, Any
        from dependency_injector.wiring import Provide
        from modern_flask.wiring import inject
        from .helpers import Loader

        @inject
        def view(loader: Annotated[Any, Provide["loader"]]):
            return loader.load()
    """

    class Own(Shop):
        loader = providers.Factory("reach_service.helpers.Loader")

    (fault,) = faults(app(code, Own))

    assert fault.what.startswith("Function reach_service.helpers.Loader.load asks")


def test_proxies_are_not_touched(app: Any) -> None:
    """Flask's proxies have no object at start: their names are not followed."""
    found = app(
        "from flask import request, session, g\n"
        "def view(): return request.args, session.get('x'), g.y"
    )

    assert faults(found) == []
