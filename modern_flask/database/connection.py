"""How a connection is made: again within a budget, or once before a deadline."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from threading import local
from typing import Any

from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

BUDGET = 2.0
"""Seconds in which another attempt may begin: a server's restart fits in."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.4  # seconds

_Limits = Callable[[float], Mapping[str, Any]]


def _libpq_limits(seconds: float) -> Mapping[str, Any]:
    # libpq counts whole seconds to connect, and at least two.
    return {
        "connect_timeout": ceil(seconds),
        "tcp_user_timeout": ceil(seconds * 1000),
    }


def _mysql_limits(seconds: float) -> Mapping[str, Any]:
    whole = ceil(seconds)
    return {"connect_timeout": whole, "read_timeout": whole, "write_timeout": whole}


def _no_limits(seconds: float) -> Mapping[str, Any]:
    return {}


_LIMITS: dict[str, _Limits] = {
    "psycopg": _libpq_limits,
    "psycopg2": _libpq_limits,
    "pymysql": _mysql_limits,
    "mysqldb": _mysql_limits,
}
"""For each driver: the connect arguments that bound its waits to so many seconds."""


class _Connecting:
    """``dialect.connect`` that tries again while the server is away.

    It replaces the dialect's method instead of listening to ``do_connect``: a listener
    that connects ends the chain, and one of the application's own, such as one that
    fetches a password, would no longer be asked.
    """

    def __init__(self, dialect: Dialect, errors: type[Exception]) -> None:
        self._connect: Callable[..., DBAPIConnection] = dialect.connect
        self._limits = _LIMITS.get(dialect.driver, _no_limits)
        self._errors = errors
        self._thread = local()

    def __call__(self, *args: Any, **options: Any) -> DBAPIConnection:
        seconds = getattr(self._thread, "seconds", None)
        if seconds is not None:
            return self._connect(*args, **{**options, **self._limits(seconds)})
        deadline = time.monotonic() + BUDGET
        pause = _FIRST_PAUSE
        while True:
            try:
                return self._connect(*args, **options)
            except self._errors:
                # Jitter, or every worker knocks at the same moment.
                pause = min(pause * 2, _LONGEST_PAUSE) * random.uniform(0.5, 1)
                if time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """In this thread: connect once, and let no wait last longer."""
        self._thread.seconds = seconds
        try:
            yield
        finally:
            self._thread.seconds = None


def connect_patiently(engine: Engine) -> None:
    """Let ``engine`` try again for 2 s when its server can't be reached."""
    dialect = engine.dialect
    errors = dialect.loaded_dbapi.OperationalError
    dialect.connect = _Connecting(dialect, errors)  # type: ignore[method-assign]


def ping(engine: Engine, timeout: float) -> None:
    """Ask the database for ``select 1`` on a connection of its own.

    Neither the pool's bound nor its idle connections matter: an exhausted pool is not a
    database that is down.

    Args:
        timeout: Seconds for each wait, as far as the driver bounds it: PostgreSQL's
            libpq counts whole seconds, at least two, to connect; MySQL's drivers bound
            connecting and each answer.

    Raises:
        Exception: Whatever the driver says, such as its ``OperationalError``.
    """
    connecting = engine.dialect.connect
    if isinstance(connecting, _Connecting):
        with connecting.within(timeout):
            return _ask(engine)
    return _ask(engine)


def _ask(engine: Engine) -> None:
    pool = engine.pool.recreate()
    try:
        connection = pool.connect()
        try:
            cursor = connection.cursor()
            cursor.execute("select 1")
            cursor.fetchone()
            cursor.close()
        finally:
            connection.close()
    finally:
        pool.dispose()
