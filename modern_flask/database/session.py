"""Sessions and their transactions."""

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
    session_keywords,
    without_retired,
)

logger = logging.getLogger(__name__)

_JOINED = "modern_flask.transaction"
"""Where a session keeps its running :func:`transaction`, in ``Session.info``."""


class ModelBase(DeclarativeBase):
    """The class that a service's tables derive from."""


model_registry = ModelBase.registry


def create_tables(engine: Engine) -> None:
    """Create what :class:`ModelBase` declares and the database does not have yet."""
    ModelBase.metadata.create_all(engine)


def make_session_factory(
    engine: Engine, settings: Mapping[str, Any]
) -> sessionmaker[Session]:
    """Make the factory of the service's sessions.

    Args:
        settings: Keywords of :class:`sqlalchemy.orm.sessionmaker` and
            :class:`sqlalchemy.orm.Session`. Unless ``close_resets_only`` is set, a
            session that was closed is an error to use; SQLAlchemy's default reopens it,
            and nobody closes it again.

    Raises:
        UnknownSetting: A keyword that neither has, with the nearest ones.
        LegacyMode: ``autocommit=True`` or ``future=False``.
    """
    for name, value in (("autocommit", True), ("future", False)):
        if settings.get(name) is value:
            key, origin = find_key(settings, name), find_origin(settings, name)
            raise LegacyMode(key, value, origin)
    options = without_retired(settings, RETIRED_SESSION)
    known = session_keywords(options.get("class_", Session))
    check_known(settings, options, known)
    return sessionmaker(engine, **{"close_resets_only": False, **options})


def open_session(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Open a session for one request or task.

    Yields:
        A session; what was not committed when it closes is rolled back.
    """
    session = factory()
    try:
        yield session
    finally:
        session.close()


@contextmanager
def transaction(session: Session) -> Iterator[Session]:
    """Commit what the block does, or roll it back when the block raises.

    A block inside another one of the same session joins it: only the outermost commits.
    A part that may fail alone belongs into ``session.begin_nested()``.

    Raises:
        InnerTransactionFailed: A joined block raised, and the outer one went on; half
            of its work would have been committed.
    """
    if outer := session.info.get(_JOINED):
        with outer.joined():
            yield session
        return
    running = _Transaction()
    session.info[_JOINED] = running
    try:
        try:
            yield session
        finally:
            # Before the commit: what runs after it begins a transaction of its own.
            del session.info[_JOINED]
        running.check()
        session.commit()
    except BaseException:
        _roll_back(session)
        raise


def in_transaction(session: Session) -> bool:
    """Whether a :func:`transaction` of ``session`` is running."""
    return _JOINED in session.info


class _Transaction:
    """The outermost :func:`transaction` of a session; knows whether it may commit."""

    def __init__(self) -> None:
        self.failed: BaseException | None = None

    @contextmanager
    def joined(self) -> Iterator[None]:
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
        # The error that led here is the one to tell.
        logger.exception("A transaction could not be rolled back.")
