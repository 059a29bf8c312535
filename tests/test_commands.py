"""The kit's commands on an app's own command line: ``flask --app SERVICE check``."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import flask.cli
import pytest
from flask import Blueprint, Flask, current_app
from flask.cli import FlaskGroup

import modern_flask
import modern_flask.cli
from modern_flask.cli import cli
from modern_flask.commands import LazyCommand
from modern_flask.wiring.checks.functions import find_functions

ROOT = Path(__file__).parents[1]
NAMES = ["check", "config", "create-tables", "dev", "graph", "manifests", "serve"]
NAMES += ["worker"]
WORKS = """\
DATABASE_ENGINE_URL = "sqlite+pysqlite:///:memory:"
REDIS_URL = "redis://127.0.0.1:1/0"
CELERY_BROKER_URL = "memory://"
STORAGE_VENDOR = "memory"
UPLOAD_LIMIT = 1000
"""


@pytest.fixture(autouse=True)
def no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the arguments, and Flask's variable only for the test."""
    monkeypatch.delenv("CONFIG_SOURCE", raising=False)
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")


@click.command("check")
def own_check() -> None:
    """The service's check."""
    click.echo("checked by the service")


def invoke(app: Flask, *words: str) -> str:
    """The output of ``words`` on the app's command line."""
    return app.test_cli_runner().invoke(args=words, catch_exceptions=False).output


def add_to_app(app: Flask) -> None:
    app.cli.add_command(own_check)


def add_by_blueprint(app: Flask) -> None:
    blueprint = Blueprint("shop", __name__, cli_group=None)
    blueprint.cli.add_command(own_check)
    app.register_blueprint(blueprint)


def test_app_has_the_commands():
    """An app has every command of the kit, and they run."""
    app = modern_flask.create_app("shop", root_path=".")

    assert sorted(app.cli.commands) == NAMES
    assert invoke(app, "check") == "The service can start. Configured: nothing.\n"


@pytest.mark.parametrize("add", [add_to_app, add_by_blueprint])
def test_earlier_command_of_the_service_wins(add: Callable[[Flask], None]):
    """A command that the service has before ``init_app`` stays."""
    app = Flask("shop", root_path=".")
    add(app)

    modern_flask.init_app(app)

    assert invoke(app, "check") == "checked by the service\n"
    assert sorted(app.cli.commands) == NAMES


@pytest.mark.parametrize("add", [add_to_app, add_by_blueprint])
def test_later_command_of_the_service_wins(add: Callable[[Flask], None]):
    """A command that the service adds after ``create_app`` replaces the kit's."""
    app = modern_flask.create_app("shop", root_path=".")

    add(app)

    assert invoke(app, "check") == "checked by the service\n"
    assert sorted(app.cli.commands) == NAMES


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``run("flask", "check", text)``: the command for the example service."""

    def run(
        program: str, word: str, text: str = WORKS
    ) -> subprocess.CompletedProcess[str]:
        source = tmp_path / "config.py"
        source.write_text(text)
        command = [sys.executable, "-m", program, "--app", "example_service", word]
        env = {"PYTHONPATH": str(ROOT), "CONFIG_SOURCE": str(source), "PATH": ""}
        return subprocess.run(
            command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    return run


class Printed(NamedTuple):
    """A command's exit code and output."""

    returncode: object
    stdout: str
    stderr: str


