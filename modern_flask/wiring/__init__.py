"""What dependency-injector leaves open: dispatch, scope, lifecycle and check.

The only room that touches the library's private names.
"""

from .injection import Bound, bind, find, get_bound, get_container, inject
from .lifecycle import Lifecycle
from .markers import note_lookup
from .providers import Once, Opened, Scoped
from .scope import guard
from .settings import Choice, is_configured, section

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
    "note_lookup",
    "section",
]
