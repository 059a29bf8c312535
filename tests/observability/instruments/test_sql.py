"""A span for each statement of one engine."""

from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError, OperationalError

from modern_flask.observability.instruments.sql import describe, trace_statements
from tests.servers.postgresql import PostgreSQL

Spans = list[ReadableSpan]


@pytest.fixture
def engine(spans: Spans) -> Any:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("create table orders (id int primary key, name text)"))
    trace_statements(engine)
    yield engine
    engine.dispose()


def test_statement(engine: Engine, spans: Spans) -> None:
    """A statement is a client span with the conventions' attributes."""
    with engine.begin() as connection:
        connection.execute(text("insert into orders values (7, 'ann')"))

    (span,) = spans

    assert span.name == "insert orders"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "db.system.name": "sqlite",
        "db.query.summary": "insert orders",
        "db.query.text": "insert into orders values (?, ?)",
    }


def test_statement_with_parameters(engine: Engine, spans: Spans) -> None:
    """A statement with parameters keeps its text, without the parameters."""
    statement = "select * from orders where name = :name and id > 5 -- by name"
    with engine.connect() as connection:
        connection.execute(text(statement), {"name": "ann"})

    (span,) = spans

    sent = "select * from orders where name = ? and id > 5 -- by name"
    assert (span.attributes or {})["db.query.text"] == sent
    assert "ann" not in str(span.attributes)


def test_parent(engine: Engine, spans: Spans) -> None:
    """A statement's span is a child of the current span, and never current."""
    outer = trace.get_tracer("test").start_span("outer")
    with trace.use_span(outer), engine.connect() as connection:
        connection.execute(text("select 1"))
        assert trace.get_current_span() is outer

    assert spans[0].parent == outer.get_span_context()


def test_error(engine: Engine, spans: Spans) -> None:
    """A failed statement is an error with its type, without the driver's text."""
    with engine.connect() as connection:
        with pytest.raises(OperationalError):
            connection.execute(text("select * from nowhere where name = 'ann'"))
        connection.rollback()
        connection.execute(text("insert into orders values (1, 'x')"))
        with pytest.raises(IntegrityError):
            connection.execute(text("insert into orders values (1, 'x')"))

    failed = [span for span in spans if span.status.status_code is StatusCode.ERROR]
    assert [(span.attributes or {})["error.type"] for span in failed] == [
        "OperationalError",
        "IntegrityError",
    ]
    assert [span.status.description for span in failed] == [
        "OperationalError",
        "IntegrityError",
    ]
    assert len(spans) == 3


def test_many(engine: Engine, spans: Spans) -> None:
    """One statement for many rows is one span with their number."""
    rows = [{"id": number, "name": "x"} for number in range(5)]
    with engine.begin() as connection:
        connection.execute(text("insert into orders values (:id, :name)"), rows)

    (span,) = spans
    assert span.name == "BATCH insert orders"
    assert (span.attributes or {})["db.query.summary"] == "BATCH insert orders"
    assert (span.attributes or {})["db.operation.batch.size"] == 5
    assert (span.attributes or {})[
        "db.query.text"
    ] == "insert into orders values (?, ?)"


def test_one_of_many(engine: Engine, spans: Spans) -> None:
    """A list of one set of parameters is no batch."""
    with engine.begin() as connection:
        connection.execute(text("insert into orders values (:id, 'x')"), [{"id": 1}])

    (span,) = spans
    assert span.name == "insert orders"
    assert "db.operation.batch.size" not in (span.attributes or {})
    assert (span.attributes or {})[
        "db.query.text"
    ] == "insert into orders values (?, 'x')"


def test_statement_without_a_word(engine: Engine, spans: Spans) -> None:
    """A statement without an operation is named after the database system."""
    with engine.connect() as connection:
        connection.exec_driver_sql("-- only a comment")

    (span,) = spans
    assert span.name == "sqlite"
    assert "db.query.summary" not in (span.attributes or {})


def test_suppressed(engine: Engine, spans: Spans) -> None:
    """Where instrumentation is suppressed there is no span."""
    token = context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
    finally:
        context.detach(token)

    assert spans == []


