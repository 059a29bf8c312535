"""Programs: their output is kept, and they end with their block."""

import re

import pytest

from tests.servers.eventually import eventually
from tests.servers.processes import Died, Process, python
from tests.servers.tree import living_in

PARENT = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(f"ready {child.pid}", flush=True)
signal.pause()
"""

DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


def test_line_is_waited_for(tmp_path):
    """wait_for_line returns the match; output holds both streams."""
    program = "import sys; print('port 80', flush=True); sys.exit('no more')"
    with Process(*python("-c", program), log=tmp_path / "log") as process:
        match = process.wait_for_line(r"^port (\d+)$")

        assert match[1] == "80"
        assert process.wait() == 1
        assert process.output == "port 80\nno more\n"


def test_dead_program_is_not_waited_for(tmp_path):
    """A program that ends before the line fails at once, with its output."""
    program = "import sys; sys.exit('no port')"
    with (
        Process(*python("-c", program), log=tmp_path / "log") as process,
        pytest.raises(Died, match=r"ended with 1; no line matched 'ready'\.\nno port"),
    ):
        process.wait_for_line("ready", timeout=30)


def test_silent_program_has_a_deadline(tmp_path):
    """A program that never prints the line fails after the timeout."""
    with (
        Process(*python("-c", PARENT), log=tmp_path / "log") as process,
        pytest.raises(Died, match=r"still runs; no line matched 'never'\."),
    ):
        process.wait_for_line("never", timeout=0.2)


def test_children_end_with_their_parent(tmp_path):
    """stop() also ends the processes that the program has started."""
    with Process(*python("-c", PARENT), log=tmp_path / "log", cwd=tmp_path) as process:
        process.wait_for_line("ready")
        assert len(living_in(tmp_path)) == 2

        code = process.stop()

        assert code == -15
        assert not living_in(tmp_path)


def test_deaf_program_is_killed(tmp_path):
    """A program that ignores SIGTERM prints its stacks, and ends after the timeout."""
    with Process(*python("-c", DEAF), log=tmp_path / "log") as process:
        process.wait_for_line("ready")

        assert process.stop(timeout=0.1) == -6
        assert process.stop() == -6

    assert re.search(r"^Current thread .*\n  File \"<string>\"", process.output, re.M)


def test_frozen_program_is_killed(tmp_path):
    """A program that can't print its stacks either is killed."""
    with Process(*python("-c", DEAF), log=tmp_path / "log") as process:
        process.wait_for_line("ready")
        process.seconds_to_abort = 0.1
        process.freeze()

        assert process.stop(timeout=0.1) == -9


def test_environment_is_changed(tmp_path, monkeypatch):
    """A value sets a variable, None removes it."""
    monkeypatch.setenv("GONE", "1")
    program = "import os; print(os.environ['CAME'], 'GONE' in os.environ)"
    env = {"CAME": "yes", "GONE": None}
    with Process(*python("-c", program), log=tmp_path / "log", env=env) as process:
        process.wait()

        assert process.output == "yes False\n"


def test_condition_has_a_deadline():
    """eventually() fails with the last result."""
    with pytest.raises(AssertionError, match=r"was still \[\] after 0\.05 s\."):
        eventually(list, timeout=0.05)
