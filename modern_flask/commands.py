"""Adds the kit's commands to an app's command line: ``flask --app SERVICE check``.

This module knows only their names. A command is imported when it runs or when its help
is shown. An app that never runs a command imports none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

__all__ = ["LazyCommand", "add_commands"]

_COMMANDS = {
    "check": "modern_flask.cli.commands.check_command",
    "config": "modern_flask.cli.commands.config_command",
    "create-tables": "modern_flask.cli.commands.create_tables_command",
    "dev": "modern_flask.cli.commands.dev_command",
    "graph": "modern_flask.cli.commands.graph_command",
    "manifests": "modern_flask.cli.manifests.manifests_command",
    "serve": "modern_flask.cli.commands.serve_command",
    "worker": "modern_flask.cli.commands.worker_command",
}


class LazyCommand(click.Command):
    """A command that is imported at its first use.

    It has no ``callback``, so a list of the functions that an app calls omits it.

    Args:
        name: What the user types.
        path: The dotted path of the command.
    """

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self.path = path

    def load(self) -> click.Command:
        """Import the command."""
        module, _, name = self.path.rpartition(".")
        command: click.Command = getattr(import_module(module), name)
        return command

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        # The group invokes the command of the context that this method returns.
        return self.load().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        return self.load().invoke(ctx)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return self.load().get_params(ctx)

    def get_short_help_str(self, limit: int = 45) -> str:
        return self.load().get_short_help_str(limit)


def add_commands(group: click.Group) -> None:
    """Add the kit's commands to ``group`` under every name that is free.

    A command that the service registers later under one of the names replaces the
    kit's, because a group keeps one command for each name.
    """
    for name, path in _COMMANDS.items():
        if name not in group.commands:
            group.commands[name] = LazyCommand(name, path)
