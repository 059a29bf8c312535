"""``sqlite:///:memory:`` that threads may share."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from sqlalchemy import URL

_SHARED_SINCE = (3, 36)
"""SQLite's release in which databases of the memdb VFS can be shared by name
(https://sqlite.org/releaselog/3_36_0.html)."""


def is_memory(url: URL) -> bool:
    """Whether ``url`` is an unnamed in-memory database of the standard driver."""
    plain = url.get_backend_name() == "sqlite" and url.get_driver_name() == "pysqlite"
    unnamed = url.database in (None, "", ":memory:")
    return plain and unnamed and sqlite3.sqlite_version_info >= _SHARED_SINCE


def shared_memory(
    url: URL, connect_args: Mapping[str, Any]
) -> Callable[[], sqlite3.Connection]:
    """A creator of connections to one private in-memory database.

    SQLAlchemy's own pool for ``:memory:`` opens an empty database in each thread, and
    one connection for all threads crashes the interpreter. The ``memdb`` VFS lets many
    connections see one database for as long as one of them is open.

    Args:
        url: The user's URL; its query options count.
        connect_args: Keywords of :func:`sqlite3.connect`; they win over the URL.
    """
    _, options = url.get_dialect()().create_connect_args(url)
    # The pool hands a connection to one thread after the other, never to two at once.
    asked = {**options, **connect_args, "uri": True, "check_same_thread": False}
    name = f"file:/{uuid4().hex}?vfs=memdb"
    return lambda: sqlite3.connect(name, **asked)
