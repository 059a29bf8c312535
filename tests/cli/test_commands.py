"""The commands: their output, their errors, their exit codes."""

import pytest

import modern_flask
from modern_flask.cli.group import USE_DEV
from modern_flask.server.errors import CHOOSE_ADDRESS
from tests.cli.conftest import WORKS, Printed


def test_config_shows_origins_and_no_secret(run, write, monkeypatch):
    """``config`` prints each key with its value and its source, secrets masked."""
    write(WORKS)
    monkeypatch.setenv("FLASK_UPLOAD_LIMIT", "7")

    printed = run("config")

    lines = printed.out.splitlines()
    assert printed.code == 0
    assert "API_TOKEN = '******'    # config.py, line 5" in lines
    assert "STORAGE_VENDOR = 'memory'    # config.py, line 4" in lines
    variable = "environment variable FLASK_UPLOAD_LIMIT"
    assert f"UPLOAD_LIMIT = 7    # {variable}" in lines
    assert "SERVICE_NAME = 'example_service'    # defaults" in lines
    assert any("redis://shop:******@127.0.0.1:1/0" in line for line in lines)
    assert lines == sorted(lines)
    assert "hunter2" not in printed.out + printed.err


HIDDEN = """\
GITHUB_PAT = "hunter2"
OTP_SEED = "hunter2"
UNKNOWN = "hunter2HUNTER2hunter2"
COMMAND = ["mysql", "--password", "hunter2", "--token=hunter2"]
LINE = "mysql --password hunter2"
SMTP = "shop:hunter2@mail:25"
API_KEY = "hunter2 & more"
ORACLE = "shop/hunter2 & more@orders"
QUOTED = {"text": "hunter2+%26+more"}
"""


def test_config_hides_what_may_be_a_secret(run, write, plain):
    """Unknown names, options, accounts and repeated secrets are masked as well."""
    write(HIDDEN)

    printed = run("config", app=plain)

    lines = [line.partition("    #")[0] for line in printed.out.splitlines()]
    assert printed.code == 0
    assert "hunter2" not in printed.out.lower()
    assert "GITHUB_PAT = '******'" in lines
    assert "COMMAND = ['mysql', '--password', '******', '--token=******']" in lines
    assert "SMTP = 'shop:******@mail:25'" in lines
    assert "ORACLE = 'shop/******@orders'" in lines


def test_source_without_keys_is_reported(run, write, plain, caplog):
    """A source that sets no key is reported by every command that reads it."""
    write("redis_url = 'redis://:hunter2@cache'\n")

    assert run("check", app=plain).code == 0
    assert caplog.messages == [
        "The configuration config.py sets no key: only names in upper case are keys, "
        "and it has redis_url."
    ]


def test_wrong_config_is_shown(run, write):
    """``config`` prints every key of a wrong configuration, and then the fault."""
    write(WORKS + "REDIS_HOTS = 1\n")

    printed = run("config")

    assert printed.code == 1
    assert "REDIS_HOTS = 1    # config.py, line 7\n" in printed.out
    assert printed.err.startswith("REDIS_HOTS is not a known setting.\n")


def test_check_says_what_is_configured(run, write):
    """``check`` passes for a service that can start; no back end has to run."""
    write(WORKS)

    printed = run("check")

    assert printed == Printed(
        0, "The service can start. Configured: engine, redis, storage, celery.\n", ""
    )


def test_check_reports_all_faults_at_once(run, write):
    """One list has every fault of the wiring and of components, each once."""
    write(WORKS.replace("STORAGE", "STORE") + "REDIS_HOTS = 1\n")

    printed = run("check")

    assert printed.code == 1
    assert printed.out == ""
    assert "faults found at start." in printed.err
    assert "storage is not configured: STORAGE_VENDOR is not set." in printed.err
    assert printed.err.count("REDIS_HOTS is not a known setting.") == 1
    assert "hunter2" not in printed.err


IDLE = 'STORAGE_FOLDER = "/tmp/files"\nSTORAGE_BUCKET = "files"\n'


def test_storage_without_vendor_is_a_fault_if_it_is_injected(run, write):
    """If the vendor is missing, the fault names the keys that have no effect."""
    write(WORKS.replace('STORAGE_VENDOR = "memory"\n', IDLE))

    printed = run("check")

    assert printed.code == 1
    assert (
        "storage is not configured: STORAGE_VENDOR is not set, but STORAGE_BUCKET "
        "(config.py, line 5) and STORAGE_FOLDER (config.py, line 4) are.\n"
    ) in printed.err


def test_storage_without_vendor_is_a_warning_elsewhere(run, write, plain):
    """If no storage is injected, ``check`` passes with a warning."""
    write(IDLE)

    assert run("check", app=plain) == Printed(
        0,
        "The service can start. Configured: nothing.\n",
        "STORAGE_VENDOR is not set. Without it, these keys have no effect: "
        "STORAGE_BUCKET (config.py, line 2) and STORAGE_FOLDER (config.py, line 1). "
        "Set it to cos, local, memory or oss.\n",
    )


def test_key_that_nothing_reads_is_a_warning(run, write, plain):
    """A database key that belongs to no section is reported, with the sections."""
    write('DATABASE_URL = "sqlite://"\n')

    printed = run("check", app=plain)

    assert printed.code == 0
    assert printed.err == (
        "DATABASE_URL (config.py, line 1) has no effect: the keys of that kind begin "
        "with DATABASE_ENGINE_ or DATABASE_SESSION_.\n"
    )


