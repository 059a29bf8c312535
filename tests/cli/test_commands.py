"""The command line: what it prints, what it refuses, whose command wins."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import modern_flask
from modern_flask import cli

ROOT = Path(__file__).parents[1]

SHOP = '''
import click
import modern_flask
from modern_flask import RedisDep, SessionDep, inject

def create_app():
    app = modern_flask.create_app(__name__)

    @app.route("/")
    @inject
    def index(session: SessionDep, redis: RedisDep): ...

    @app.cli.command("check")
    def check():
        """The shop's own."""
        click.echo("checked by the shop")

    @app.cli.command("restock")
    def restock():
        """Fill the shelves."""
        click.echo("restocked")

    return app
'''

WORKS = """\
DATABASE_ENGINE_URL = "sqlite+pysqlite:///:memory:"
REDIS_URL = "redis://shop:hunter2@127.0.0.1:1/0"
CELERY_BROKER_URL = "memory://"
STORAGE_VENDOR = "memory"
API_TOKEN = "hunter2"
UPLOAD_LIMIT = 1000
"""


class Said(NamedTuple):
    """What a command has printed, and its exit code."""

    code: object
    out: str
    err: str


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """``write(text)``: the configuration that ``CONFIG_SOURCE`` names."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "config.py"
    monkeypatch.setenv("CONFIG_SOURCE", str(file))
    return file.write_text


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """``run(*words)``: ``modern-flask`` in this process."""
    # Flask's command line sets it for the life of the process.
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")

    def run(*words: str, app: str = "example_service") -> Said:
        command = ["modern-flask", *(["--app", app] if app else []), *words]
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as left:
            cli.main()
        return Said(left.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A service with commands of its own, and what ``--app`` calls it."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    return "shop"


def test_config_shows_origins_and_no_secret(run, write, monkeypatch):
    """Every key with its value and where it was set; what is secret is masked."""
    write(WORKS)
    monkeypatch.setenv("FLASK_UPLOAD_LIMIT", "7")

    said = run("config")

    lines = said.out.splitlines()
    assert said.code == 0
    assert "API_TOKEN = '******'    # config.py, line 5" in lines
    assert "STORAGE_VENDOR = 'memory'    # config.py, line 4" in lines
    variable = "environment variable FLASK_UPLOAD_LIMIT"
    assert f"UPLOAD_LIMIT = 7    # {variable}" in lines
    assert "SERVICE_NAME = 'example_service'    # defaults" in lines
    assert any("redis://shop:******@127.0.0.1:1/0" in line for line in lines)
    assert lines == sorted(lines)
    assert "hunter2" not in said.out + said.err


def test_config_is_shown_although_it_is_wrong(run, write):
    """Who looks for a mistake sees every key, and then what is wrong."""
    write(WORKS + "REDIS_HOTS = 1\n")

    said = run("config")

    assert said.code == 1
    assert "REDIS_HOTS = 1    # config.py, line 7\n" in said.out
    assert said.err.startswith("REDIS_HOTS is no setting that is known here.\n")


def test_check_says_what_is_configured(run, write):
    """A service that can start says so; nothing has to run for that."""
    write(WORKS)

    said = run("check")

    assert said == Said(
        0, "The service can start. Configured: engine, redis, storage, celery.\n", ""
    )


def test_check_tells_all_faults_at_once(run, write):
    """One list has every fault, of the wiring and of components, once each."""
    write(WORKS.replace("STORAGE", "STORE") + "REDIS_HOTS = 1\n")

    said = run("check")

    assert said.code == 1
    assert said.out == ""
    assert "faults found at start." in said.err
    assert "storage is not configured: STORAGE_VENDOR is not set." in said.err
    assert said.err.count("REDIS_HOTS is no setting that is known here.") == 1
    assert "hunter2" not in said.err


IDLE = 'STORAGE_FOLDER = "/tmp/files"\nSTORAGE_BUCKET = "files"\n'


def test_storage_without_vendor_is_a_fault_where_it_is_asked_for(run, write):
    """Who set a folder and forgot the vendor is told which keys wait for it."""
    write(WORKS.replace('STORAGE_VENDOR = "memory"\n', IDLE))

    said = run("check")

    assert said.code == 1
    assert "storage is not configured: STORAGE_VENDOR is not set.\n" in said.err
    waiting = (
        "STORAGE_BUCKET (config.py, line 5) and STORAGE_FOLDER (config.py, line 4)"
    )
    assert f"  but set  {waiting}\n" in said.err


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A service that asks for nothing."""
    text = "import modern_flask\n\ndef create_app():\n"
    text += "    return modern_flask.create_app(__name__)\n"
    (tmp_path / "plain_service.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "plain_service", raising=False)
    return "plain_service"


def test_storage_without_vendor_is_a_warning_elsewhere(run, write, plain):
    """Where nothing asks for a storage, ``check`` passes and warns."""
    write(IDLE)

    assert run("check", app=plain) == Said(
        0,
        "The service can start. Configured: nothing.\n",
        "STORAGE_VENDOR is not set, and without it these have no effect: "
        "STORAGE_BUCKET (config.py, line 2) and STORAGE_FOLDER (config.py, line 1). "
        "Set it to cos, local, memory or oss.\n",
    )


def test_key_that_nothing_reads_is_a_warning(run, write, plain):
    """A key of the database that belongs to no section is told, with the sections."""
    write('DATABASE_URL = "sqlite://"\n')

    said = run("check", app=plain)

    assert said.code == 0
    assert said.err == (
        "DATABASE_URL (config.py, line 1) has no effect: the keys of that kind begin "
        "with DATABASE_ENGINE_ or DATABASE_SESSION_.\n"
    )


def test_storage_without_vendor_is_a_warning_in_the_log(write, monkeypatch, caplog):
    """Whoever serves is told at the first request, once."""
    write(IDLE)
    app = modern_flask.create_app("plain", root_path=".")

    for _ in range(2):
        app.test_client().get("/livez")

    said = [line for line in caplog.messages if "STORAGE_VENDOR is not set" in line]
    app.lifecycle.close()
    assert len(said) == 1
    assert "STORAGE_FOLDER (config.py, line 1)" in said[0]


def test_vendor_alone_is_no_warning(run, write, plain):
    """Nothing is said where the vendor is set, or nothing of a storage."""
    for text in (
        IDLE.replace("FOLDER", "VENDOR").replace("/tmp/files", "memory"),
        "",
    ):
        write(text)

        assert run("check", app=plain).err == ""


def test_one_cause_is_told_once(run, write, monkeypatch):
    """Telemetry that can't start is one fault, not one of each component it watches."""
    write(WORKS)
    monkeypatch.setenv("OTEL_EXPORTER", "zipkni")

    said = run("check")

    assert said.code == 1
    assert said.err.count("zipkni") == 1


@pytest.mark.parametrize("command", ["serve", "worker", "check"])
def test_missing_redis_is_named(run, write, command):
    """Without a Redis both keys are named, and that ``dev`` brings its own."""
    write("".join(line for line in WORKS.splitlines(True) if "://" not in line))

    said = run(command)

    assert said.code == 1
    assert "redis is not configured: REDIS_URL is not set." in said.err
    assert "celery is not configured: CELERY_BROKER_URL is not set." in said.err
    assert said.err.endswith("\n`modern-flask dev` brings a Redis of its own.\n")


def test_bad_redis_is_not_a_missing_one(run, write):
    """Who has named a Redis, and badly, is not sent to ``dev``."""
    write(WORKS.replace("redis://", "rdis://"))

    said = run("check")

    assert said.code == 1
    assert said.err.startswith("REDIS_URL is no Redis URL.\n  set in   config.py")
    assert "modern-flask dev" not in said.err


def test_command_of_the_service_wins(run, write, shop):
    """A service's command replaces ours of the same name; ours are there beside it."""
    write(WORKS)

    assert run("check", app=shop).out == "checked by the shop\n"
    assert run("restock", app=shop).out == "restocked\n"
    assert "index" in run("routes", app=shop).out


@pytest.mark.parametrize("option", ["--workers", "--threads"])
def test_nobody_is_no_server(run, write, option):
    """A server of no process or no thread would answer nobody."""
    write(WORKS)

    said = run("serve", option, "0")

    assert said.code == 2
    assert f"Invalid value for '{option}': 0 is not in the range x>=1." in said.err


def test_address_of_the_server_is_checked(run, write):
    """What is no address is told, with where it came from."""
    write(WORKS)

    said = run("serve", "--bind", "127.0.0.1:99999")

    assert said.code == 1
    assert said.err == (
        "The server can't listen at 127.0.0.1:99999: "
        "a port is a number from 0 to 65535.\n"
        "  set by   --bind\n"
        "  do       end what listens there, or name another HOST:PORT; port 0 is any\n"
    )


def test_help_names_all_commands(run, write, shop):
    """The help lists ours, Flask's and the service's own."""
    write(WORKS)

    said = run("--help", app=shop)

    assert said.code == 0
    for name in ("config", "create-tables", "dev", "serve", "worker", "restock", "run"):
        assert f"\n  {name} " in said.out
    assert "The shop's own." in said.out


@pytest.mark.parametrize("text", ["PORT = (1 +\n", WORKS + "REDIS_HOTS = 1\n"])
@pytest.mark.parametrize("command", [(), ("serve",), ("dev",), ("worker",), ("run",)])
def test_help_needs_no_configuration(run, write, command, text):
    """Help is given whatever is wrong with the configuration."""
    write(text)

    said = run(*command, "--help")

    assert said.code == 0
    assert said.out.startswith("Usage: modern-flask")
    assert "Traceback" not in said.out + said.err


def test_unknown_command_is_told(run, write):
    """A word that is no command is a mistake of the caller's: exit code 2."""
    write(WORKS)

    said = run("sreve")

    assert said.code == 2
    assert "No such command 'sreve'" in said.err


def test_app_that_can_not_be_found_is_told(run, tmp_path, monkeypatch):
    """Without ``--app`` and without an app.py, Flask says what it looked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLASK_APP", raising=False)

    said = run("check", app="")

    assert said.code == 2
    assert "Could not locate a Flask application" in said.err
    assert "Traceback" not in said.err


def test_flask_without_container_is_told(run, tmp_path, monkeypatch):
    """An app that has no container is told how to get one."""
    (tmp_path / "plain.py").write_text("from flask import Flask\napp = Flask('plain')")
    monkeypatch.syspath_prepend(tmp_path)

    said = run("check", app="plain")

    assert said.code == 1
    assert said.err == (
        "The Flask app plain has no container.\n"
        "  do       modern_flask.init_app(app), or make it with create_app(...)\n"
    )


def test_tables_are_made(run, write, tmp_path):
    """``create-tables`` makes what is missing, and may be run again."""
    write(WORKS.replace(":memory:", f"{tmp_path}/files.db"))

    assert run("create-tables").code == 0
    assert run("create-tables").code == 0

    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "files.db")) as connection:
        assert connection.execute("select count(*) from files").fetchall() == [(0,)]


def test_tables_that_can_not_be_made(run, write, tmp_path):
    """Without its database ``create-tables`` says what is wrong, where, what to do."""
    write(WORKS.replace(":memory:", f"{tmp_path}/nowhere/files.db"))

    assert run("create-tables") == Said(
        1,
        "",
        "The tables can't be made: unable to open database file.\n"
        "  in       the database of DATABASE_ENGINE_URL, set in config.py, line 1\n"
        "  check    that the database is there, and lets this user make tables\n",
    )


def test_tables_of_a_database_that_refuses(run, write):
    """A server that is not there is told in its driver's words, without a password."""
    url = "postgresql://shop:hunter2@127.0.0.1:1/shop"
    write(WORKS.replace("sqlite+pysqlite:///:memory:", url))

    said = run("create-tables")

    assert said.code == 1
    assert "Connection refused\n" in said.err.partition("  in ")[0].replace(".", "")
    assert "hunter2" not in said.err


def test_graph_is_drawn_although_it_is_wrong(run, write):
    """Who looks for a mistake sees the drawing, and then what is wrong."""
    write(WORKS + "REDIS_HOTS = 1\n")

    said = run("graph")

    assert said.code == 1
    assert said.out.startswith("flowchart")
    assert said.err.startswith("REDIS_HOTS is no setting that is known here.\n")


def test_worker_has_a_name_of_its_own(run, write, monkeypatch):
    """Without a name of the user's it is called after the service and the pod."""
    write(WORKS)
    monkeypatch.setenv("POD_NAME", "files-7f-x2x")
    monkeypatch.setattr("celery.Celery.worker_main", lambda self, words: words)

    words = run("worker").code
    own = run("worker", "-n", "mine").code

    assert words[-2:] == ["--hostname", "example_service@files-7f-x2x"]
    assert "--hostname" not in own


def test_failed_worker_is_no_success(run, write, monkeypatch):
    """The exit code of Celery's worker is the command's."""
    write(WORKS)
    monkeypatch.setattr("celery.Celery.worker_main", lambda self, words: 70)

    assert run("worker").code == 70
