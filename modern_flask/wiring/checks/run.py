"""Run all rules on one app.

The *check* opens no component of the service and no connection. *Boot* is
``create_app``. The *start* is after the fork and before the first request: it also
reports mistakes that only opening can show.
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
    # This rule imports the configured targets, so that the others see their markers.
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
    """Find faults of the container, the markers and the injections."""
    yield from _run_rules(_prepare(app, bound, tasks))


def check_app(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> list[Exception]:
    """Find all faults that can be found without running the service's own code.

    This opens the kit's own components, which opens no connection, and closes them
    again.
    """
    opening = check_opening(bound.container, is_kit_component)
    return _unique([*check_wiring(app, bound, tasks), *opening])


def check_start(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> list[Exception]:
    """Find all faults that keep ``app`` from serving. Injected components stay open."""
    checked = _prepare(app, bound, tasks)
    return _unique([*_run_rules(checked), *_run_rule(open_injected, checked)])


def find_warnings(app: Flask, bound: Bound, tasks: Mapping[str, Any]) -> list[str]:
    """Find keys without effect, and mistakes that no known request can reach."""
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
    """Return the faults that a rule finds; none if the rule itself fails.

    A mistake in the kit must not keep a correct service from serving.
    """
    try:
        return list(rule(checked))
    except Exception:
        _report_failure(rule.__name__)
        return []


def _report_failure(rule: str) -> None:
    logger.exception("The rule %s failed, so its faults are not reported.", rule)


def _unique(faults: Iterable[Exception]) -> list[Exception]:
    """Keep one fault for each text: several functions may have the same fault."""
    found: dict[str, Exception] = {}
    for fault in faults:
        found.setdefault(str(fault), fault)
    return list(found.values())
