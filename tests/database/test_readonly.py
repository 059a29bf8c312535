"""The session that only reads."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, delete, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import StaticPool

from modern_flask.database import ReadOnlyViolation
from modern_flask.database.errors import INJECT_SESSION
from modern_flask.database.readonly import open_readonly_session


class Table(DeclarativeBase):
    """The tables of these tests."""


class Order(Table):
    """A row that exists already."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Table.metadata.create_all(engine)
    with Session(engine) as writing, writing.begin():
        writing.add(Order(id=1, state="sent"))
    yield from open_readonly_session(sessionmaker(engine))
    engine.dispose()


def test_reads(session: Session) -> None:
    """The session reads, and a commit without changes is allowed."""
    assert session.scalars(select(Order.state)).all() == ["sent"]
    session.commit()


def add(session: Session) -> None:
    session.add(Order(id=2, state="new"))
    session.flush()


def change(session: Session) -> None:
    session.get_one(Order, 1).state = "lost"
    session.commit()


def remove(session: Session) -> None:
    session.delete(session.get_one(Order, 1))
    session.flush()


WRITING: list[tuple[Callable[[Session], Any], str]] = [
    (add, "it holds a new Order"),
    (change, "it holds a changed Order"),
    (remove, "it holds a deleted Order"),
    (
        lambda session: session.execute(insert(Order).values(id=2, state="new")),
        "it executes the statement insert",
    ),
    (
        lambda session: session.execute(update(Order).values(state="lost")),
        "it executes the statement update",
    ),
    (
        lambda session: session.execute(delete(Order)),
        "it executes the statement delete",
    ),
]


@pytest.mark.parametrize(("write", "what"), WRITING)
def test_refuses(session: Session, write: Callable[[Session], Any], what: str) -> None:
    """Everything that would write raises an error that names the other session."""
    with pytest.raises(ReadOnlyViolation) as fault:
        write(session)

    assert str(fault.value) == (
        f"The read-only session can't write: {what}.\n  fix      {INJECT_SESSION}"
    )


def test_reading_does_not_flush(session: Session) -> None:
    """A query after a change reads the database without a flush."""
    session.get_one(Order, 1).state = "lost"

    assert session.scalars(select(Order.state)).all() == ["sent"]
