"""The summary of a statement, from which its span has its name."""

import time

import pytest

from modern_flask.observability.instruments.sql_text import LONGEST, summarize

# The examples of opentelemetry.io/docs/specs/semconv/database/database-spans.
CONVENTIONS = [
    ("SELECT *\nFROM wuser_table\nWHERE username = ?", "SELECT wuser_table"),
    (
        "INSERT INTO shipping_details\n (order_id,\n address)\n"
        "SELECT order_id,\n address\nFROM orders\nWHERE order_id = ?",
        "INSERT shipping_details SELECT orders",
    ),
    (
        "SELECT *\nFROM songs,\n artists\nWHERE songs.artist_id == artists.id",
        "SELECT songs artists",
    ),
    (
        "SELECT order_date\nFROM (SELECT *\n FROM orders o\n JOIN customers c\n"
        " ON o.customer_id = c.customer_id)",
        "SELECT SELECT orders customers",
    ),
    ("SELECT *\nFROM \"song list\",\n 'artists'", "SELECT \"song list\" 'artists'"),
    ("call some_stored_procedure", "call some_stored_procedure"),
]

QUERIES = [
    ("select * from shop.orders o, rows as r", "select shop.orders rows"),
    ("SELECT a FROM t1 NATURAL LEFT JOIN t2 CROSS JOIN t3", "SELECT t1 t2 t3"),
    ("SELECT a FROM t1 JOIN t2 USING (id) JOIN t3 USING (id)", "SELECT t1 t2 t3"),
    ("SELECT a FROM t1 JOIN t2 ON t1.id = t2.id, t3", "SELECT t1 t2 t3"),
    ("SELECT a FROM a LEFT JOIN (b AS x JOIN c ON x.i = c.i) ON 1", "SELECT a b c"),
    ("SELECT a FROM t1, LATERAL (SELECT b FROM t2) x", "SELECT t1 SELECT t2"),
    ("SELECT (SELECT max(a) FROM t1), b FROM t2", "SELECT SELECT t1 t2"),
    ("SELECT a FROM t1 WHERE b IN (SELECT c FROM t2)", "SELECT t1 SELECT t2"),
    ("SELECT a FROM t1 UNION ALL SELECT a FROM t2", "SELECT t1 SELECT t2"),
    ("(SELECT a FROM t1) UNION (SELECT a FROM t2)", "SELECT t1 SELECT t2"),
    ("SELECT a FROM generate_series(1, 3)", "SELECT generate_series"),
    ("SELECT a FROM (VALUES (1), (2)) x JOIN t ON 1", "SELECT t"),
    ("SELECT a FROM `my``db`.t JOIN [other t] ON 1", "SELECT `my``db`.t [other t]"),
    ("SELECT a FROM ONLY t FOR UPDATE OF t", "SELECT t"),
    ("SELECT a INTO x FROM t ORDER BY a, b", "SELECT t"),
    ("SELECT insert, update FROM delete AS merge", "SELECT delete"),
    ("SELECT a -- FROM x\n FROM t /* JOIN y */", "SELECT t"),
    ("SELECT :from, %(join)s, $1 FROM t", "SELECT t"),
    ("EXPLAIN ANALYZE UPDATE t SET a = 1", "EXPLAIN UPDATE t"),
]

CHANGES = [
    ("INSERT OR REPLACE INTO t VALUES (1, 'x')", "INSERT t"),
    ("INSERT INTO t (a) VALUES (1) ON CONFLICT DO UPDATE SET a = 2", "INSERT t"),
    ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 2", "INSERT t"),
    ("REPLACE INTO t SET a = 1", "REPLACE t"),
    ('update "orders" set a = 1, b = 2', 'update "orders"'),
    ("UPDATE t1 JOIN t2 ON 1 SET t1.a = t2.a", "UPDATE t1 t2"),
    ("UPDATE t1 SET a = t2.a FROM t2", "UPDATE t1 t2"),
    ("DELETE FROM t1 USING t2 JOIN t3 USING (id)", "DELETE t1 t2 t3"),
    (
        "MERGE INTO t USING s ON 1 WHEN MATCHED THEN UPDATE SET a = 1 "
        "WHEN NOT MATCHED THEN INSERT (a) VALUES (1)",
        "MERGE t s",
    ),
    ("COPY t (a, b) FROM '/secret'", "COPY t"),
    ("TRUNCATE TABLE a, b", "TRUNCATE TABLE a b"),
]

