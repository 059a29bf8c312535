"""Makes child processes end with the process that starts them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["tether"]

# A separate program, because preexec_fn may deadlock in a threaded parent, and Python
# warns of it. A change of user clears the death signal, so it comes first. Python
# ignores SIGPIPE, and the command would inherit that.
_PROGRAM = """
import ctypes, os, pwd, signal, sys
parent, death, user, *command = sys.argv[1:]
if user:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
ctypes.CDLL(None).prctl(1, int(death), 0, 0, 0)  # 1 is PR_SET_PDEATHSIG
if os.getppid() != int(parent):
    sys.exit("The parent died.")
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execv(command[0], command)
"""


def tether(
    command: Sequence[str | Path], death: int = signal.SIGTERM, user: str = ""
) -> list[str]:
    """Make ``command`` end with the process that starts it, even after ``kill -9``.

    This works only on Linux (``PR_SET_PDEATHSIG`` of prctl(2)). Elsewhere the command
    is returned unchanged. The kernel watches the *thread* that starts the command, so
    start a long-lived process from a long-lived thread.

    Args:
        command: An absolute path, then arguments.
        death: The signal that the kernel sends when the parent is gone.
        user: The user that runs the command; only root may set one.
    """
    words = [str(word) for word in command]
    if sys.platform != "linux":
        return words
    python = [sys.executable, "-I", "-S", "-c", _PROGRAM]
    return [*python, str(os.getpid()), str(int(death)), user, *words]
