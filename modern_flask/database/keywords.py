"""Which keywords the installed SQLAlchemy takes, and which it has taken out."""

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
"""Keywords of ``Session`` in 1.x that 2.x refuses, or of which one value is left."""


def _keywords_of(function: Any) -> set[str]:
    """The names by which ``function`` takes arguments."""
    parameters = signature(function).parameters.values()
    return {p.name for p in parameters if p.kind in _NAMED and p.name[0] != "_"}


def _constructor_keywords(cls: type) -> set[str]:
    """The keywords of ``cls`` and of every class it hands ``**kw`` on to."""
    own = [c.__dict__["__init__"] for c in cls.__mro__ if "__init__" in c.__dict__]
    return set().union(*(_keywords_of(init) for init in own)) - {"self"}


def _create_engine_keywords() -> set[str]:
    # The function itself takes **kwargs only; its overloads spell them out.
    spelt = [_keywords_of(form) for form in get_overloads(create_engine)]
    return set().union(*spelt) - RETIRED_ENGINE


def pool_keywords(pool_class: type[pool.Pool]) -> set[str]:
    """The keywords of a pool class, as ``create_engine`` calls them."""
    known = _create_engine_keywords()
    # The creator is create_engine's own, and the dialect is not given by hand.
    names = _constructor_keywords(pool_class) - {"creator", "dialect", "events"}
    spelt = {"echo": "echo_pool"}
    return {
        f"pool_{name}" if f"pool_{name}" in known else spelt.get(name, name)
        for name in names
    }


def engine_keywords(dialect: type[Dialect], pool_class: type[pool.Pool]) -> set[str]:
    """Every keyword of ``create_engine`` for this dialect and pool class."""
    engine = _constructor_keywords(Engine) - {"pool", "dialect"}
    own = _constructor_keywords(dialect) - {"dbapi"}
    known = _create_engine_keywords() | engine | own | pool_keywords(pool_class)
    return (known | {"url"}) - RETIRED_ENGINE


def session_keywords(session_class: type[Session]) -> set[str]:
    """Every keyword of ``sessionmaker``, but for ``bind``: that is the engine."""
    known = _constructor_keywords(session_class) | _constructor_keywords(sessionmaker)
    return known - RETIRED_SESSION - {"bind"}


def without_retired(
    settings: Mapping[str, Any], retired: Iterable[str]
) -> dict[str, Any]:
    """``settings`` without what SQLAlchemy has taken out; each is told in the log."""
    gone = set(retired).intersection(settings)
    for name in sorted(gone):
        logger.warning(
            "%s has no effect: SQLAlchemy %s does not have it any more.",
            find_key(settings, name),
            sqlalchemy.__version__,
        )
    return {name: value for name, value in settings.items() if name not in gone}


def check_known(
    settings: Mapping[str, Any], given: Iterable[str], known: Iterable[str]
) -> None:
    """Refuse the first of ``given`` that is not ``known``.

    Raises:
        UnknownSetting: With the nearest keys, spelt as the configuration spells them.
    """
    known = set(known)
    for name in given:
        if name not in known:
            # Compared without the prefix, in which all keys are alike.
            keys = [find_key(settings, each) for each in find_nearest(name, known)]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), keys
            )
