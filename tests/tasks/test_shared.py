"""Shared tasks without a Celery app are a fault at start."""

import subprocess
import sys
from pathlib import Path

import pytest

from modern_flask.tasks.errors import GIVE_BROKER

TASKS = """
from celery import shared_task

@shared_task
def confirm(number):
    return number

@shared_task(name="orders.cancel")
def cancel(number):
    return number
"""
SERVICE = """
import modern_flask
{before}
from {package}tasks import confirm
{after}

app = modern_flask.create_app(__name__, config={config})

@app.get("/")
def index():
    return "served"
"""
RUN = """
import logging, sys
from modern_flask.app import faults
from service import app
print("\\n".join(str(fault) for fault in faults(app)))
try:
    print(app.test_client().get("/").text)
except Exception as error:
    print(error)
from celery import _state
print("default app:", _state.default_app)
"""


def run(folder: Path, code: str = RUN, **environ: str) -> str:
    """Run ``code`` in a process of its own: Celery's tasks belong to the process."""
    (folder / "run.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "run.py"],
        cwd=folder,
        env={"PATH": "", "OTEL_EXPORTER": "none", **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(folder: Path, before: str = "", after: str = "", config: str = "{}") -> None:
    (folder / "tasks.py").write_text(TASKS)
    words = {"before": before, "after": after, "config": config, "package": ""}
    (folder / "service.py").write_text(SERVICE.format(**words))


def write_package(folder: Path, **words: str) -> None:
    """Write the tasks beside the app's module, in a package of the service."""
    package = folder / "service"
    package.mkdir()
    (package / "tasks.py").write_text(TASKS)
    given = {"before": "", "after": "", "config": "{}", "package": "service.", **words}
    (package / "__init__.py").write_text(SERVICE.format(**given))


def fault(task: str, line: int) -> str:
    return (
        f"Task {task} has no Celery app: no CELERY_ key is set, so delay() would send "
        "it to amqp://guest@localhost.\n"
        f"  in       service/tasks.py, line {line}\n"
        f"  fix      {GIVE_BROKER}"
    )


def test_fault(tmp_path: Path) -> None:
    """The check and the first request name each task and its place; nothing is made."""
    write_package(tmp_path)

    found = run(tmp_path)

    both = f"{fault('orders.cancel', 8)}\n{fault('service.tasks.confirm', 4)}"
    assert both in found
    start = f"{fault('orders.cancel', 8)}\n\n{fault('service.tasks.confirm', 4)}"
    assert f"2 faults found at start.\n\n{start}" in found
    assert "served" not in found
    assert found.endswith("default app: None\n")


OWN = "from celery import Celery\n"
CORRECT = {
    "key": {"config": '{"CELERY_BROKER_URL": "memory://"}'},
    "own app": {"before": f'{OWN}own = Celery("own", broker="memory://")'},
    "own app that is not current": {
        "before": f'{OWN}own = Celery("own", broker="memory://", set_as_current=False)'
    },
    "own app with Celery's name": {
        "before": f'{OWN}own = Celery("default", broker="memory://")'
    },
    "implicit app, configured": {
        "after": "from celery import current_app\n"
        'current_app.conf.update(broker_url="memory://")'
    },
    "implicit app, configured and used": {
        "after": "from celery import current_app\n"
        'current_app.config_from_object({"broker_url": "memory://"})\n'
        "assert confirm.name"
    },
}


@pytest.mark.parametrize("case", CORRECT)
def test_celery_is_configured(tmp_path: Path, case: str) -> None:
    """A service whose tasks have a Celery app or a broker is correct."""
    write_package(tmp_path, **CORRECT[case])

    assert run(tmp_path).startswith("\nserved")


def test_variables_of_celery(tmp_path: Path) -> None:
    """What Celery reads by itself configures the implicit app, too."""
    write_package(tmp_path)

    by_variable = run(tmp_path, CELERY_BROKER_URL="memory://")
    (tmp_path / "celeryconfig.py").write_text('broker_url = "memory://"')
    by_module = run(tmp_path)

    assert by_variable.startswith("\nserved")
    assert by_module.startswith("\nserved")


def test_tasks_of_a_library(tmp_path: Path) -> None:
    """Tasks of other packages are none of the service's."""
    write(tmp_path)

    assert run(tmp_path).startswith("\nserved")


def test_without_check(tmp_path: Path) -> None:
    """``create_app(check=False)`` serves."""
    write_package(tmp_path)
    service = tmp_path / "service" / "__init__.py"
    service.write_text(service.read_text().replace("config={}", "check=False"))

    assert "served" in run(tmp_path)


def test_used_task(tmp_path: Path) -> None:
    """A look at a task makes the implicit app; the fault is reported all the same."""
    write_package(tmp_path, after="assert confirm.name")

    assert "has no Celery app" in run(tmp_path)


def test_without_celery(tmp_path: Path) -> None:
    """A service without tasks does not import Celery."""
    code = RUN.partition("from celery")[0] + 'print("celery" in sys.modules)'
    (tmp_path / "service.py").write_text(
        SERVICE.format(before="", after="", config="{}", package="").replace(
            "from tasks import confirm", ""
        )
    )

    assert run(tmp_path, code) == "\nserved\nFalse\n"
