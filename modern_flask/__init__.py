"""The service kit for Flask: one container provides everything that a service needs.

Each name is imported at its first use, so a service never loads parts it does not use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

    from dependency_injector.wiring import Provide as Provide

    from .app import App as App
    from .app import create_app as create_app
    from .app import init_app as init_app
    from .container import Container as Container
    from .database import ModelBase as ModelBase
    from .database import model_registry as model_registry
    from .database.transactional import on_commit as on_commit
    from .database.transactional import transactional as transactional
    from .dependencies import CeleryDep as CeleryDep
    from .dependencies import EngineDep as EngineDep
    from .dependencies import ReadOnlySessionDep as ReadOnlySessionDep
    from .dependencies import RedisDep as RedisDep
    from .dependencies import SessionDep as SessionDep
    from .dependencies import StorageDep as StorageDep
    from .errors import ConfigurationError as ConfigurationError
    from .errors import Fault as Fault
    from .observability.requests.exclusions import ignore_metrics as ignore_metrics
    from .observability.requests.exclusions import ignore_traces as ignore_traces
    from .pages import check_health as check_health
    from .problems import halt as halt
    from .problems import problem as problem
    from .redis.decorators import cached as cached
    from .redis.decorators import synchronized as synchronized
    from .redis.errors import LockLost as LockLost
    from .redis.errors import LockTaken as LockTaken
    from .storage import Storage as Storage
    from .storage.memory import MemoryStorage as MemoryStorage
    from .wiring import Choice as Choice
    from .wiring import Once as Once
    from .wiring import Opened as Opened
    from .wiring import Scoped as Scoped
    from .wiring import get_container as get_container
    from .wiring import inject as inject
    from .wiring import section as section

HOMES = {
    "dependency_injector.wiring": ("Provide",),
    "modern_flask.app": ("App", "create_app", "init_app"),
    "modern_flask.container": ("Container",),
    "modern_flask.database": ("ModelBase", "model_registry"),
    "modern_flask.database.transactional": ("on_commit", "transactional"),
    "modern_flask.dependencies": (
        "CeleryDep",
        "EngineDep",
        "ReadOnlySessionDep",
        "RedisDep",
        "SessionDep",
        "StorageDep",
    ),
    "modern_flask.errors": ("ConfigurationError", "Fault"),
    "modern_flask.observability.requests.exclusions": (
        "ignore_metrics",
        "ignore_traces",
    ),
    "modern_flask.pages": ("check_health",),
    "modern_flask.problems": ("halt", "problem"),
    "modern_flask.redis.decorators": ("cached", "synchronized"),
    "modern_flask.redis.errors": ("LockLost", "LockTaken"),
    "modern_flask.storage": ("Storage",),
    "modern_flask.storage.memory": ("MemoryStorage",),
    "modern_flask.wiring": (
        "Choice",
        "Once",
        "Opened",
        "Scoped",
        "get_container",
        "inject",
        "section",
    ),
}
_home_of = {name: home for home, names in HOMES.items() for name in names}

__all__ = sorted(_home_of)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        globals()[name] = found = version("modern-flask")
        return found
    home = _home_of.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__, "__version__"]
