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

    assert span.name == "INSERT orders"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "db.system.name": "sqlite",
        "db.operation.name": "INSERT",
        "db.collection.name": "orders",
        "db.query.text": "insert into orders values (?, ?)",
    }


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
    assert (span.attributes or {})["db.operation.batch.size"] == 5
    assert (span.attributes or {})[
        "db.query.text"
    ] == "insert into orders values (?, ?)"


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
    _, described = describe(statement)

    assert described["db.query.text"] == plain


def test_strings_of_mysql() -> None:
    """In MySQL double quotes make strings, and a backslash escapes."""
    _, described = describe("""select "secret", `name`, 'it\\'s secret'""", True)

    assert described["db.query.text"] == "select ?, `name`, ?"


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("SELECT * FROM orders o JOIN rows r", "SELECT orders"),
        ('update "orders" set a=1', "UPDATE orders"),
        ("delete from shop.orders", "DELETE shop.orders"),
        ("(select 1) union (select 2)", "SELECT"),
        ("COMMIT", "COMMIT"),
        ("", "SQL"),
        ("-- only a comment", "SQL"),
        ("with x as (select 1) select * from x", "WITH x"),
    ],
)
def test_names(statement: str, name: str) -> None:
    """A span is named after the operation and its table."""
    assert describe(statement)[0] == name


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

    assert found["db.query.text"] == "select ?  \n, ?, ? from orders"
