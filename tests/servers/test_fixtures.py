"""The rules of the suite: missing servers are reported, proofs have two sizes."""

import json
from pathlib import Path

import pytest

from tests.servers.processes import Process, python

ROOT = Path(__file__).parents[2]

PYPROJECT = """
[tool.pytest.ini_options]
addopts = ["--strict-markers", "--import-mode=importlib", "-p", "no:cacheprovider"]
filterwarnings = ["error"]
markers = ["proof: long"]
pythonpath = [%s]
"""

NEEDY = """
def test_queue(rabbitmq): ...
def test_exchange(rabbitmq): ...
def test_table(mariadb): ...
def test_sum(): ...
"""

SIZED = """
import pytest

@pytest.mark.proof
def test_size(proof_size):
    print(f"size {proof_size(1000)} {proof_size(3)}")
"""


@pytest.fixture
def run(tmp_path):
    """``run(text)``: run pytest on a test file, with the conftest of this suite."""
    (tmp_path / "pyproject.toml").write_text(PYPROJECT % json.dumps(str(ROOT)))
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")

    def run(text: str, *options: str, **env: str | None) -> tuple[int, list[str]]:
        (tmp_path / "test_it.py").write_text(text)
        # Hypothesis takes a second to import, and these tests use none of it.
        fast = ("-s", "-p", "no:hypothesispytest")
        command = python("-m", "pytest", *fast, *options, tmp_path / "test_it.py")
        ours = {"CI": None, "TMPDIR": str(tmp_path)}
        log = tmp_path / "log"
        with Process(*command, log=log, env={**ours, **env}, cwd=tmp_path) as process:
            return process.wait(60), process.output.splitlines()

    return run


@pytest.mark.parametrize("processes", [0, 1])
def test_tests_without_their_server_are_counted_last(run, tmp_path, processes):
    """Without a binary a run succeeds, and its last lines count the missing tests."""
    code, lines = run(NEEDY, "-ra", f"-n={processes}", PATH=str(tmp_path))

    assert code == 0
    assert lines[-3:-1] == [
        "NOT RUN: 1 test needs mariadb "
        "(mariadbd is not on PATH; apt-get install mariadb-server)",
        "NOT RUN: 2 tests need rabbitmq "
        "(rabbitmq-server is not on PATH; apt-get install rabbitmq-server)",
    ]
    assert "1 passed, 3 skipped" in lines[-1]


@pytest.mark.parametrize("processes", [0, 1])
def test_tests_without_their_server_fail_in_ci(run, tmp_path, processes):
    """CI has every server: a missing one is a failure."""
    code, lines = run(NEEDY, f"-n={processes}", PATH=str(tmp_path), CI="true")

    assert code == 1
    assert "1 passed, 3 errors" in lines[-1]
    assert any("apt-get install rabbitmq-server" in line for line in lines)


def test_named_redis_is_not_shared(run):
    """Two processes would empty a named Redis for each other."""
    named = {"TEST_REDIS_URL": "redis://127.0.0.1:1"}

    alone, _ = run("def test_sum(): ...", "-n=0", **named)
    shared, lines = run("def test_sum(): ...", "-n=2", **named)

    assert (alone, shared) == (0, 4)
    assert lines[-2:] == [
        "ERROR: TEST_REDIS_URL names one Redis, and several processes would "
        "empty it for each other: run pytest -n 0",
        "",
    ]


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ([], "size 100 1"),
        (["-m", "proof"], "size 1000 3"),
        (["-m", "not slow"], "size 100 1"),
        (["-m", "proof", "-n=1", "--capture=fd", "-rP"], "size 1000 3"),
    ],
)
def test_proofs_have_two_sizes(run, options, sizes):
    """A run does a tenth of a proof, at least one; ``-m proof`` does all of it."""
    code, lines = run(SIZED + "\n", "-o", "addopts=--import-mode=importlib", *options)

    assert code == 0
    assert any(sizes in line for line in lines)


def test_remaining_process_fails_the_run(run):
    """The end of a run finds a server that nobody has closed."""
    text = (
        "from tests.servers import server\n"
        "from tests.servers.redis import RedisServer\n"
        "server.LEAVE_DEADLINE = 0.5\n"
        "servers = []\n"
        "def test_careless():\n"
        "    servers.append(RedisServer())\n"
        "    servers[0].__enter__()\n"
    )

    code, lines = run(text)

    assert code == 1
    assert "1 passed, 1 error" in lines[-1]


def test_browser_runs_scripts(browser, tmp_path):
    """The browser opens a page and runs its scripts; its profile is new."""
    page = tmp_path / "page.html"
    page.write_text("<title>old</title><script>document.title = 'new'</script>")

    browser.get(page.as_uri())

    assert browser.title == "new"
    assert "modern-flask-" in browser.capabilities["chrome"]["userDataDir"]
