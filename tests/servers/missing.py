"""Errors of a test whose server is missing, or belongs to somebody else."""

import os
import shutil
from pathlib import Path


class CannotRun(Exception):
    """A server can't run on this machine.

    Args:
        name: The server, such as ``rabbitmq``.
        why: What is missing, and how to install it.
    """

    def __init__(self, name: str, why: str) -> None:
        self.name, self.why = name, why
        super().__init__(f"{name} ({why})")


class NotOurs(Exception):
    """A test tries to stop a server that somebody else runs."""

    def __init__(self, name: str, variable: str) -> None:
        self.name, self.variable = name, variable
        super().__init__(f"{name} is named by {variable}: it is not ours to stop.")


def find_binary(name: str, server: str, package: str) -> Path:
    """Find the program ``name`` on ``PATH``.

    A user's ``PATH`` does not contain sbin, where Debian puts servers: the sbin beside
    each bin is searched too.

    Raises:
        CannotRun: It is not there; the text names the Debian ``package`` that has it.
    """
    folders = os.environ.get("PATH", "").split(os.pathsep)
    beside = [str(Path(f).with_name("sbin")) for f in folders if Path(f).name == "bin"]
    if found := shutil.which(name, path=os.pathsep.join([*folders, *beside])):
        return Path(found)
    raise CannotRun(server, f"{name} is not on PATH; apt-get install {package}")
