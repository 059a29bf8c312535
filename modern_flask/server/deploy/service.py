"""The service that manifests are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ...commands import LazyCommand
from ...config.environment import read_environment
from ...config.values import Values
from ...wiring import get_bound

__all__ = ["Service", "find_module"]


@dataclass(frozen=True)
class Service:
    """A service as it is loaded here.

    Args:
        name: The service's name.
        app: The value of ``--app``.
        source: The value that ``CONFIG_SOURCE`` must have; empty if any will do.
        flask: The app.
        values: Its configuration.
        commands: The commands of its command line.
    """

    name: str
    app: str
    source: str
    flask: Flask
    values: Values
    commands: Mapping[str, click.Command]

    @classmethod
    def read(
        cls, app: Flask, path: str, source: str, commands: Mapping[str, click.Command]
    ) -> Service:
        """Read the service of ``app``, which nothing is opened for.

        Args:
            app: The app.
            path: The value of ``--app``.
            source: See :class:`Service`.
            commands: The commands of the kit and of Flask; the service's own are added.
        """
        values: Values = get_bound(app).container.config()
        own = {
            name: command
            for name, command in app.cli.commands.items()
            if not isinstance(command, LazyCommand)
        }
        found = {**commands, **own}
        return cls(str(values["SERVICE_NAME"]), path, source, app, values, found)

    def configure(self, variables: Mapping[str, str]) -> Values:
        """Return the configuration as ``FLASK_`` variables of a container change it.

        Raises:
            NestedUnderValue: A variable sets a part of a value that has no parts.
        """
        values = Values(self.values, self.values.origins, self.values.searched)
        values.put(*read_environment(variables, values))
        return values

    def has_route(self, path: str) -> bool:
        """Whether a view of the service answers ``GET path`` on some host."""
        adapter: Any = self.flask.url_map.bind("localhost")
        if self.flask.url_map.host_matching or any(
            rule.subdomain for rule in self.flask.url_map.iter_rules()
        ):
            return True
        try:
            adapter.match(path.partition("?")[0], method="GET")
        except RequestRedirect:
            return True
        except HTTPException:
            return False
        return True

    def is_same(self, app: str) -> bool:
        """Whether the value of ``--app`` may name this service."""
        name = find_module(app)
        if not name or name == find_module(self.app):
            return True
        try:
            return find_spec(name) is not None or Path(app.split(":")[0]).exists()
        except (ImportError, ValueError):
            return False


def find_module(app: str) -> str:
    """Return the top package or module of a value of ``--app``."""
    path = app.partition(":")[0].strip()
    if path.endswith(".py"):
        return Path(path).stem
    return path.replace("/", ".").strip(".").split(".")[0]
