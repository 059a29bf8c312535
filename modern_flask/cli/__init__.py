"""The command ``modern-flask``: run, check and develop a service."""

from __future__ import annotations

import sys

from ..errors import Fault
from .commands import cli
from .group import print_fault
from .manifests import manifests_command

__all__ = ["cli", "main", "manifests_command"]


def main() -> None:
    """Run ``modern-flask``. A fault prints a message and sets the exit code 1."""
    try:
        cli.main(prog_name="modern-flask")
    except Fault as fault:
        # A command of Flask or of the service raised it. The kit's commands print their
        # own faults.
        print_fault(fault)
        sys.exit(1)
