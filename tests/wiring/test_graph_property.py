"""Random graphs of every kind of provider: what is refused fails when served."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from flask import Flask
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from modern_flask import Choice, Once, Opened, Scoped, inject
from modern_flask.wiring import bind, guard
from modern_flask.wiring.checks.run import check_wiring

CONFIG = {"NUMBER": "3", "WORD": "word", "PICK": "a", "GONE_BRANCH": "z"}


class Made:
    """An object of any arguments; it knows what it was made with."""

    def __init__(self, *values: Any, **named: Any) -> None:
        self.values = [*values, *named.values()]


class Pair(Made):
    def __init__(self, first: Any, second: Any) -> None:
        super().__init__(first, second)

    def join(self, between: str) -> str:
        return between


class Named(Made):
    def __init__(self, *, size: int = 1) -> None:
        super().__init__(size)


class Counted(Made):
    def __init__(self, count: int) -> None:
        assert isinstance(count, int)
        super().__init__(count)


class Unit(Made):
    """A request's object: using it after its request is what a captive does."""

    open = True


class Local(Made):
    """An object of one thread: using it in another is what a captive does."""

    def __init__(self, *values: Any) -> None:
        super().__init__(*values)
        self.thread = threading.get_ident()


def open_unit(*values: Any) -> Iterator[Unit]:
    unit = Unit(*values)
    yield unit
    unit.open = False


def open_made(*values: Any) -> Iterator[Made]:
    yield Made(*values)


def make_made(*values: Any) -> Made:
    return Made(*values)


async def load_made(*values: Any) -> Made:
    return Made(*values)


TARGETS = [Made, Pair, Named, Counted, make_made]
PLAIN = [
    *(providers.Factory, providers.Singleton, providers.ThreadSafeSingleton),
    *(providers.Callable, providers.Resource, Opened, Once),
]
LOCAL = [providers.ThreadLocalSingleton, providers.ContextLocalSingleton]
ABSTRACT = [providers.AbstractFactory, providers.AbstractSingleton]
ANNOTATIONS = [Any, object, Made, Pair, Counted, int, str, list, None]


@dataclass(repr=False)
class Plan:
    """The providers of a container, and the annotation that each is injected with."""

    container: Any
    annotations: list[Any]

    def __repr__(self) -> str:
        named = list(self.container.providers.items())[1:]
        made = [f"{name} = {each} {getattr(each, 'args', '')}" for name, each in named]
        return f"{made}, injected as {self.annotations}"


def options(config: Any) -> list[Any]:
    return [
        *(config.NUMBER, config.NUMBER.as_int(), config.WORD, config.WORD.as_int()),
        *(config.UNSET, config.UNSET.as_int(), config.UNSET.required()),
        config.UNSET.as_(lambda value: value or 1),
    ]


@st.composite
def arguments(draw: Any, made: list[Any], config: Any) -> list[Any]:
    choices = [1, "text", *made, *options(config)]
    choices += [each.provider for each in made]
    choices += [each.provided for each in made]
    choices += [each.provided.values for each in made]
    choices += [each.provided.nothing for each in made]
    choices += [each.provided.join.call() for each in made]
    return draw(st.lists(st.sampled_from(choices), max_size=3))


def selector(draw: Any, config: Any, branches: list[Any]) -> Any:
    kinds = [providers.Selector, Choice]
    kind = draw(st.sampled_from(kinds))
    chooser = draw(st.sampled_from([config.PICK, config.GONE_BRANCH, config.UNSET]))
    if kind is providers.Selector and draw(st.booleans()):
        return kind(lambda: "a", a=branches[0], b=branches[-1])
    return kind(chooser, a=branches[0], b=branches[-1])