def test_one_cursor_many_statements(engine: Engine, spans: Spans) -> None:
    """Results that are open at the same time don't mix their spans."""
    with engine.connect() as connection:
        first = connection.execute(text("select 1"))
        second = connection.execute(text("select 2"))
        assert (first.scalar(), second.scalar()) == (1, 2)

    assert len(spans) == 2


def test_postgresql(postgresql: PostgreSQL, spans: Spans) -> None:
    """A span names PostgreSQL's port, counts rows, and has an error's state."""
    engine = create_engine(postgresql.database())
    trace_statements(engine)
    with engine.connect() as connection:
        connection.execute(text("select generate_series(1, 3)")).all()
        with pytest.raises(Exception, match="nowhere"):
            connection.execute(text("select * from nowhere"))
    engine.dispose()

    found = [dict(span.attributes or {}) for span in spans]
    series = next(each for each in found if "generate_series" in each["db.query.text"])
    broken = next(each for each in found if "error.type" in each)
    assert series["db.system.name"] == "postgresql"
    assert series["server.address"]
    assert isinstance(series["server.port"], int)
    assert series["db.response.returned_rows"] == 3
    assert broken["db.response.status_code"] == "42P01"


def test_parameters_of_postgresql(postgresql: PostgreSQL, spans: Spans) -> None:
    """The text has the placeholders of the driver, and the summary each table."""
    engine = create_engine(postgresql.database())
    with engine.begin() as connection:
        connection.execute(text("create table orders (id int, name text)"))
        connection.execute(text("create table rows (id int, name text)"))
    trace_statements(engine)
    with engine.begin() as connection:
        copy = "insert into rows select * from orders where name = :name and id < 5"
        connection.execute(text(copy), {"name": "ann"})
    engine.dispose()

    (span,) = spans
    assert span.name == "insert rows select orders"
    assert (span.attributes or {})["db.query.text"] == (
        "insert into rows select * from orders where name = %(name)s and id < 5"
    )


@pytest.mark.parametrize(
    ("statement", "plain"),
    [
        ("select 'ann', 7, 1.5, -2", "select ?, ?, ?, -?"),
        ("select 'it''s', 'a'", "select ?, ?"),
        ("select E'it\\'s secret'", "select ?"),
        ("select 0xFF, 1e10, X'ff'", "select ?, ?, ?"),
        ("select $$secret 'x' $$, $t$ a $t$", "select ?, ?"),
        ("select 'C:\\', 'secret'", "select ?, ?"),
        ("select 'unended", "select ?"),
        ("select 1 -- don't\n, 'secret'", "select ?  \n, ?"),
        ("select /* 'x' */ 'secret'", "select   ?"),
        ("/* user ann */ select 1", "select ?"),
        ("select \"o'clock\", 'secret'", 'select "o\'clock", ?'),
        ("select a1, t2.c3 from t4", "select a1, t2.c3 from t4"),
        ("select array[4111, 2], a[1]", "select array[?, ?], a[?]"),
        ("select [a b], [t2] from [T 3]", "select [a b], [t2] from [T 3]"),
        ("select 1_000, 0b11, 0o17", "select ?, ?, ?"),
        ("select a #> '{b}'", "select a #> ?"),
        ("select :p1, $1, %(x2)s, ?", "select :p1, $1, %(x2)s, ?"),
        ("select * from t where a=1and b='x'", "select * from t where a=1and b=?"),
    ],
)
def test_literals(statement: str, plain: str) -> None:
    """Every literal becomes a question mark, whatever quotes and comments do."""
    _, found = describe(statement)

    assert found == plain


def test_strings_of_mysql() -> None:
    """In MySQL double quotes make strings, and a backslash escapes."""
    _, found = describe("""select "secret", `name`, 'it\\'s secret'""", True)

    assert found == "select ?, `name`, ?"


def test_long_statement_is_cut(engine: Engine, spans: Spans) -> None:
    """A statement of a megabyte is cut, and its string stays hidden."""
    with engine.connect() as connection:
        connection.execute(text("select '" + "secret" * 100_000 + "'"))

    (span,) = spans
    assert (span.attributes or {})["db.query.text"] == "select ?"


def test_comment_of_mysql() -> None:
    """An apostrophe in a MySQL comment does not begin a string."""
    statement = "select 1 # don't\n, 'secret', \"secret\" from orders"

    _, found = describe(statement, mysql=True)

    assert found == "select ?  \n, ?, ? from orders"
