"""A tethered command ends with the process that starts it."""

import os
import signal
import sys
from pathlib import Path

import pytest

from modern_flask.server.parent_death import tether
from tests.servers.eventually import eventually
from tests.servers.processes import Process, python
from tests.servers.tree import alive, descendants

ROOT = Path(__file__).parents[2]

CHILD = "import signal; print('ready', flush=True); signal.pause()"
PARENT = """
import signal, subprocess, sys
from modern_flask.server.parent_death import tether

subprocess.Popen(tether([sys.executable, "-c", sys.argv[1]]))
signal.pause()
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_command_ends_with_its_parent(tmp_path, signum):
    """However the parent ends, the kernel ends the command too."""
    command = python("-c", PARENT, CHILD)
    with Process(*command, log=tmp_path / "log", cwd=ROOT) as process:
        process.wait_for_line("^ready$")
        family = descendants(process.pid)
        assert len(family) == 1

        os.kill(process.pid, signum)

        eventually(lambda: not alive(family))


def test_command_of_a_dead_parent_does_not_start(tmp_path):
    """A parent that ended before the tether held is noticed."""
    command = tether([sys.executable, "-c", CHILD])
    of_another = [
        str(os.getppid()) if word == str(os.getpid()) else word for word in command
    ]

    with Process(*of_another, log=tmp_path / "log") as process:
        assert process.wait() == 1
        assert process.output == "The parent died.\n"


def test_command_is_unchanged_on_other_systems(monkeypatch):
    """Only Linux has the signal: elsewhere the command stays as it is."""
    monkeypatch.setattr(sys, "platform", "darwin")

    assert tether([Path("/bin/true"), "-x"]) == ["/bin/true", "-x"]
