"""Functions whose annotations are text."""

from __future__ import annotations

from typing import Any

from dependency_injector.wiring import Provide

from modern_flask.wiring import inject
from tests.wiring.shop import NameDep


def bare(name: NameDep) -> str:
    return name


@inject
def mixed(name: NameDep, session: Any = Provide["session"]) -> str:
    return name
