"""Which containers the selector of an object finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .check_access import is_same_namespace
from .containers import Container
from .documents import Place

__all__ = ["find_selected", "get_target", "selects"]


def selects(selector: Place, labels: Mapping[str, object]) -> bool:
    """Whether labels have every pair that a selector names."""
    wanted = selector.mapping
    return bool(wanted) and wanted.items() <= labels.items()


def find_selected(selector: Place, containers: Sequence[Container]) -> list[Container]:
    """Find the containers of the pods that a selector finds in its namespace."""
    namespace = selector.document.namespace
    return [
        each
        for each in containers
        if selects(selector, each.labels)
        and is_same_namespace(namespace, each.document.namespace)
    ]


def get_target(port: Place) -> Place:
    """Return the field that says where a port of a Service leads."""
    target = port.at("targetPort")
    return target if target.value is not None else port.at("port")
