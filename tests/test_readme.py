"""README.md: every block of code is run, or compared with what it shows."""

import ast
from pathlib import Path

import pytest

from tests.readme import (
    BLOCKS,
    CONTAINER,
    KINDS,
    ROOT,
    blocks_of,
    read_blocks,
    run_python,
)

NOT_RUN: dict[str, str] = {}
"""Blocks that no test runs or compares, by their first line, and the reason."""

CONFIGURATION = """
DATABASE_ENGINE_URL = "sqlite+pysqlite:///orders.db"
REDIS_URL = {redis_url!r}
CELERY_BROKER_URL = "memory://"
CELERY_TASK_ALWAYS_EAGER = True
STORAGE_VENDOR = "memory"
"""

USE = """
from celery.signals import task_postrun
from sqlalchemy import select

from orders import create_app, tasks
from orders.models import Order

app, confirmed = create_app(), []
task_postrun.connect(
    lambda state, args, **_: confirmed.append((state, *args)), weak=False
)
with app.running():
    answer = app.test_client().post("/orders")
    assert (answer.status_code, answer.json) == (201, {"id": 1}), answer.text
    assert confirmed == [("SUCCESS", 1)], confirmed
    with app.app_context():
        session = app.container.session()
        assert session.scalars(select(Order.id)).all() == [1]
        assert app.container.ledger().session is session
        assert tasks.price("tea") == tasks.price("tea")
        assert app.container.redis().dbsize() > 0
print("used")
"""


MARKDOWN = """
# Orders
```python
# orders/views.py   (a remark)
x = 1

```
- a list
    continued
## Try it

    pip install .
    pytest
"""


def test_blocks_are_found(tmp_path: Path):
    """Fenced and indented blocks, with their headings; the text of a list is none."""
    (tmp_path / "page.md").write_text(MARKDOWN)

    fenced, indented = read_blocks(tmp_path / "page.md")

    assert (fenced.heading, fenced.language, fenced.line) == ("Orders", "python", 3)
    assert fenced.file == "orders/views.py"
    assert fenced.text.endswith("x = 1\n")
    assert indented == ("Try it", "shell", "pip install .\npytest", 12)


def test_every_block_is_tested():
    """Each block belongs to one of the tests below, or to NOT_RUN."""
    for block in BLOCKS:
        kinds = [kind for kind, belongs in KINDS.items() if belongs(block)]
        assert len(kinds) == 1 or block.first in NOT_RUN, (
            f"README.md, {block}\n"
            f"It belongs to {kinds or 'no test'}. Begin it with the comment of its "
            "file, add its kind to tests/readme.py and a test to this file, or list "
            "its first line in NOT_RUN with the reason."
        )


def test_blocks_that_are_not_run_exist():
    """NOT_RUN lists no block that is gone."""
    assert not NOT_RUN.keys() - {block.first for block in BLOCKS}


def test_container():
    """The README prints the container, class and docstring, as its file has it."""
    (block,) = blocks_of("container")
    source = (ROOT / CONTAINER).read_text()
    (node,) = (n for n in ast.parse(source).body if isinstance(n, ast.ClassDef))
    lines = source.splitlines()[node.lineno - 1 : node.end_lineno]

    assert block.file == CONTAINER
    assert block.text.splitlines()[1:] == lines


USE_HELLO = """
from hello import app
answer = app.test_client().put("/notes/first", data=b"text")
assert (answer.status_code, answer.json) == (201, {"kept": "first"}), answer.text
assert app.container.storage().get("notes/first").read() == b"text"
print("served")
"""


def test_first_screen_runs(tmp_path: Path):
    """The service of the first screen is short, correct, and serves as printed."""
    (block,) = blocks_of("hello")
    (tmp_path / "hello.py").write_text(block.text + "\n")

    checked = run_python(
        "-m", "modern_flask.cli", "--app", "hello", "check", cwd=tmp_path
    )
    used = run_python("-c", USE_HELLO, cwd=tmp_path)

    assert block.line < 5
    assert len(block.text.splitlines()) <= 12
    assert checked.stdout == "The service can start. Configured: storage.\n"
    assert (used.returncode, used.stdout) == (0, "served\n"), used.stderr


@pytest.fixture
def orders(tmp_path: Path, redis_url: str) -> Path:
    """The service of the README in a folder, and its configuration."""
    for block in blocks_of("service"):
        file = tmp_path / block.file
        file.parent.mkdir(exist_ok=True)
        file.write_text(block.text + "\n")
    (tmp_path / "config.py").write_text(CONFIGURATION.format(redis_url=redis_url))
    return tmp_path


def test_service_is_correct(orders: Path):
    """The check finds nothing wrong with the service."""
    done = run_python("-m", "modern_flask.cli", "--app", "orders", "check", cwd=orders)

    configured = "The service can start. Configured: engine, redis, storage, celery.\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, configured, "")


def test_service_works(orders: Path):
    """``create-tables`` makes its table, its view stores, its task runs after that."""
    made = run_python(
        "-m", "modern_flask.cli", "--app", "orders", "create-tables", cwd=orders
    )
    used = run_python("-c", USE, cwd=orders)

    assert made.returncode == 0, made.stderr
    assert (used.returncode, used.stdout) == (0, "used\n"), used.stderr


ALONE = """
import socket

import pytest


@pytest.fixture(autouse=True)
def alone(request, monkeypatch):
    def connect(*_):
        raise AssertionError("the test opens a connection")

    monkeypatch.setattr(socket.socket, "connect", connect)
    yield
    app = request.node.funcargs["app"]
    assert not app.container.engine.initialized, "the app is still open"
"""

NOTHING_CACHED = """

def test_statistics_are_empty_at_first(app):
    assert app.test_client().get("/stats").json["files"] == 0
"""


def test_example_of_a_test_passes(tmp_path: Path):
    """It passes as printed, connects to nothing, closes its app, and leaves no answer.

    A second test, which runs after it, sees none that the first one has cached.
    """
    (block,) = blocks_of("test")
    file = tmp_path / "test_upload.py"
    file.write_text(block.text + "\n" + NOTHING_CACHED)
    (tmp_path / "conftest.py").write_text(ALONE)

    # Hypothesis takes a second to import, and the test uses none of it.
    plugins = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    words = ("-W", "error", "-m", "pytest", "-q", *plugins)
    done = run_python(*words, file, cwd=tmp_path)

    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_error_is_the_real_one(tmp_path: Path):
    """The command prints what the README shows, and leaves with 1."""
    (block,) = blocks_of("error")
    (tmp_path / "service.py").write_text(
        "import modern_flask\napp = modern_flask.create_app(__name__)\n"
    )
    (tmp_path / "config.py").write_text("\n" * 11 + 'STORAGE_VENDOR = "s3"\n')

    done = run_python(
        "-m", "modern_flask.cli", "--app", "service", "check", cwd=tmp_path
    )

    assert (done.returncode, done.stderr) == (1, f"{block.text}\n")
