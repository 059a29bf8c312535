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

app = modern_flask.create_app(__name__, {config})

@app.get("/")
def index():
    return "served"
"""
RUN = """
import os, sys
import celery, modern_flask, modern_flask.tasks.shared
from modern_flask.app import faults
from modern_flask.observability import tracing
from modern_flask.observability.metrics import registry

def run():
    from service import app
    print("\\n".join(str(fault) for fault in faults(app)))
    try:
        print(app.test_client().get("/").text)
    except Exception as error:
        print(error)
    state = sys.modules.get("celery._state")
    print("default app:", state and state.default_app, flush=True)

# Celery keeps its apps and tasks for the process, and a fork is cheaper than a start.
for folder in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        sys.path.insert(0, folder)
        os.dup2(os.open("out", os.O_CREAT | os.O_WRONLY), 1)
        run()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, folder
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the check and a request of each service print."""
    root = tmp_path_factory.mktemp("services")
    folders = [write(root / name, **words) for name, words in SERVICES.items()]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, *folders],
        env={"PATH": "", "OTEL_EXPORTER": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {folder.name: (folder / "out").read_text() for folder in folders}


def write(folder: Path, *, tasks: str = "service/tasks.py", **words: str) -> Path:
    """Write a service of one package, and its tasks."""
    given = {"before": "", "after": "", "config": "config={}", **words}
    package = "service." if tasks.startswith("service/") else ""
    (folder / "service").mkdir(parents=True)
    text = SERVICE.format(package=package, **given)
    (folder / "service" / "__init__.py").write_text(text)
    (folder / tasks).write_text(TASKS)
    return folder


def fault(task: str, line: int) -> str:
    return (
        f"Task {task} has no Celery app: no CELERY_ key is set, so delay() would send "
        "it to amqp://guest@localhost.\n"
        f"  in       service/tasks.py, line {line}\n"
        f"  fix      {GIVE_BROKER}"
    )


OWN = "from celery import Celery\n"
CORRECT = {
    "key": {"config": 'config={"CELERY_BROKER_URL": "memory://"}'},
    "library": {"tasks": "tasks.py"},
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
    "variable": {"before": "import os; os.environ['CELERY_BROKER_URL'] = 'memory://'"},
    "celeryconfig": {
        "before": "open('celeryconfig.py', 'w').write('broker_url = \"memory://\"')"
    },
}


SERVICES: dict[str, dict[str, str]] = {
    **CORRECT,
    "faulty": {},
    "unchecked": {"config": "check=False"},
    "used": {"after": "assert confirm.name"},
}


def test_fault(outputs: dict[str, str]) -> None:
    """The check and the first request name each task and its place; nothing is made."""
    both = [fault("orders.cancel", 8), fault("service.tasks.confirm", 4)]
    assert outputs["faulty"] == (
        "{}\n{}\n2 faults found at start.\n\n{}\n\n{}\ndefault app: None\n"
    ).format(*both, *both)


@pytest.mark.parametrize("name", CORRECT)
def test_correct_services(outputs: dict[str, str], name: str) -> None:
    """A service whose tasks have a Celery app or a broker is correct.

    So is one that only imports the tasks of a library.
    """
    assert outputs[name].startswith("\nserved\n")


def test_without_check(outputs: dict[str, str]) -> None:
    """``create_app(check=False)`` serves; the command reports the fault."""
    assert "has no Celery app" in outputs["unchecked"]
    assert "\nserved\n" in outputs["unchecked"]


def test_used_task(outputs: dict[str, str]) -> None:
    """A look at a task makes the implicit app; the fault is reported all the same."""
    assert "2 faults found at start." in outputs["used"]
