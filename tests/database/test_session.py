"""Sessions, and transactions that succeed or fail."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import Mapped, Session, mapped_column

from modern_flask.database import (
    InnerTransactionFailed,
    ModelBase,
    create_tables,
    make_session_factory,
    model_registry,
    open_session,
    transaction,
)
from modern_flask.database.errors import USE_SAVEPOINT
from tests.database.orders import Order

Stored = Callable[[], int]


def test_session_never_commits_by_itself(engine: Engine, stored: Stored) -> None:
    """A session that closes rolls back every change that is not committed."""
    opened = open_session(make_session_factory(engine, {}))
    session = next(opened)
    session.add(Order(name="tea"))
    session.flush()

    opened.close()

    assert stored() == 0
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_closed_session_is_an_error_to_use(engine: Engine) -> None:
    """A session that outlives its request can't reopen itself and leak."""
    opened = open_session(make_session_factory(engine, {}))
    session = next(opened)
    opened.close()

    with pytest.raises(InvalidRequestError, match="permanently closed"):
        session.execute(text("select 1"))


def test_reopening_can_be_configured(engine: Engine) -> None:
    """``close_resets_only`` in the configuration overrides the default."""
    factory = make_session_factory(engine, {"close_resets_only": True})
    session = factory()

    session.close()

    assert session.scalar(text("select 1")) == 1
    session.close()


def test_predecessors_names_declare_tables(engine: Engine) -> None:
    """A table on ModelBase belongs to model_registry, and create_tables creates it."""

    class Parcel(ModelBase):
        __tablename__ = "tests_database_parcels"
        id: Mapped[int] = mapped_column(primary_key=True)

    create_tables(engine)

    assert Parcel.registry is model_registry
    assert inspect(engine).has_table("tests_database_parcels")


def test_transaction_commits(session: Session, stored: Stored) -> None:
    """The changes of a block are stored when it ends."""
    with transaction(session) as same:
        same.add(Order(name="tea"))

    assert same is session
    assert stored() == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_transaction_rolls_back(
    session: Session, stored: Stored, error: type[BaseException]
) -> None:
    """No change of a block that raised an exception is stored."""

    def order() -> None:
        with transaction(session):
            session.add(Order(name="tea"))
            session.flush()
            raise error

    with pytest.raises(error):
        order()

    assert stored() == 0
    assert not session.in_transaction()


def test_failed_commit_rolls_back(session: Session, stored: Stored) -> None:
    """If the commit fails, the caller gets its error, and the session is usable."""
    with pytest.raises(IntegrityError), transaction(session):
        session.add_all([Order(id=1, name="tea"), Order(id=1, name="tea again")])

    with transaction(session):
        session.add(Order(name="coffee"))
    assert stored() == 1


def test_inner_transaction_joins(session: Session, stored: Stored) -> None:
    """Only the outermost block commits."""
    with transaction(session):
        with transaction(session):
            session.add(Order(name="tea"))
        before = stored()

    assert (before, stored()) == (0, 1)


def order_coffee(session: Session) -> None:
    with transaction(session):
        session.add(Order(name="coffee"))
        raise ValueError("sold out")


def test_inner_error_rolls_back_all(session: Session, stored: Stored) -> None:
    """An error that passes through both blocks undoes both."""

    def order() -> None:
        with transaction(session):
            session.add(Order(name="tea"))
            order_coffee(session)

    with pytest.raises(ValueError, match="sold out"):
        order()

    assert stored() == 0


def test_swallowed_inner_error_does_not_commit_half(
    session: Session, stored: Stored
) -> None:
    """If an inner block has failed, the outer one is rolled back with an error."""

    def order() -> None:
        with transaction(session):
            session.add(Order(name="tea"))
            with suppress(ValueError):
                order_coffee(session)

    with pytest.raises(InnerTransactionFailed) as fault:
        order()

    assert stored() == 0
    assert str(fault.value) == (
        "A transaction inside this one failed with ValueError, "
        "so this one was rolled back.\n"
        f"  fix      {USE_SAVEPOINT}"
    )


def test_first_inner_error_is_reported() -> None:
    """Of several inner blocks that failed, the error names the first."""
    session = Session()
    errors = [ValueError("sold out"), KeyError("order")]

    def order() -> None:
        with transaction(session):
            for error in errors:
                with suppress(ValueError, KeyError), transaction(session):
                    raise error

    with pytest.raises(InnerTransactionFailed) as fault:
        order()

    assert fault.value.error is errors[0]
    assert fault.value.__cause__ is errors[0]


def test_savepoint_may_fail_alone(session: Session, stored: Stored) -> None:
    """``begin_nested`` inside a transaction rolls back only its own part."""

    def try_coffee() -> None:
        with session.begin_nested():
            session.add(Order(name="coffee"))
            raise ValueError("sold out")

    with transaction(session):
        session.add(Order(name="tea"))
        with pytest.raises(ValueError, match="sold out"):
            try_coffee()

    assert stored() == 1


def test_session_serves_one_transaction_after_another(
    session: Session, stored: Stored
) -> None:
    """A later transaction does not join one that has failed."""
    with pytest.raises(ValueError, match="no"), transaction(session):
        raise ValueError("no")

    with transaction(session):
        session.add(Order(name="tea"))

    assert stored() == 1