def test_storage_without_vendor_is_a_warning_in_the_log(write, monkeypatch, caplog):
    """A process that serves logs the warning once, at the first request."""
    write(IDLE)
    app = modern_flask.create_app("plain", root_path=".")

    for _ in range(2):
        app.test_client().get("/readyz")

    lines = [line for line in caplog.messages if "STORAGE_VENDOR is not set" in line]
    app.lifecycle.close()
    assert len(lines) == 1
    assert "STORAGE_FOLDER (config.py, line 1)" in lines[0]


def test_vendor_alone_is_no_warning(run, write, plain):
    """There is no warning if the vendor is set, or if no key of a storage is."""
    for text in (
        IDLE.replace("FOLDER", "VENDOR").replace("/tmp/files", "memory"),
        "",
    ):
        write(text)

        assert run("check", app=plain).err == ""


def test_one_cause_is_reported_once(run, write, monkeypatch):
    """Telemetry that can't start is one fault, not one for each component."""
    write(WORKS)
    monkeypatch.setenv("OTEL_EXPORTER", "zipkni")

    printed = run("check")

    assert printed.code == 1
    assert printed.err.count("zipkni") == 1


@pytest.mark.parametrize("command", ["serve", "worker", "check"])
def test_missing_redis_is_named(run, write, command):
    """Without a Redis the error names both keys, and ``dev``, which starts one."""
    write("".join(line for line in WORKS.splitlines(True) if "://" not in line))

    printed = run(command)

    assert printed.code == 1
    assert "redis is not configured: REDIS_URL is not set." in printed.err
    assert "celery is not configured: CELERY_BROKER_URL is not set." in printed.err
    assert printed.err.endswith(f"\n{USE_DEV}\n")


def test_bad_redis_is_not_a_missing_one(run, write):
    """The error for a wrong Redis URL does not mention ``dev``."""
    write(WORKS.replace("redis://", "rdis://"))

    printed = run("check")

    assert printed.code == 1
    assert printed.err.startswith("REDIS_URL is not a Redis URL.\n  set in   config.py")
    assert "modern-flask dev" not in printed.err


@pytest.mark.parametrize("option", ["--workers", "--threads"])
def test_server_needs_a_process_and_a_thread(run, write, option):
    """``serve`` refuses 0 processes and 0 threads, which would answer no request."""
    write(WORKS)

    printed = run("serve", option, "0")

    assert printed.code == 2
    assert f"Invalid value for '{option}': 0 is not in the range x>=1." in printed.err


def test_address_of_the_server_is_checked(run, write):
    """The error for a wrong address says where the address was set."""
    write(WORKS)

    printed = run("serve", "--bind", "127.0.0.1:99999")

    assert printed.code == 1
    assert printed.err == (
        "The server can't listen at 127.0.0.1:99999: "
        "a port is a number from 0 to 65535.\n"
        "  set in   --bind\n"
        f"  fix      {CHOOSE_ADDRESS}\n"
    )


def test_tables_are_created(run, write, tmp_path):
    """``create-tables`` creates the missing tables, and may run again."""
    write(WORKS.replace(":memory:", f"{tmp_path}/files.db"))

    assert run("create-tables").code == 0
    assert run("create-tables").code == 0

    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "files.db")) as connection:
        assert connection.execute("select count(*) from files").fetchall() == [(0,)]


def test_tables_of_a_missing_database(run, write, tmp_path):
    """Without its database ``create-tables`` says the reason, the place, the fix."""
    write(WORKS.replace(":memory:", f"{tmp_path}/nowhere/files.db"))

    assert run("create-tables") == Printed(
        1,
        "",
        "The tables can't be created: unable to open database file.\n"
        "  in       the database of DATABASE_ENGINE_URL, set in config.py, line 1\n"
        "  fix      start the database, and allow its user to create tables\n",
    )


def test_tables_of_a_refused_connection(run, write):
    """The error has the driver's reason, and no password."""
    url = "postgresql://shop:hunter2@127.0.0.1:1/shop"
    write(WORKS.replace("sqlite+pysqlite:///:memory:", url))

    printed = run("create-tables")

    assert printed.code == 1
    assert "Connection refused\n" in printed.err.partition("  in ")[0].replace(".", "")
    assert "hunter2" not in printed.err


def test_wrong_graph_is_drawn(run, write):
    """Who looks for a mistake sees the drawing, and then what is wrong."""
    write(WORKS + "REDIS_HOTS = 1\n")

    printed = run("graph")

    assert printed.code == 1
    assert printed.out.startswith("flowchart")
    assert printed.err.startswith("REDIS_HOTS is not a known setting.\n")


def test_worker_has_a_node_name(run, write, monkeypatch):
    """Unless the user names it, a worker is named after the service and the pod."""
    write(WORKS)
    monkeypatch.setenv("POD_NAME", "files-7f-x2x")
    monkeypatch.setattr("celery.Celery.worker_main", lambda self, words: words)

    words = run("worker").code
    own = run("worker", "-n", "mine").code

    assert words[-2:] == ["--hostname", "example_service@files-7f-x2x"]
    assert "--hostname" not in own


def test_failed_worker_sets_the_exit_code(run, write, monkeypatch):
    """``worker`` ends with the exit code of Celery's worker."""
    write(WORKS)
    monkeypatch.setattr("celery.Celery.worker_main", lambda self, words: 70)

    assert run("worker").code == 70
