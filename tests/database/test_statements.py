"""What the text of a statement does besides reading."""

import pytest

from modern_flask.database.statements import read_effect


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO orders VALUES (1)",
        "  -- who\n /* why */ insert into orders select 1",
        "update only shop.orders set a = 1",
        "UPDATE OR IGNORE orders SET a = 1",
        'delete from "Orders"',
        "replace into orders values (1)",
        "merge into orders using x on a = b when matched then delete",
        "COPY orders (a, b) FROM STDIN",
        "with x as (select 1 as a) insert into orders select a from x",
        "with gone as (delete from orders returning *) select * from gone",
        "with x as materialized (update orders set a = 1 returning a) select 1",
        "# a comment of MySQL\ninsert into orders values (1)",
    ],
)
def test_writes(statement: str) -> None:
    """Statements that change rows are known, also within WITH and after comments."""
    effect = read_effect(statement)

    assert effect is not None
    assert effect.kind == "write"


@pytest.mark.parametrize(
    "statement",
    [
        "select 1",
        "select * from orders for update",
        "select * from orders for no key update of orders skip locked",
        "with x as (select 1) select * from x for update",
        "with x as (select 'a (insert into b' as c) select * from x",
        "with x as (select $$ (delete from b $$) select * from x",
        "with x as (select (replace (a, 'b', 'c')) from y) select * from x",
        "with x as (select 1 -- (insert into b\n) select 1",
        "copy (select * from orders where a in (1)) to stdout",
        "copy orders to stdout",
        "call report()",
        "explain insert into orders values (1)",
        "set local statement_timeout = 1",
        "savepoint a",
        "",
    ],
)
def test_reads(statement: str) -> None:
    """Locks, reports and functions named like a statement change no rows."""
    assert read_effect(statement) is None


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("create temp table scratch (a int)", "scratch"),
        ("CREATE TEMPORARY TABLE IF NOT EXISTS `Scratch` (a int)", "scratch"),
        ("create local temporary table scratch as select 1", "scratch"),
        ("select 1 as a into temp scratch", "scratch"),
    ],
)
def test_temporary_tables(statement: str, table: str) -> None:
    """The name of a temporary table is known."""
    assert read_effect(statement) == ("temporary", table)


@pytest.mark.parametrize(
    ("statement", "kind"),
    [("COMMIT", "end"), ("rollback", "end"), ("drop table orders", "define")],
)
def test_others(statement: str, kind: str) -> None:
    """The end of a transaction and the change of a table are told apart."""
    assert read_effect(statement) == (kind, "")


def test_long_statement() -> None:
    """Of a statement of a million characters, the beginning is enough."""
    effect = read_effect("insert into orders values " + "(1), " * 200_000)

    assert effect == ("write", "orders")
