"""Lists the keywords that the installed SQLAlchemy accepts, and the removed ones."""

import logging
from collections.abc import Iterable, Mapping
from inspect import Parameter, signature
from typing import Any, get_overloads

import sqlalchemy
from sqlalchemy import create_engine, pool
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.orm import Session, sessionmaker

from ..config.values import find_key, find_origin
from ..errors import UnknownSetting, find_nearest

__all__ = [
    "RETIRED_ENGINE",
    "RETIRED_SESSION",
    "check_known",
    "drop_retired",
    "list_engine_keywords",
    "list_pool_keywords",
    "list_session_keywords",
]

logger = logging.getLogger(__name__)

_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)

RETIRED_ENGINE = frozenset(
    {"case_sensitive", "convert_unicode", "empty_in_strategy", "encoding"}
    | {"listeners", "pool_threadlocal", "strategy", "use_batch_mode"}
    | {"use_native_unicode"}
)
"""Keywords of ``create_engine`` in 1.3 or 1.4 that 2.x refuses or ignores."""

RETIRED_SESSION = frozenset(
    {"_enable_transaction_accounting", "autocommit", "extension", "prune"}
    | {"weak_identity_map"}
)
"""Keywords of ``Session`` in 1.x that 2.x refuses, or that have only one value left."""


def _list_parameters(function: Any) -> set[str]:
    """Return the names of the arguments that ``function`` accepts by keyword."""
    parameters = signature(function).parameters.values()
    return {p.name for p in parameters if p.kind in _NAMED and p.name[0] != "_"}


def _list_constructor_keywords(cls: type) -> set[str]:
    """Return the keywords of ``cls`` and of its base classes, which get ``**kw``."""
    own = [c.__dict__["__init__"] for c in cls.__mro__ if "__init__" in c.__dict__]
    return set().union(*(_list_parameters(init) for init in own)) - {"self"}


def _list_create_engine_keywords() -> set[str]:
    # The function itself has only **kwargs; its overloads name the keywords.
    spelt = [_list_parameters(form) for form in get_overloads(create_engine)]
    return set().union(*spelt) - RETIRED_ENGINE


def list_pool_keywords(pool_class: type[pool.Pool]) -> set[str]:
    """Return the keywords of a pool class, with the names of ``create_engine``."""
    known = _list_create_engine_keywords()
    # The creator is a keyword of create_engine, which also sets the dialect.
    names = _list_constructor_keywords(pool_class) - {"creator", "dialect", "events"}
    spelt = {"echo": "echo_pool"}
    return {
        f"pool_{name}" if f"pool_{name}" in known else spelt.get(name, name)
        for name in names
    }


def list_engine_keywords(
    dialect: type[Dialect], pool_class: type[pool.Pool]
) -> set[str]:
    """Return every keyword of ``create_engine`` for this dialect and pool class."""
    known = {"url"} | _list_create_engine_keywords() | list_pool_keywords(pool_class)
    known |= _list_constructor_keywords(Engine) - {"pool", "dialect"}
    known |= _list_constructor_keywords(dialect) - {"dbapi"}
    return known - RETIRED_ENGINE


def list_session_keywords(session_class: type[Session]) -> set[str]:
    """Return every keyword of ``sessionmaker`` except ``bind``, which is the engine."""
    known = _list_constructor_keywords(session_class)
    known |= _list_constructor_keywords(sessionmaker)
    return known - RETIRED_SESSION - {"bind"}


def drop_retired(settings: Mapping[str, Any], retired: Iterable[str]) -> dict[str, Any]:
    """Drop the settings that SQLAlchemy has removed, with a warning for each."""
    gone = set(retired).intersection(settings)
    for name in sorted(gone):
        logger.warning(
            "%s has no effect: SQLAlchemy %s does not have it anymore.",
            find_key(settings, name),
            sqlalchemy.__version__,
        )
    return {name: value for name, value in settings.items() if name not in gone}


def check_known(
    settings: Mapping[str, Any], given: Iterable[str], known: Iterable[str]
) -> None:
    """Check that every name in ``given`` is known.

    Raises:
        UnknownSetting: A name is not known; the error shows the nearest keys.
    """
    known = set(known)
    for name in given:
        if name not in known:
            # Compared without the prefix, which is the same for all keys.
            keys = [find_key(settings, each) for each in find_nearest(name, known)]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), keys
            )
