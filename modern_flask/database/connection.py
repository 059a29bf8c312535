"""Connects to the database: with retries, or once before a deadline for a ping."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from threading import local
from typing import Any

from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from ..waiting import Backoff, Retries

__all__ = ["BACKOFF", "ping", "retry_connecting"]

BACKOFF = Backoff(first=0.1, longest=0.4, budget=2.0)
"""No attempt begins later than 2 s after the first: that is enough for the restart of a
server. The jitter keeps the workers from connecting at the same moment."""

_Limits = Callable[[float], Mapping[str, Any]]


def _limit_libpq(seconds: float) -> Mapping[str, Any]:
    # libpq counts whole seconds to connect, and at least two.
    return {
        "connect_timeout": ceil(seconds),
        "tcp_user_timeout": ceil(seconds * 1000),
    }


def _limit_mysql(seconds: float) -> Mapping[str, Any]:
    whole = ceil(seconds)
    return {"connect_timeout": whole, "read_timeout": whole, "write_timeout": whole}


def _limit_nothing(seconds: float) -> Mapping[str, Any]:
    return {}


_LIMITS: dict[str, _Limits] = {
    "psycopg": _limit_libpq,
    "psycopg2": _limit_libpq,
    "pymysql": _limit_mysql,
    "mysqldb": _limit_mysql,
}
"""By driver: the connect arguments that limit every wait to a number of seconds."""


class _RetryingConnect:
    """Replaces ``dialect.connect`` and retries while the server is away.

    A listener for ``do_connect`` is not an option: SQLAlchemy calls no further listener
    after one that connects. So it would not call a listener of the application, such as
    one that fetches a password.
    """

    def __init__(self, dialect: Dialect, errors: type[Exception]) -> None:
        self._connect: Callable[..., DBAPIConnection] = dialect.connect
        self._limits = _LIMITS.get(dialect.driver, _limit_nothing)
        self._errors = errors
        self._thread = local()

    def __call__(self, *args: Any, **options: Any) -> DBAPIConnection:
        seconds = getattr(self._thread, "seconds", None)
        if seconds is not None:
            return self._connect(*args, **{**options, **self._limits(seconds)})
        retries = Retries(BACKOFF)
        while True:
            try:
                return self._connect(*args, **options)
            except self._errors:
                if not retries.pause():
                    raise

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """In this thread, connect only once and limit every wait to ``seconds``."""
        self._thread.seconds = seconds
        try:
            yield
        finally:
            self._thread.seconds = None


def retry_connecting(engine: Engine) -> None:
    """Make ``engine`` retry for 2 s when it can't connect to its server."""
    dialect = engine.dialect
    errors = dialect.loaded_dbapi.OperationalError
    dialect.connect = _RetryingConnect(dialect, errors)  # type: ignore[method-assign]


def ping(engine: Engine, timeout: float) -> None:
    """Execute ``select 1`` on a new connection.

    The ping ignores the connections and the limit of the pool: an exhausted pool does
    not mean that the database is down.

    Args:
        timeout: Seconds for each wait, as far as the driver can limit it. PostgreSQL's
            libpq counts whole seconds to connect, and at least two. The MySQL drivers
            limit connecting and each answer.

    Raises:
        Exception: The error of the driver, such as its ``OperationalError``.
    """
    connect = engine.dialect.connect
    if isinstance(connect, _RetryingConnect):
        with connect.limit(timeout):
            return _select_one(engine)
    return _select_one(engine)


def _select_one(engine: Engine) -> None:
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
