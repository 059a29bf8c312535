"""A configuration that raises, under every program that may print its error.

None of them prints a value of the configuration: not in a text, not in a cause.
"""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT
from tests.servers.processes import Process, python

SECRET = "hunter2"
SERVICE = """\
import modern_flask

def create_app():
    return modern_flask.create_app("shop", root_path=".")
"""
SCRIPT = "import shop; shop.create_app()"
LOGGING = """\
import logging, shop
try:
    shop.create_app()
except Exception:
    logging.exception("no start")
    raise SystemExit(1)
"""
PROGRAMS = {
    "plain gunicorn": ("-m", "gunicorn", "--bind", "127.0.0.1:0", "shop:create_app()"),
    "gunicorn with our settings": (
        *("-m", "gunicorn", "-c", "python:modern_flask.server.settings"),
        *("--bind", "127.0.0.1:0", "shop:create_app()"),
    ),
    "flask": ("-m", "flask", "--app", "shop", "run", "--port", "0"),
    "script": ("-c", SCRIPT),
    "logging": ("-c", LOGGING),
    "modern-flask": ("-m", "modern_flask.cli", "--app", "shop", "--verbose", "check"),
}
MODULES = {
    "broken_settings": f"PASSWORD = '{SECRET}'\nPORT = int(PASSWORD)\n",
    "broken_syntax": f"PASSWORD = = '{SECRET}'\n",
}
ALL_AT_ONCE = """\
try:
    import broken_settings
except ValueError as E:
    E.add_note(PASSWORD)
    raise ExceptionGroup(PASSWORD, [E, KeyError(PASSWORD), OSError(PASSWORD)]) from E
"""
KINDS = {
    # The first one has most of the others in it.
    "all at once": (ALL_AT_ONCE, "The configuration raised ExceptionGroup (its mess"),
    "number": ("PORT = int(PASSWORD)", "raised ValueError"),
    "name": (f"A = {SECRET}", "raised NameError"),
    "key": ("A = {}[PASSWORD]", "raised KeyError"),
    "exit": ("raise SystemExit(PASSWORD)", "raised SystemExit"),
    "group": ("raise ExceptionGroup(PASSWORD, [OSError(PASSWORD)])", "raised Except"),
    "note": ("E = OSError()\nE.add_note(PASSWORD)\nraise E", "raised OSError"),
    "syntax": (f"PASSWORD = = '{SECRET}'", "is not valid Python"),
    "nested": ("import broken_settings", "broken_settings.py, line 2"),
    "nested syntax": ("import broken_syntax", "broken_syntax.py, line 1"),
    "warning": ("import warnings\nwarnings.warn(PASSWORD)\n1 / 0", "ZeroDivision"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a service whose configuration imports modules that fail."""
    (tmp_path / "shop.py").write_text(SERVICE)
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def run(folder: Path, program: str, configuration: str) -> tuple[int, str]:
    """Run a program with a configuration; return its exit code and its output."""
    text = f"PASSWORD = '{SECRET}'\n{configuration}\n"
    (folder / "config.py").write_text(text)
    environ = {"PYTHONPATH": f"{folder}:{ROOT}", "CONFIG_SOURCE": "config.py"}
    command = python(*PROGRAMS[program])
    with Process(*command, log=folder / "log", env=environ, cwd=folder) as process:
        return process.wait(60), process.output


@pytest.mark.proof
def test_no_program_prints_a_value(folder, proof_size):
    """Whatever the configuration raises, no program prints the password in it."""
    pairs = [(kind, program) for kind in KINDS for program in PROGRAMS]

    for kind, program in pairs[: proof_size(len(pairs))]:
        configuration, expected = KINDS[kind]
        code, printed = run(folder, program, configuration)

        assert code != 0, (kind, program)
        assert expected in printed, (kind, program)
        assert "config.py, line" in printed, (kind, program)
        assert SECRET not in printed, (kind, program)


def test_warning_of_a_configuration_that_works(folder):
    """A warning with a secret in it is printed by its class and its line alone."""
    code, printed = run(folder, "script", "import warnings\nwarnings.warn(PASSWORD)")

    assert code == 0
    assert "UserWarning in the configuration (its text is hidden)" in printed
    assert "config.py>:3" in printed
    assert SECRET not in printed
