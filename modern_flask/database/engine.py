"""The engine: plain keywords in, bounded waits out."""

import logging
import os
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from typing import Any, cast

from sqlalchemy import URL, create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import Pool, QueuePool

from ..config.values import find_key, find_origin
from .connection import connect_patiently
from .errors import LegacyMode, UnfitSetting
from .keywords import (
    RETIRED_ENGINE,
    check_known,
    engine_keywords,
    pool_keywords,
    without_retired,
)
from .memory import is_memory, shared_memory
from .url import read_url

logger = logging.getLogger(__name__)

_POOL_TIMEOUT = 5  # seconds; SQLAlchemy's 30 outlast what a client waits for a page

_LIBPQ = {"connect_timeout": 3, "tcp_user_timeout": 5000}  # seconds, milliseconds
_MYSQL = {"connect_timeout": 3, "read_timeout": 30, "write_timeout": 30}  # seconds

CONNECT_ARGS: dict[str, dict[str, int]] = {
    "psycopg": _LIBPQ,
    "psycopg2": _LIBPQ,
    "pymysql": _MYSQL,
    "mysqldb": _MYSQL,
}
"""For each driver: what bounds its waits. SQLite's own busy timeout of 5 s stands."""

_SESSION_LIMITS = """
select set_config(setting.name, ours.value, false)
from pg_settings as setting
join (values ('statement_timeout', '30s'),
             ('idle_in_transaction_session_timeout', '60s')) as ours (name, value)
  on setting.name = ours.name
where setting.source = 'default'
"""
"""Bounds of a PostgreSQL session, where nobody has set any: not the URL's ``options``,
not the role, not the database, not the server's file."""


def open_engine(settings: Mapping[str, Any]) -> Iterator[Engine]:
    """Open the service's engine and dispose of it at shutdown.

    No connection is made before the first use. An engine that is inherited by a fork
    forgets its parent's connections in the child.

    Args:
        settings: ``url``, a text or an SQLAlchemy URL, and keywords of
            :func:`sqlalchemy.create_engine`. They and the URL's query win over our
            defaults, inside ``connect_args`` too.

    Yields:
        An engine whose waits are bounded. For PostgreSQL: 3 s to connect and 2 s for
        further attempts, 5 s for a free connection, 30 s for a statement, 60 s for an
        idle transaction. For MySQL 30 s for an answer. ``sqlite:///:memory:`` is one
        private database for all threads; a file of SQLite is opened as SQLite does it.
        Its errors don't tell the parameters of a statement.

    Raises:
        NotConfigured, BadDatabaseUrl, UnknownDialect: ``url`` is not one.
        MissingExtra, MissingDriver: Its driver is not installed.
        UnknownSetting: A keyword that SQLAlchemy does not have, with the nearest ones.
        UnfitSetting, LegacyMode: A keyword that can't be had with the rest.
    """
    url = read_url(settings)
    options = _checked(settings, url)
    with ExitStack() as stack:
        if is_memory(url) and not {"creator", "pool", "poolclass"} & options.keys():
            create = shared_memory(url, options.get("connect_args") or {})
            options |= {"creator": create, "poolclass": QueuePool}
            # The database lives as long as one connection to it.
            stack.enter_context(closing(create()))
        engine = create_engine(url, **_with_defaults(options, url))
        stack.callback(engine.dispose)
        _watch(engine)
        yield engine


def _checked(settings: Mapping[str, Any], url: URL) -> dict[str, Any]:
    """The keywords of ``create_engine``, all known, but for ``url``."""
    options = without_retired(settings, RETIRED_ENGINE)
    pool_class = _effective_pool(options, url)
    # A plugin may take keywords of its own.
    if "plugins" not in options and "plugin" not in url.query:
        known = engine_keywords(url.get_dialect(), pool_class)
        check_known(settings, options, known)
    if options.get("future") is False:
        key, origin = find_key(settings, "future"), find_origin(settings, "future")
        raise LegacyMode(key, False, origin)
    if "pool" not in options:
        _check_fits(settings, options, pool_class)
    del options["url"]
    return options


def _effective_pool(options: Mapping[str, Any], url: URL) -> type[Pool]:
    if given := options.get("poolclass"):
        return cast(type[Pool], given)
    dialect: Any = url.get_dialect()
    return (
        QueuePool if is_memory(url) else cast(type[Pool], dialect.get_pool_class(url))
    )


def _check_fits(
    settings: Mapping[str, Any], options: Mapping[str, Any], pool_class: type[Pool]
) -> None:
    unfit = pool_keywords(QueuePool) - pool_keywords(pool_class)
    for name in sorted(unfit.intersection(options)):
        raise UnfitSetting(
            find_key(settings, name),
            pool_class.__name__,
            find_key(settings, "poolclass"),
            find_origin(settings, name),
        )


def _with_defaults(options: Mapping[str, Any], url: URL) -> dict[str, Any]:
    """Our defaults below ``options``, as far as this driver and pool take them."""
    dialect = url.get_dialect()
    # An error's text reaches logs and spans, and a parameter may be a password.
    defaults: dict[str, Any] = {"hide_parameters": True}
    if "pool" not in options:
        takes = pool_keywords(_effective_pool(options, url))
        if "pool_timeout" in takes:
            defaults["pool_timeout"] = _POOL_TIMEOUT
        if url.get_backend_name() != "sqlite":
            defaults["pool_pre_ping"] = True
    bounds = CONNECT_ARGS.get(dialect.driver, {})
    unasked = {name: bounds[name] for name in bounds if name not in url.query}
    connect_args = {**unasked, **(options.get("connect_args") or {})}
    return {**defaults, **options, "connect_args": connect_args}


def _watch(engine: Engine) -> None:
    """Give ``engine`` what it needs besides keywords."""
    _forget_after_fork(engine)
    if engine.dialect.name != "sqlite":
        connect_patiently(engine)
    if engine.dialect.driver in ("psycopg", "psycopg2"):
        event.listen(engine, "connect", _limit_session)


def _limit_session(connection: DBAPIConnection, record: object) -> None:
    """Bound statements and idle transactions of a new PostgreSQL connection.

    By a statement, not by the ``options`` of the first packet: PgBouncer refuses those.
    """
    cursor = connection.cursor()
    try:
        cursor.execute(_SESSION_LIMITS)
        connection.commit()
    except Exception:
        # Not every server that speaks the protocol has PostgreSQL's catalogue.
        logger.debug("This server's sessions have no time limits of ours.")
        connection.rollback()
    finally:
        cursor.close()


def _forget_after_fork(engine: Engine) -> None:
    """In a forked child, drop the parent's connections without a word to the server."""
    reference = weakref.ref(engine)

    def forget() -> None:
        inherited = reference()
        if inherited is not None:
            inherited.dispose(close=False)

    os.register_at_fork(after_in_child=forget)
