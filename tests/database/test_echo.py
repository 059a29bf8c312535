"""With DATABASE_ENGINE_ECHO each statement is written once."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging
import sys
from sqlalchemy import text
import modern_flask

def query():
    with app.container.engine().connect() as connection:
        connection.execute(text("select 'once'"))

config = {"DATABASE_ENGINE_URL": "sqlite+pysqlite:///:memory:"}
config |= {"DATABASE_ENGINE_ECHO": True, "DATABASE_ENGINE_ECHO_POOL": "debug"}
app = modern_flask.create_app("shop", config=config)
app.add_url_rule("/", "query", lambda: query() or "x")
"""
USES = {
    "a script, and then a request": "query(); app.test_client().get('/')",
    "a handler on the logger": """
logging.getLogger("sqlalchemy.engine").addHandler(logging.StreamHandler())
query()
""",
    "a logger that does not propagate": """
logging.basicConfig()
logging.getLogger("sqlalchemy").propagate = False
query()
""",
}


@pytest.mark.parametrize("use", USES)
def test_each_statement_once(use: str, tmp_path: Path) -> None:
    """Who writes the line depends on the logging, and it is always one handler."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM + USES[use]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=True,
    )

    statements = [line for line in ran.stdout.splitlines() if "'once'" in line]
    assert len(statements) == 1 + use.count("then")
    assert ran.stdout.count("Created new connection") == 1
