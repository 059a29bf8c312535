"""The engine, with a limit on every wait."""

import logging
import os
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any, cast

import sqlalchemy
from sqlalchemy import URL, event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import Pool, QueuePool

from ..config.values import find_key, find_origin
from .connection import retry_connecting
from .echo import echo_once
from .errors import LegacyMode, UnfitSetting
from .keywords import (
    RETIRED_ENGINE,
    check_known,
    drop_retired,
    list_engine_keywords,
    list_pool_keywords,
)
from .memory import is_memory, make_memory_creator
from .url import read_url

__all__ = ["CONNECT_ARGS", "open_engine"]

logger = logging.getLogger(__name__)

_POOL_TIMEOUT = 5
"""Seconds: clients give up before the 30 s that SQLAlchemy waits by default."""

_LIBPQ = {"connect_timeout": 3, "tcp_user_timeout": 5000}  # seconds, milliseconds
_MYSQL = {"connect_timeout": 3, "read_timeout": 30, "write_timeout": 30}  # seconds

CONNECT_ARGS: dict[str, dict[str, int]] = {
    "psycopg": _LIBPQ,
    "psycopg2": _LIBPQ,
    "pymysql": _MYSQL,
    "mysqldb": _MYSQL,
}
"""By driver: the arguments that limit its waits. SQLite has a busy timeout of 5 s."""

_SESSION_LIMITS = """
select set_config(setting.name, ours.value, false)
from pg_settings as setting
join (values ('statement_timeout', '30s'),
             ('idle_in_transaction_session_timeout', '60s')) as ours (name, value)
  on setting.name = ours.name
where setting.source = 'default'
"""
"""Sets the limits of a PostgreSQL session that still have PostgreSQL's default. Values
from the URL's ``options``, the role, the database or the server's file stay."""


def open_engine(settings: Mapping[str, Any]) -> Iterator[Engine]:
    """Open the engine of the service and dispose of it at shutdown.

    The engine connects at its first use. After a fork, the child does not use the
    connections of its parent.

    Args:
        settings: ``url``, a text or an SQLAlchemy URL, and keywords of
            :func:`sqlalchemy.create_engine`. They and the query of the URL override the
            kit's defaults, inside ``connect_args`` too.

    Yields:
        An engine with limits. PostgreSQL: 3 s to connect and 2 s for more attempts, 5 s
        for a free connection, 30 s for a statement, 60 s for an idle transaction.
        MySQL: 30 s for an answer. ``sqlite:///:memory:`` is one private database for
        all threads; a file of SQLite has SQLite's own defaults. The errors of the
        engine don't show the parameters of a statement.

    Raises:
        NotConfigured, BadDatabaseUrl, UnknownDialect: ``url`` is missing or wrong.
        MissingExtra, MissingDriver: The driver is not installed.
        UnknownSetting: SQLAlchemy does not have the keyword; the error shows the
            nearest ones.
        UnfitSetting, LegacyMode: A keyword does not fit the other ones.
    """
    url = read_url(settings)
    options = _check_settings(settings, url)
    with ExitStack() as stack:
        if is_memory(url) and not {"creator", "pool", "poolclass"} & options.keys():
            create = make_memory_creator(url, options.get("connect_args") or {})
            options |= {"creator": create, "poolclass": QueuePool}
            # The database exists as long as one connection to it is open.
            stack.enter_context(closing(create()))
        # Read the function late: other telemetry may have replaced it.
        engine = sqlalchemy.create_engine(url, **_add_defaults(options, url))
        stack.callback(engine.dispose)
        _add_hooks(engine)
        yield engine


def _check_settings(settings: Mapping[str, Any], url: URL) -> dict[str, Any]:
    """Check the keywords of ``create_engine``, and return them without ``url``."""
    options = drop_retired(settings, RETIRED_ENGINE)
    pool_class = _choose_pool(options, url)
    # A plugin may have more keywords.
    if "plugins" not in options and "plugin" not in url.query:
        known = list_engine_keywords(url.get_dialect(), pool_class)
        check_known(settings, options, known)
    if options.get("future") is False:
        key, origin = find_key(settings, "future"), find_origin(settings, "future")
        raise LegacyMode(key, False, origin)
    if "pool" not in options:
        _check_fits(settings, options, pool_class)
    del options["url"]
    return options


def _choose_pool(options: Mapping[str, Any], url: URL) -> type[Pool]:
    """Return the pool class that ``create_engine`` will use."""
    if given := options.get("poolclass"):
        return cast(type[Pool], given)
    dialect: Any = url.get_dialect()
    return (
        QueuePool if is_memory(url) else cast(type[Pool], dialect.get_pool_class(url))
    )


def _check_fits(
    settings: Mapping[str, Any], options: Mapping[str, Any], pool_class: type[Pool]
) -> None:
    unfit = list_pool_keywords(QueuePool) - list_pool_keywords(pool_class)
    for name in sorted(unfit.intersection(options)):
        raise UnfitSetting(
            find_key(settings, name),
            pool_class.__name__,
            find_key(settings, "poolclass"),
            find_origin(settings, name),
        )


def _add_defaults(options: Mapping[str, Any], url: URL) -> dict[str, Any]:
    """Add the defaults that this driver and this pool accept to ``options``."""
    dialect = url.get_dialect()
    # The text of an error reaches logs and spans, and a parameter may be a password.
    defaults: dict[str, Any] = {"hide_parameters": True}
    if "pool" not in options:
        keywords = list_pool_keywords(_choose_pool(options, url))
        if "pool_timeout" in keywords:
            defaults["pool_timeout"] = _POOL_TIMEOUT
        if url.get_backend_name() != "sqlite":
            defaults["pool_pre_ping"] = True
    limits = CONNECT_ARGS.get(dialect.driver, {})
    # The query of the URL wins.
    unset = {name: limits[name] for name in limits if name not in url.query}
    connect_args = {**unset, **(options.get("connect_args") or {})}
    return {**defaults, **options, "connect_args": connect_args}


def _add_hooks(engine: Engine) -> None:
    """Add the behaviour that no keyword of ``create_engine`` can give."""
    _forget_after_fork(engine)
    echo_once(engine)
    if engine.dialect.name != "sqlite":
        retry_connecting(engine)
    if engine.dialect.driver in ("psycopg", "psycopg2"):
        event.listen(engine, "connect", _limit_session)


def _limit_session(connection: DBAPIConnection, record: object) -> None:
    """Limit the statements and idle transactions of a new PostgreSQL connection.

    A statement sets the limits, since PgBouncer refuses ``options`` in the first packet
    of a connection.
    """
    cursor = connection.cursor()
    try:
        cursor.execute(_SESSION_LIMITS)
        connection.commit()
    except Exception:
        # Other servers with the same protocol may lack PostgreSQL's catalogue.
        logger.debug("This server does not accept the time limits of a session.")
        connection.rollback()
    finally:
        cursor.close()


def _forget_after_fork(engine: Engine) -> None:
    """In a forked child, drop the parent's connections without closing them."""
    reference = weakref.ref(engine)

    def forget() -> None:
        inherited = reference()
        if inherited is not None:
            inherited.dispose(close=False)

    os.register_at_fork(after_in_child=forget)
