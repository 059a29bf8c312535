"""Knows whether a session holds writes that nobody has committed or rolled back.

The statements are seen at the session's connections, because a session sends them in
many ways: a flush, ``execute``, the bulk methods, ``connection().execute(...)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Dialect, Transaction
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from ..wiring import name_work
from .statements import Effect, read_effect

__all__ = ["find_writer", "watch_writes"]

_WRITES = "_modern_flask_writes"
"""The attribute of a connection for the writes of its transaction, of a session for
those of its connections, and of a dialect that is watched."""

_TEMPORARY = "modern_flask.temporary_tables"
"""The key in ``Connection.info`` of the names of its temporary tables."""

_COMMITS_TABLES = ("mysql", "mariadb")
"""On these, a change of a table commits the transaction."""


def watch_writes(factory: sessionmaker[Session]) -> None:
    """Record what the sessions of ``factory`` write."""
    event.listen(factory, "after_begin", _begin)


def find_writer(session: Session) -> str:
    """Return the name of the work whose changes are still in ``session``, or no text.

    Changes are rows that an open transaction has written, and objects that were added,
    changed or deleted and not flushed.
    """
    held: list[tuple[Transaction, _Writes]] | None = getattr(session, _WRITES, None)
    for transaction, writes in held or ():
        # It is inactive after a commit and after a rollback.
        if transaction.is_active and writes.has_rows:
            return writes.writer
    return name_work() if _has_changes(session) else ""


def _has_changes(session: Session) -> bool:
    if next(iter(session), None) is None:
        return False  # it has no objects: this is much faster than the collections
    if session.new or session.deleted:
        return True
    return any(session.is_modified(instance) for instance in session.dirty)


class _Writes:
    """The writes of a transaction, in the levels of its savepoints."""

    writer = ""

    def __init__(self) -> None:
        # By savepoint, the outermost first: True for rows, or a cursor that does not
        # know their number yet.
        self._levels: dict[str, list[Any]] = {"": []}

    @property
    def has_rows(self) -> bool:
        return any(map(_has_rows, self._levels.values()))

    def add(self, cursor: Any, is_sqlite: bool) -> None:
        rows: Any = cursor.rowcount != 0
        if not rows:
            # An UPDATE that finds no row loses none. SQLite counts the rows of
            # RETURNING when they are fetched.
            if not is_sqlite or cursor.description is None:
                return
            rows = cursor
        self.writer = self.writer or name_work()
        level = next(reversed(self._levels.values()))
        if not _has_rows(level):
            level[:] = [rows]

    def begin(self, savepoint: str) -> None:
        self._levels.setdefault(savepoint, [])

    def release(self, savepoint: str) -> None:
        """End a savepoint; the level around it keeps its writes."""
        found = self.roll_back(savepoint)
        next(reversed(self._levels.values())).extend(found)

    def roll_back(self, savepoint: str) -> list[Any]:
        """End a savepoint and those within it, and return their writes."""
        found: list[Any] = []
        name = savepoint if savepoint not in self._levels else ""
        while name != savepoint:
            name, level = self._levels.popitem()
            found += level
        return found

    def clear(self) -> None:
        for level in self._levels.values():
            level.clear()


def _has_rows(level: list[Any]) -> bool:
    return any(rows is True or rows.rowcount for rows in level)


def _begin(
    session: Session, transaction: SessionTransaction, connection: Connection
) -> None:
    if transaction.parent is not None:
        return  # a savepoint
    if not hasattr(connection.dialect, _WRITES):
        _watch(connection.dialect)
    begun = connection.get_nested_transaction() or connection.get_transaction()
    writes = _Writes()
    setattr(connection, _WRITES, writes)
    held = getattr(session, _WRITES, None)
    if held is None:
        setattr(session, _WRITES, [(begun, writes)])
    else:
        held[:] = [each for each in held if each[0].is_active]
        held.append((begun, writes))


def _watch(dialect: Dialect) -> None:
    """See what ``dialect`` executes, and its savepoints.

    A listener of the engine's events would make each SELECT a third slower, because
    SQLAlchemy then prepares all kinds of events for each connection.
    """
    setattr(dialect, _WRITES, True)
    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        setattr(dialect, name, _wrap_execution(getattr(dialect, name)))
    for name, end in (
        ("do_savepoint", _Writes.begin),
        ("do_release_savepoint", _Writes.release),
        ("do_rollback_to_savepoint", _Writes.roll_back),
    ):
        setattr(dialect, name, _wrap_savepoint(getattr(dialect, name), end))


def _wrap_execution(execute: Callable[..., None]) -> Callable[..., None]:
    @wraps(execute)
    def call(cursor: Any, statement: str, *args: Any, **kwargs: Any) -> None:
        execute(cursor, statement, *args, **kwargs)
        effect = read_effect(statement)
        if effect is not None:
            context = kwargs.get("context") or (args[-1] if args else None)
            connection = getattr(context, "root_connection", None)
            if connection is not None and (
                writes := getattr(connection, _WRITES, None)
            ):
                _note(effect, writes, connection, cursor)

    return call


def _wrap_savepoint(
    change: Callable[..., None], note: Callable[[_Writes, str], object]
) -> Callable[..., None]:
    @wraps(change)
    def call(connection: Any, name: str) -> None:
        change(connection, name)
        writes = getattr(connection, _WRITES, None)
        if writes is not None:
            note(writes, name)

    return call


def _note(effect: Effect, writes: _Writes, connection: Connection, cursor: Any) -> None:
    kind, table = effect
    if kind == "temporary":
        connection.info.setdefault(_TEMPORARY, set()).add(table)
    elif kind == "write":
        temporary = connection.info.get(_TEMPORARY, ())
        if table[:1] != "#" and table not in temporary and not _commits(connection):
            writes.add(cursor, connection.dialect.name == "sqlite")
    elif kind == "end" or connection.dialect.name in _COMMITS_TABLES:
        writes.clear()


def _commits(connection: Connection) -> bool:
    """Whether the connection commits each statement at once."""
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite" and hasattr(driver, "in_transaction"):
        # Its isolation level says nothing where the service sends BEGIN by itself.
        return not driver.in_transaction
    try:
        return connection.dialect.detect_autocommit_setting(driver)
    except NotImplementedError:
        return False
