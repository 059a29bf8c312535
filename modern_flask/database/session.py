"""Sessions and transactions."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from ..config.values import find_key, find_origin
from .errors import InnerTransactionFailed, LegacyMode
from .keywords import (
    RETIRED_SESSION,
    check_known,
    drop_retired,
    list_session_keywords,
)

__all__ = [
    "ModelBase",
    "create_tables",
    "in_transaction",
    "make_session_factory",
    "model_registry",
    "open_session",
    "transaction",
]

logger = logging.getLogger(__name__)

_RUNNING = "modern_flask.transaction"
"""The key in ``Session.info`` of the :func:`transaction` that is running."""


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
            nothing would close it then.

    Raises:
        UnknownSetting: Neither class has the keyword; the error shows the nearest ones.
        LegacyMode: ``autocommit`` is True or ``future`` is False.
    """
    for name, value in (("autocommit", True), ("future", False)):
        if settings.get(name) is value:
            key, origin = find_key(settings, name), find_origin(settings, name)
            raise LegacyMode(key, value, origin)
    options = drop_retired(settings, RETIRED_SESSION)
    known = list_session_keywords(options.get("class_", Session))
    check_known(settings, options, known)
    return sessionmaker(engine, **{"close_resets_only": False, **options})


def open_session(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Open a session for one request or task.

    Yields:
        A session. When it closes, it rolls back every change that is not committed.
    """
    session = factory()
    try:
        yield session
    finally:
        session.close()


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
    except Exception:
        # The caller raises the error that caused the rollback.
        logger.exception("A transaction could not be rolled back.")
