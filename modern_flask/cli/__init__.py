"""The command ``modern-flask``: run, check and develop a service."""

from __future__ import annotations

import sys

from ..errors import Fault
from .commands import cli
from .group import print_fault

__all__ = ["cli", "main"]


def main() -> None:
    """Run ``modern-flask``: a fault is a message and the exit code 1."""
    try:
        cli.main(prog_name="modern-flask")
    except Fault as fault:
        # Of a command of Flask or of the service; the kit's commands print theirs.
        print_fault(fault)
        sys.exit(1)