@st.composite
def providers_of(draw: Any, made: list[Any], config: Any) -> Any:
    shape = draw(st.integers(0, 12))
    given = draw(arguments(made, config))
    if shape <= 5 or not made:
        kind, target = draw(st.sampled_from(PLAIN)), draw(st.sampled_from(TARGETS))
        named = {"size": 2} if target is Named and draw(st.booleans()) else {}
        return kind(target, *given, **named)
    if shape == 6:
        return Scoped(open_unit, *given)
    if shape == 7:
        return draw(st.sampled_from([Opened, providers.Resource]))(open_made, *given)
    if shape == 8:
        return providers.List(*given) if given else providers.Factory()
    if shape == 9:
        return draw(st.sampled_from([*ABSTRACT]))(Made)
    if shape == 10:
        instance = draw(st.sampled_from([object, Made, int]))
        dependency = providers.Dependency(instance_of=instance)
        if draw(st.booleans()):
            dependency.override(made[-1])
        return dependency
    if shape == 11:
        return draw(st.sampled_from(LOCAL))(Local, *given)
    return selector(draw, config, made)


@st.composite
def plans(draw: Any) -> Plan:
    container: Any = containers.DynamicContainer()
    config = providers.Configuration()
    config.from_dict(CONFIG)
    container.config = config
    made: list[Any] = []
    for number in range(draw(st.integers(1, 5))):
        made.append(draw(providers_of(list(made), config)))
        setattr(container, f"p{number}", made[-1])
    size = len(made)
    kinds = st.lists(st.sampled_from(ANNOTATIONS), min_size=size, max_size=size)
    return Plan(container, draw(kinds))


def make_app(plan: Plan) -> Flask:
    """An app with a view ``v0``, ``v1``, ... for each provider ``p0``, ``p1``, ..."""
    app = Flask("graphs")
    app.testing = True
    bind(app, plan.container)
    guard(app)
    for number, annotation in enumerate(plan.annotations):
        view = make_view(f"p{number}", annotation)
        app.add_url_rule(f"/{number}", f"v{number}", view)
    return app


def make_view(name: str, annotation: Any) -> Any:
    if annotation is None:

        @inject
        def bare(found=Provide[name]) -> str:
            return use(found, Any)

        return bare

    @inject
    def view(found: Annotated[annotation, Provide[name]]) -> str:  # type: ignore[valid-type]
        return use(found, annotation)

    return view


def use(found: Any, annotation: Any) -> str:
    """Do what a view would: rely on the type, and on what it was given."""
    if annotation is not Any:
        assert isinstance(found, annotation), (found, annotation)
    waiting, seen = [found], set()
    for each in waiting:
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Made):
            waiting += each.values
        elif isinstance(each, list | tuple):
            waiting += each
        assert getattr(each, "open", True), "an object of another request"
        here = threading.get_ident()
        assert getattr(each, "thread", here) == here, "an object of another thread"
    return "served"


def serve(app: Flask, size: int) -> set[int]:
    """The views that fail at one of four requests, the last two in another thread."""
    failing: set[int] = set()

    def request() -> None:
        for number in range(size):
            try:
                app.test_client().get(f"/{number}")
            except Exception:
                failing.add(number)

    request()
    request()
    thread = threading.Thread(target=lambda: (request(), request()))
    thread.start()
    thread.join()
    return failing


def find_concerned(fault: Exception) -> set[int]:
    """The numbers of the views, or else of the provider, that a fault names."""
    views = {int(number) for number in re.findall(r"View v(\d+)", str(fault))}
    first = re.match(r"p(\d+)", str(fault))
    return views or ({int(first[1])} if first else set())


@pytest.mark.proof
def test_refused_graphs_fail(proof_size: Callable[[int], int]) -> None:
    """Whatever the check refuses, fails at a request that is served without a check."""

    @settings(
        max_examples=proof_size(2000),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(plans())
    def compare(plan: Plan) -> None:
        app = make_app(plan)
        bound = app.extensions["modern_flask"]

        faults = list(check_wiring(app, bound, {}))
        failing = serve(app, len(plan.annotations))
        with suppress(ExceptionGroup):
            bound.lifecycle.close()

        note(f"{faults}; views that fail: {sorted(failing)}")
        for fault in faults:
            concerned = find_concerned(fault)
            assert concerned <= failing
            assert concerned or failing

    compare()
