"""All rules, run over one app.

*Check* opens nothing of the service's own and connects to nothing. *Boot* is
``create_app``. *Start* comes after the fork and before the first request: what only
opening can show is reported there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from flask import Flask

from ..injection import Bound, bind_library_functions
from .arguments import check_arguments
from .asynchronous import check_async
from .attributes import check_attributes
from .checked_app import CheckedApp
from .declarations import check_redeclared, check_targets
from .lifetimes import check_generator_views, check_lifetimes
from .markers import check_markers
from .opening import check_opening, is_kit_component, open_injected
from .reach import check_helpers, warn_of_unreached
from .requirements import check_requirements
from .types import check_types
from .unused import find_unused

__all__ = ["check_app", "check_start", "check_wiring", "find_warnings"]

Found = TypeVar("Found")

logger = logging.getLogger(__name__)

_RULES: tuple[Callable[[CheckedApp], Iterable[Exception]], ...] = (
    # The first one imports what is configured: the others see its markers.
    check_targets,
    check_lifetimes,
    check_redeclared,
    check_markers,
    check_helpers,
    check_attributes,
    check_types,
    check_async,
    check_generator_views,
    check_requirements,
    check_arguments,
)


def check_wiring(
    app: Flask, bound: Bound, tasks: Mapping[str, Any]
) -> Iterator[Exception]:
    """Faults of the container, of the markers, and of what is injected."""
    yield from _run_rules(_prepare(app, bound, tasks))


def check_app(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> list[Exception]:
    """All faults that show without running the service's own code.

    The kit's own components are opened, which connects to nothing, and closed again.
    """
    opening = check_opening(bound.container, is_kit_component)
    return _unique([*check_wiring(app, bound, tasks), *opening])


def check_start(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> list[Exception]:
    """All faults that keep ``app`` from serving; what is injected stays open."""
    checked = _prepare(app, bound, tasks)
    return _unique([*_run_rules(checked), *_run_rule(open_injected, checked)])


def find_warnings(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> list[str]:
    """What is without effect or can't work, and harms no request that is known."""
    checked = _prepare(app, bound, tasks)
    return [
        *_run_rule(find_unused, checked),
        *_run_rule(warn_of_unreached, checked),
    ]


def _prepare(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> CheckedApp:
    bind_library_functions()
    return CheckedApp(app, bound, tasks)


def _run_rules(checked: CheckedApp) -> list[Exception]:
    return _unique(fault for rule in _RULES for fault in _run_rule(rule, checked))


def _run_rule(
    rule: Callable[[CheckedApp], Iterable[Found]], checked: CheckedApp
) -> list[Found]:
    """The faults of one rule; a rule that fails itself finds none.

    A mistake of the kit's must not keep a correct service from serving.
    """
    try:
        return list(rule(checked))
    except Exception:
        _report_failure(rule.__name__)
        return []


def _report_failure(rule: str) -> None:
    logger.exception("The rule %s failed, so its faults are not reported.", rule)


def _unique(faults: Iterable[Exception]) -> list[Exception]:
    """Each text once: several functions may find the same fault."""
    found: dict[str, Exception] = {}
    for fault in faults:
        found.setdefault(str(fault), fault)
    return list(found.values())
