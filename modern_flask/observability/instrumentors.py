"""OpenTelemetry's own instrumentors: who is active, and those that the kit starts.

An instrumentor is active for the whole process, whoever has started it: the command
``opentelemetry-instrument``, the service, or the kit. Where one is active, the kit
makes no spans of its own for the same operations.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from typing import Any

__all__ = ["instrument", "is_instrumented", "list_foreign"]

_PREFIX = "opentelemetry.instrumentation."
_CLASSES = {
    "flask": "flask.FlaskInstrumentor",
    "sqlalchemy": "sqlalchemy.SQLAlchemyInstrumentor",
    "redis": "redis.RedisInstrumentor",
    "requests": "requests.RequestsInstrumentor",
    "celery": "celery.CeleryInstrumentor",
    # By the name of a driver in SQLAlchemy.
    "psycopg": "psycopg.PsycopgInstrumentor",
    "psycopg2": "psycopg2.Psycopg2Instrumentor",
    "pymysql": "pymysql.PyMySQLInstrumentor",
    "mysqldb": "mysqlclient.MySQLClientInstrumentor",
    "mysqlconnector": "mysql.MySQLInstrumentor",
    "pysqlite": "sqlite3.SQLite3Instrumentor",
}

# The instrumentors that the kit has started.
_own: set[str] = set()

logger = logging.getLogger(__name__)


def is_instrumented(name: str) -> bool:
    """Whether an instrumentor is active. This imports nothing.

    Args:
        name: A library, or the name of a database driver in SQLAlchemy.
    """
    module, _, kind = _CLASSES.get(name, "").rpartition(".")
    found: Any = getattr(sys.modules.get(_PREFIX + module), kind, None)
    # The class has one instance, which this call returns.
    return found is not None and bool(found().is_instrumented_by_opentelemetry)


def list_foreign() -> list[str]:
    """List the active instrumentors that somebody else has started."""
    return [name for name in _CLASSES if name not in _own and is_instrumented(name)]


def instrument(name: str) -> None:
    """Start one of OpenTelemetry's own instrumentors, once in a process.

    If the instrumentor does not support the version of the library and does not start,
    a warning is logged. ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` can disable it.

    Args:
        name: ``requests`` or ``celery``.
    """
    module, _, kind = _CLASSES[name].rpartition(".")
    disabled = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "")
    if name in [part.strip() for part in disabled.split(",")]:
        return
    try:
        instrumentor: Any = getattr(import_module(_PREFIX + module), kind)()
    except ImportError as error:
        logger.warning("%s is not traced: %s.", name, error)
        return
    if instrumentor.is_instrumented_by_opentelemetry:
        return
    instrumentor.instrument()
    if instrumentor.is_instrumented_by_opentelemetry:
        _own.add(name)
    else:
        logger.warning("%s is not traced: its instrumentor refused to start.", name)