COMMON_TABLE_EXPRESSIONS = [
    ("WITH x AS (SELECT 1) SELECT a FROM x", "SELECT SELECT"),
    (
        "WITH x AS (SELECT a FROM t), y (b) AS (SELECT a FROM x JOIN u ON 1) "
        "SELECT b FROM y",
        "SELECT t SELECT u SELECT",
    ),
    (
        "WITH RECURSIVE x AS (SELECT a FROM t UNION SELECT a FROM x) SELECT a FROM x",
        "SELECT t SELECT SELECT",
    ),
    (
        "WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x",
        "DELETE a INSERT b SELECT",
    ),
    (
        "INSERT INTO a WITH x AS (SELECT b FROM c) SELECT b FROM x",
        "INSERT a SELECT c SELECT",
    ),
    (
        "CREATE VIEW v AS WITH x AS (SELECT a FROM t) SELECT a FROM x",
        "CREATE VIEW v SELECT t SELECT",
    ),
]

OTHERS = [
    ("CREATE TABLE IF NOT EXISTS t (a int)", "CREATE TABLE t"),
    ("create table a as select b from c", "create table a select c"),
    ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX i"),
    ("CREATE OR REPLACE VIEW v AS SELECT a FROM t", "CREATE VIEW v SELECT t"),
    ("CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()", "CREATE TRIGGER x"),
    ("ALTER TABLE t ADD COLUMN a int", "ALTER TABLE t"),
    ("DROP TABLE IF EXISTS a, b", "DROP TABLE a b"),
    ("GRANT SELECT ON t TO x", "GRANT"),
    ("EXECUTE shop.pay @order = 1", "EXECUTE shop.pay"),
    ("SAVEPOINT sa_savepoint_1", "SAVEPOINT"),
    ("SET TIME ZONE 'UTC'", "SET"),
    ("DO $$ BEGIN DELETE FROM t; END $$", "DO"),
    ("BEGIN; DELETE FROM t; COMMIT;", "BEGIN DELETE t COMMIT"),
    ("", ""),
    (";;", ""),
    ("-- only a comment", ""),
    ("/* not closed", ""),
    ("'not closed", ""),
    (")) SELECT ((", "SELECT"),
]


@pytest.mark.parametrize(
    ("statement", "summary"),
    CONVENTIONS + QUERIES + CHANGES + COMMON_TABLE_EXPRESSIONS + OTHERS,
)
def test_summary(statement: str, summary: str) -> None:
    """The summary has each operation and its targets, in order and as written."""
    assert summarize(statement, mysql=False) == summary


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT extract(year FROM '2020'), trim(both 'secret' FROM 'secret') FROM t",
        "SELECT substring('secret' from 'secret') FROM t",
        "SELECT a FROM t WHERE a IS DISTINCT FROM 'secret'",
        "SELECT a FROM t WHERE a IN ('secret', 'secret') ORDER BY 'secret'",
        "SELECT a FROM t WHERE a = 'from secret, secret'",
        "SELECT $$ FROM secret $$ FROM t, $$secret$$",
    ],
)
def test_no_literals(statement: str) -> None:
    """A literal is no target, also where FROM belongs to a function."""
    assert summarize(statement, mysql=False) == "SELECT t"


def test_strings_of_mysql() -> None:
    """In MySQL double quotes make strings, and a backslash escapes."""
    statement = """SELECT "it's", 'it\\'s' FROM t WHERE a = "FROM secret" """

    assert summarize(statement, mysql=True) == "SELECT t"


def test_longest_summary() -> None:
    """A summary has at most 255 characters, and its last name is whole."""
    names = [f"table_{number:03}" for number in range(100)]

    found = summarize(f"SELECT * FROM {', '.join(names)}", mysql=False)

    listed = found.split()
    assert 245 < len(found) <= 255
    assert listed == ["SELECT", *names[: len(listed) - 1]]


def test_name_that_is_cut() -> None:
    """A name at the end of a statement that is cut is no target."""
    start = "SELECT " + "a, " * 2720
    statement = f"{start}b FROM {'o' * LONGEST}"[:LONGEST]

    assert " FROM ooo" in statement
    assert summarize(statement, mysql=False) == "SELECT"


@pytest.mark.parametrize(
    "part",
    ["(", "(%", "%(a", "'", '"', "`", "[a", "$a$", "/*", "a.", "((a)", ",", "(a"],
)
@pytest.mark.parametrize("mysql", [False, True])
def test_time_is_bounded(part: str, mysql: bool) -> None:
    """No statement takes a time that grows with the square of its length."""
    statement = ("SELECT * FROM " + part * LONGEST)[:LONGEST]

    begun = time.process_time()
    summarize(statement, mysql)

    assert time.process_time() - begun < 0.5
