"""What dependency-injector leaves open: dispatch, scope, lifecycle and check.

The only room that touches the library's private names.
"""

from .asking import needing
from .configured import Choice, is_configured, section
from .dispatch import Bound, bind, find, get_bound, get_container, inject
from .lifecycle import Lifecycle
from .lifetimes import Once, Opened, Scoped
from .scope import guard

__all__ = [
    "Bound",
    "Choice",
    "Lifecycle",
    "Once",
    "Opened",
    "Scoped",
    "bind",
    "find",
    "get_bound",
    "get_container",
    "guard",
    "inject",
    "is_configured",
    "needing",
    "section",
]
