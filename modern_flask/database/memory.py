"""``sqlite:///:memory:`` as one database that all threads share."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import URL

__all__ = ["is_memory", "make_memory_creator"]

_SHARED_SINCE = (3, 36)
"""Since this release of SQLite, connections can share a database of the memdb VFS by
name (https://sqlite.org/releaselog/3_36_0.html)."""


def is_memory(url: URL) -> bool:
    """Whether ``url`` is an unnamed in-memory database of the standard driver."""
    plain = url.get_backend_name() == "sqlite" and url.get_driver_name() == "pysqlite"
    unnamed = url.database in (None, "", ":memory:")
    return plain and unnamed and sqlite3.sqlite_version_info >= _SHARED_SINCE


def make_memory_creator(
    url: URL, connect_args: Mapping[str, Any]
) -> Callable[[], sqlite3.Connection]:
    """Make a function that connects to one new, private in-memory database.

    SQLAlchemy's pool for ``:memory:`` opens an empty database in each thread, and one
    connection for all threads crashes the interpreter. With the ``memdb`` VFS many
    connections share one database, as long as one of them is open.

    Args:
        url: The URL from the configuration; its query options are used.
        connect_args: Keywords of :func:`sqlite3.connect`; they override the URL.
    """
    _, options = url.get_dialect()().create_connect_args(url)
    # The pool never gives a connection to two threads at the same time.
    arguments = {**options, **connect_args, "uri": True, "check_same_thread": False}
    name = f"file:/{uuid4().hex}?vfs=memdb"
    return lambda: sqlite3.connect(name, **arguments)
