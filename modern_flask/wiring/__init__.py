"""Extends dependency-injector with lifetimes, injection, scopes and checks.

This is the only package that uses the library's private names.
"""

from .container_instance import ContainerInstance, check_container
from .flask_scope import guard, guard_errors
from .injection import (
    Bound,
    bind,
    find,
    get_bound,
    get_container,
    inject,
)
from .lifecycle import Lifecycle
from .markers import note_lookup
from .providers import Once, Opened, Scoped
from .settings import Choice, is_configured, section
from .work import name_work, named_work

__all__ = [
    "Bound",
    "Choice",
    "ContainerInstance",
    "Lifecycle",
    "Once",
    "Opened",
    "Scoped",
    "bind",
    "check_container",
    "find",
    "get_bound",
    "get_container",
    "guard",
    "guard_errors",
    "inject",
    "is_configured",
    "name_work",
    "named_work",
    "note_lookup",
    "section",
]
