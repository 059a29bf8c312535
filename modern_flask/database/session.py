"""Sessions and transactions."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from ..config.values import find_key, find_origin
from ..errors import UnknownChoice
from .after_commit import drop_callbacks
from .errors import (
    COMMIT_WRITES,
    InnerTransactionFailed,
    LegacyMode,
    UncommittedWrites,
)
from .keywords import (
    RETIRED_SESSION,
    check_known,
    drop_retired,
    list_session_keywords,
)
from .writes import find_writer, watch_writes

__all__ = [
    "ModelBase",
    "create_tables",
    "in_transaction",
    "make_session_factory",
    "model_registry",
    "open_session",
    "roll_back",
    "transaction",
]

logger = logging.getLogger(__name__)

_RUNNING = "modern_flask.transaction"
"""The key in ``Session.info`` of the :func:`transaction` that is running."""

_UNCOMMITTED = "uncommitted_writes"
"""The setting, and the key in ``Session.info`` of its value."""

_REACTIONS = ("warn", "error", "ignore")

_FAILED = "modern_flask.failed"
"""The key in ``Session.info`` that is set once the request has failed."""


class ModelBase(DeclarativeBase):
    """The base class of a service's models."""


model_registry = ModelBase.registry


def create_tables(engine: Engine) -> None:
    """Create the tables of :class:`ModelBase` that do not exist yet."""
    ModelBase.metadata.create_all(engine)


def make_session_factory(
    engine: Engine, settings: Mapping[str, Any]
) -> sessionmaker[Session]:
    """Make the factory of the service's sessions.

    Args:
        settings: Keywords of :class:`sqlalchemy.orm.sessionmaker` and
            :class:`sqlalchemy.orm.Session`. Unless ``close_resets_only`` is set, using
            a closed session raises an error. By default SQLAlchemy opens it again, and
            nothing would close it then. ``uncommitted_writes`` is the kit's: what
            :func:`open_session` does about writes that nobody committed, ``warn``
            (the default), ``error`` or ``ignore``.

    Raises:
        UnknownChoice: ``uncommitted_writes`` has another value.
        UnknownSetting: Neither class has the keyword; the error shows the nearest ones.
        LegacyMode: ``autocommit`` is True or ``future`` is False.
    """
    for name, value in (("autocommit", True), ("future", False)):
        if settings.get(name) is value:
            key, origin = find_key(settings, name), find_origin(settings, name)
            raise LegacyMode(key, value, origin)
    options = drop_retired(settings, RETIRED_SESSION)
    known = list_session_keywords(options.get("class_", Session))
    check_known(settings, options, {*known, _UNCOMMITTED})
    reaction = options.pop(_UNCOMMITTED, _REACTIONS[0])
    if reaction not in _REACTIONS:
        key, origin = (
            find_key(settings, _UNCOMMITTED),
            find_origin(settings, _UNCOMMITTED),
        )
        noun = "way to react to uncommitted writes"
        raise UnknownChoice(key, reaction, noun, origin, _REACTIONS)
    options["info"] = {**(options.get("info") or {}), _UNCOMMITTED: reaction}
    factory = sessionmaker(engine, **{"close_resets_only": False, **options})
    if reaction != "ignore":
        watch_writes(factory)
    return factory


def open_session(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Open a session for one request or task.

    Yields:
        A session. When it closes, it rolls back every change that is not committed. If
        the work did not fail, and did not roll back by itself, a warning names it.

    Raises:
        UncommittedWrites: Instead of the warning, if ``uncommitted_writes`` is
            ``error``.
    """
    session = factory()
    try:
        yield session
    except BaseException:
        # The writes since then are those of the error handler.
        if _FAILED in session.info:
            _check_writes(session)
        raise
    else:
        _check_writes(session)
    finally:
        session.close()


def roll_back(session: Session) -> None:
    """Undo what failed, so that the error handler can use the session for its own work.

    The callbacks that wait for a commit are dropped.
    """
    session.info[_FAILED] = True
    session.rollback()
    drop_callbacks(session)


def _check_writes(session: Session) -> None:
    reaction = session.info.get(_UNCOMMITTED, "ignore")
    writer = "" if reaction == "ignore" else find_writer(session)
    if not writer:
        return
    found = UncommittedWrites(writer, _FAILED in session.info)
    if reaction == "error":
        raise found
    logger.warning("%s To keep them, %s.", found.what, COMMIT_WRITES)


@contextmanager
def transaction(session: Session) -> Iterator[Session]:
    """Commit the changes of the block, or roll them back if the block raises an error.

    A block inside another one of the same session joins it, and only the outermost
    block commits. Use ``session.begin_nested()`` for a part that may fail alone.

    Raises:
        InnerTransactionFailed: An inner block raised an error, and the outer block
            caught it. A commit would write half of the changes.
    """
    if outer := session.info.get(_RUNNING):
        with outer.join():
            yield session
        return
    running = _Transaction()
    session.info[_RUNNING] = running
    try:
        try:
            yield session
        finally:
            # Delete it before the commit, because a callback after the commit begins a
            # new transaction.
            del session.info[_RUNNING]
        running.check()
        session.commit()
    except BaseException:
        _roll_back(session)
        raise


def in_transaction(session: Session) -> bool:
    """Whether a :func:`transaction` of ``session`` is running."""
    return _RUNNING in session.info


class _Transaction:
    """The outermost :func:`transaction` of a session and the error of an inner one."""

    def __init__(self) -> None:
        self.failed: BaseException | None = None

    @contextmanager
    def join(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.failed = self.failed or error
            raise

    def check(self) -> None:
        if self.failed is not None:
            raise InnerTransactionFailed(self.failed) from self.failed


def _roll_back(session: Session) -> None:
    try:
        session.rollback()
        drop_callbacks(session)
    except Exception:
        # The caller raises the error that caused the rollback.
        logger.exception("A transaction could not be rolled back.")