@pytest.fixture
def run_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str, str], Printed]:
    """``run_here("flask", "check", text)``: the same in this process."""
    programs = {"flask": flask.cli.main, "modern_flask.cli": modern_flask.cli.main}
    monkeypatch.chdir(tmp_path)

    def run(program: str, word: str, text: str) -> Printed:
        source = tmp_path / "config.py"
        source.write_text(text)
        monkeypatch.setenv("CONFIG_SOURCE", str(source))
        monkeypatch.setattr(sys, "argv", [program, "--app", "example_service", word])
        with pytest.raises(SystemExit) as exited:
            programs[program]()
        return Printed(exited.value.code or 0, *capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("check", WORKS),
        ("check", WORKS + "REDIS_HOTS = 1\n"),
        ("check", WORKS.replace("REDIS_URL", "SHOP_URL")),
        ("graph", WORKS),
        ("config", WORKS + "REDIS_HOTS = 1\n"),
    ],
)
def test_both_command_lines_print_the_same(run_here, word, text):
    """``flask`` and ``modern-flask`` have the same output and the same exit code."""
    by_flask = run_here("flask", word, text)
    by_kit = run_here("modern_flask.cli", word, text)

    assert by_flask == by_kit
    assert by_flask.stdout + by_flask.stderr
    assert "Traceback" not in by_flask.stderr


def test_both_programs_print_the_same(run):
    """So it is in processes of their own, too."""
    by_flask = run("flask", "check", WORKS + "REDIS_HOTS = 1\n")
    by_kit = run("modern_flask.cli", "check", WORKS + "REDIS_HOTS = 1\n")

    assert by_flask.stdout == by_kit.stdout
    assert by_flask.stderr == by_kit.stderr
    assert by_flask.returncode == by_kit.returncode == 1
    assert "Traceback" not in by_flask.stderr


def test_flask_keeps_its_own_commands(run):
    """``flask routes`` is still Flask's."""
    printed = run("flask", "routes")

    assert printed.returncode == 0
    assert "files.upload" in printed.stdout


def test_help_of_flask_lists_the_commands(run):
    """``flask --help`` has a line for each command, with the text of the kit's help."""
    printed = run("flask", "--help")

    lines = [line.split(maxsplit=1) for line in printed.stdout.splitlines() if line]
    texts = {words[0]: words[1] for words in lines if len(words) > 1}
    assert {"run", "routes", "shell", *NAMES} <= texts.keys()
    for name in NAMES:
        start = texts[name].removesuffix("...").strip()
        assert cli.commands[name].get_short_help_str(200).startswith(start)


def test_help_of_a_command(monkeypatch):
    """The help of a command has its options."""
    app = modern_flask.create_app("shop", root_path=".")

    assert "--workers" in invoke(app, "serve", "--help")


def test_no_app_context_is_active_in_a_command(monkeypatch):
    """Flask's app context ends for a command: a server's requests must not share it."""
    app = modern_flask.create_app("shop", root_path=".")
    seen: list[bool] = []

    def serve(*_: object, **__: object) -> None:
        seen.append(bool(current_app))

    monkeypatch.setattr("modern_flask.server.serve.serve", serve)
    group = FlaskGroup(create_app=lambda: app)

    group.main(["serve"], standalone_mode=False)

    assert seen == [False]


def test_check_lists_no_command_of_the_kit():
    """The check of injected functions finds the service's commands only."""
    app = modern_flask.create_app("shop", root_path=".")
    app.cli.add_command(click.Command("seed", callback=lambda: None))

    titles = [function.title for function in find_functions(app, {})]

    assert [title for title in titles if title.startswith("Command")] == [
        "Command seed"
    ]


def test_command_runs_by_itself():
    """A lazy command that is called without a group runs the command it stands for."""
    app = modern_flask.create_app("shop", root_path=".")
    command = app.cli.commands["check"]

    result = app.test_cli_runner().invoke(command)

    assert isinstance(command, LazyCommand)
    assert result.output == "The service can start. Configured: nothing.\n"
    assert command.get_params(click.Context(command))


UNUSED = """
import sys
import modern_flask

app = modern_flask.create_app("shop")
with app.running():
    assert app.test_client().get("/readyz").status_code == 200
unused = "modern_flask.cli", "modern_flask.server", "gunicorn", "celery"
print([name for name in unused if name in sys.modules])
"""


def test_nothing_is_imported_for_unused_commands():
    """An app that runs no command imports neither the commands nor their servers."""
    done = subprocess.run(
        [sys.executable, "-c", UNUSED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout == "[]\n", done.stderr
