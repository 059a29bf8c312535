"""Random containers: the order of opening and closing, also under failures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from dependency_injector import containers, providers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modern_flask.wiring import Lifecycle, Once, Opened

KINDS = ("opened", "once", "singleton", "factory")


@dataclass
class Plan:
    """Numbered providers: the kind of each, and the earlier ones it depends on."""

    kinds: list[str]
    needs: list[list[int]]
    order: list[int]
    fails_to_open: set[int]
    fails_to_close: set[int]


@st.composite
def plans(draw: Any) -> Plan:
    size = draw(st.integers(1, 12))
    kinds = [draw(st.sampled_from(KINDS)) for _ in range(size)]
    needs = [
        draw(st.lists(st.integers(0, i - 1), unique=True, max_size=3)) if i else []
        for i in range(size)
    ]
    numbers = st.sets(st.integers(0, size - 1), max_size=2)
    order = draw(st.permutations(range(size)))
    return Plan(kinds, needs, list(order), draw(numbers), draw(numbers))


class Run:
    """A container that is made from a plan, and a record of what it did."""

    def __init__(self, plan: Plan, failing: bool) -> None:
        self.plan, self.failing = plan, failing
        self.opened: list[int] = []
        self.closed: list[int] = []
        built = [self._provider(number) for number in range(len(plan.kinds))]
        for number, provider in enumerate(built):
            if hasattr(provider, "add_args"):
                provider.add_args(*[built[needed] for needed in plan.needs[number]])
        self.container = containers.DynamicContainer()
        for number in plan.order:
            setattr(self.container, f"p{number}", built[number])

    def _provider(self, number: int) -> Any:
        kind = self.plan.kinds[number]
        if kind == "opened":
            return Opened(self._opener(number))
        makers: dict[str, Any] = {
            "once": Once,
            "singleton": providers.Singleton,
            "factory": providers.Factory,
        }
        return makers[kind](lambda *values: list(values))

    def _opener(self, number: int) -> Callable[..., Iterator[int]]:
        def open_(*_: Any) -> Iterator[int]:
            if self.failing and number in self.plan.fails_to_open:
                raise OSError(f"open {number}")
            self.opened.append(number)
            yield number
            self.closed.append(number)
            if self.failing and number in self.plan.fails_to_close:
                raise OSError(f"close {number}")

        return open_

    def reachable(self, number: int) -> set[int]:
        found: set[int] = set()
        waiting = [number]
        for one in waiting:
            for needed in self.plan.needs[one]:
                if needed not in found:
                    found.add(needed)
                    waiting.append(needed)
        return found


def check_order(run: Run) -> None:
    """Each was opened after its dependencies, and closed in the exact reverse order."""
    for position, number in enumerate(run.opened):
        assert not run.reachable(number) & set(run.opened[position + 1 :])
    assert len(set(run.opened)) == len(run.opened)
    assert run.closed == run.opened[::-1]


def close(lifecycle: Lifecycle) -> list[str]:
    """The errors of the closers, in order."""
    try:
        lifecycle.close()
    except ExceptionGroup as failures:
        return [str(error) for error in failures.exceptions]
    return []


many = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@many
@given(plans())
def test_order(plan: Plan) -> None:
    """Whatever the graph, the order is topological, and closing is its reverse."""
    run = Run(plan, failing=False)
    with Lifecycle(run.container).running():
        pass

    check_order(run)
    everything = {n for n, kind in enumerate(plan.kinds) if kind == "opened"}
    assert set(run.opened) == everything


@many
@given(plans())
def test_order_under_failures(plan: Plan) -> None:
    """Everything that was opened is closed in reverse, whatever fails."""
    run = Run(plan, failing=True)
    lifecycle = Lifecycle(run.container)
    refusing = [n for n in plan.fails_to_open if plan.kinds[n] == "opened"]
    if refusing:
        with pytest.raises(OSError, match="open"):
            lifecycle.open()
    else:
        lifecycle.open()
        failing = [n for n in reversed(run.opened) if n in plan.fails_to_close]
        assert close(lifecycle) == [f"close {n}" for n in failing]

    check_order(run)
    run.opened.clear()
    lifecycle.close()
    assert not run.opened


@many
@given(plans(), st.data())
def test_order_of_first_use(plan: Plan, data: st.DataObject) -> None:
    """Providers that open at their first use close in the reverse order."""
    run = Run(plan, failing=False)
    names = data.draw(st.lists(st.sampled_from(range(len(plan.kinds))), max_size=8))
    for number in names:
        run.container.providers[f"p{number}"]()
    Lifecycle(run.container).close()

    check_order(run)
