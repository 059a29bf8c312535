"""Components of the service's own: what `check` says of them, and why they fail."""

import sys

import pytest

from modern_flask import startup
from modern_flask.startup import VERBOSE
from modern_flask.wiring.checks.failure import NotOpened

SERVICE = """\
import modern_flask
from modern_flask import Opened, section

def open_mailer(settings):
    settings = dict(settings)
    settings.pop("url")
    settings.pop("password", None)
    if settings:
        raise TypeError(f"unknown: {', '.join(settings)}")
    raise ConnectionError("refused password hunter2! at mail")
    yield

def open_ledger(settings):
    yield settings

config = modern_flask.Container.config

class Container(modern_flask.Container):
    mailer = Opened(open_mailer, section(config, "MAILER_", "URL"))
    ledger = Opened(open_ledger, section(config, "LEDGER_"))

def create_app():
    return modern_flask.create_app("mails", Container(), root_path=".")
"""
LATE = """\
    app.config["LIMIT"] = 5
    app.add_url_rule("/", view_func=view)
    return app

@modern_flask.inject
def view(limit: int = modern_flask.Provide["config.LIMIT"]): ...
"""
WORKS = """\
DATABASE_ENGINE_URL = "sqlite+pysqlite:///:memory:"
MAILER_URL = "smtp://mail"
MAILER_PASSWORD = "hunter2!"
"""
REFUSED = (
    "mailer can't be opened: ConnectionError: refused password ****** at mail.\n"
    "  in       mails.py, line 10\n"
    "  set in   config.py, line 2 (MAILER_URL)\n"
    "           config.py, line 3 (MAILER_PASSWORD)\n"
    "  fix      correct the values of these keys\n"
)


@pytest.fixture
def mails(write, tmp_path, monkeypatch):
    """The ``--app`` value of a service with a component that can't be opened."""
    (tmp_path / "mails.py").write_text(SERVICE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mails", raising=False)
    # `--verbose` would set it until the process ends.
    monkeypatch.setenv(VERBOSE, "")
    write(WORKS)
    return "mails"


def test_check_lists_them(run, mails):
    """``check`` names the components that it has not opened."""
    printed = run("check", app=mails)

    assert printed.code == 0
    assert printed.out == (
        "The service can start. Configured: engine.\n"
        "Not opened, because they are the service's own: mailer, ledger.\n"
    )


def test_check_asks_for_the_required_key(run, write, mails):
    """If only another key of a section is set, ``check`` asks for the required one."""
    write(WORKS.replace("MAILER_URL", "MAILER_SENDR"))

    printed = run("check", app=mails)

    assert printed.code == 1
    assert printed.err == (
        "mailer is not configured: MAILER_URL is not set, but MAILER_PASSWORD "
        "(config.py, line 3) and MAILER_SENDR (config.py, line 2) are.\n"
        "  looked in  config.py and environment variables FLASK_*\n"
        "  fix      set MAILER_URL in the configuration, or FLASK_MAILER_URL in the "
        "environment\n"
    )


def test_start_asks_for_the_required_key(run, write, mails):
    """A server's process asks for the key as well, not for what the opener missed."""
    write(WORKS.replace("MAILER_URL", "MAILER_SENDR"))

    printed = run("create-tables", app=mails)

    assert printed.code == 1
    assert printed.err.startswith("mailer is not configured: MAILER_URL is not set")


def test_component_of_the_kit_may_have_other_keys(run, write, mails):
    """The kit's components know which other keys they work with."""
    write('REDIS_HOST = "127.0.0.1"\n')

    assert run("check", app=mails).code == 0


def test_failing_opener_says_why(run, mails):
    """The error has the class, the masked text, the line and the keys."""
    printed = run("create-tables", app=mails)

    assert printed.code == 1
    assert printed.err == REFUSED


def test_mistyped_key_says_why(run, write, mails):
    """A TypeError of the opener is shown with its text and its line."""
    write(WORKS + 'MAILER_SENDR = "a"\n')

    printed = run("create-tables", app=mails)

    assert printed.err.startswith(
        "mailer can't be opened: TypeError: unknown: sendr.\n"
        "  in       mails.py, line 9\n"
    )


@pytest.mark.parametrize(
    "words", [("--verbose", "create-tables"), ("create-tables", "--verbose")]
)
def test_verbose_prints_the_traceback(run, mails, words):
    """``--verbose`` prints the traceback before the error, with the secrets masked."""
    printed = run(*words, app=mails)

    assert printed.err.startswith("Traceback (most recent call last):\n")
    assert 'mails.py", line 10, in open_mailer\n' in printed.err
    assert "\nConnectionError: refused password ****** at mail\n" in printed.err
    assert printed.err.endswith(REFUSED)
    assert "hunter2!" not in printed.err.replace("raise ConnectionError", "")


def test_verbose_shows_the_traceback_of_other_faults(run, write, mails):
    """For a fault of the kit, it is the traceback of the fault."""
    write(WORKS + 'REDIS_HOTS = "hunter2!"\n')

    printed = run("check", "--verbose", app=mails)

    assert printed.code == 1
    assert printed.err.startswith("Traceback (most recent call last):\n")
    assert printed.err.count("REDIS_HOTS is not a known setting.") == 2


def test_verbose_before_the_app_is_loaded(run, write, mails):
    """If the configuration raises, the traceback has no cause and no value."""
    write(WORKS + "PORT = int(MAILER_PASSWORD)\n")

    printed = run("check", "--verbose", app=mails)

    assert printed.code == 1
    assert "Traceback (most recent call last):\n" in printed.err
    assert "The configuration raised ValueError (its message" in printed.err
    assert "hunter2" not in printed.err


def test_server_says_why(mails, monkeypatch, caplog):
    """A server's process raises the same error, without a cause that holds a secret."""
    import mails as service

    app = service.create_app()
    monkeypatch.setenv(VERBOSE, "1")

    with pytest.raises(NotOpened) as caught:
        startup.open_components(app)

    assert str(caught.value) == REFUSED.rstrip("\n")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "ConnectionError: refused password ****** at mail" in caplog.text
    assert not app.container.ledger.initialized


def test_script_gets_the_exception_of_the_opener(mails):
    """``app.running()`` raises the opener's own exception, as a script expects."""
    import mails as service

    app = service.create_app()

    with pytest.raises(ConnectionError, match="refused password"), app.running():
        pass


def test_late_key_is_a_warning_before_the_faults(run, write, mails, tmp_path):
    """``check`` prints the warnings first: one of them may explain a fault."""
    text = SERVICE.replace("    return modern_flask", "    app = modern_flask") + LATE
    (tmp_path / "mails.py").write_text(text)

    printed = run("check", app=mails)

    warning, _, fault = printed.err.partition("\n")
    assert printed.code == 1
    assert warning.startswith("LIMIT was set in app.config after create_app")
    assert fault.startswith("LIMIT is not set, but an injected object requires it.")
