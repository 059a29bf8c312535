"""The command line: it finds and runs commands, and prints their faults."""

from __future__ import annotations

import contextvars
import os
import traceback
from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from flask import current_app
from flask.cli import FlaskGroup, NoAppException, ScriptInfo

from ..commands import LazyCommand
from ..config.known_secrets import KnownSecrets
from ..errors import Fault, NotConfigured
from ..startup import VERBOSE, is_verbose
from ..wiring.errors import CheckFailed
from .loader import AppLoader

__all__ = ["EMBEDDED_KEYS", "USE_DEV", "Group", "pass_loader", "print_fault"]

P = ParamSpec("P")
T = TypeVar("T")

EMBEDDED_KEYS = {"REDIS_URL": ("redis", 0), "CELERY_BROKER_URL": ("celery", 1)}
"""The keys that ``dev`` sets to its embedded Redis if the service does not set them.

Each key has the provider that it configures, and the number of the Redis database.
"""

USE_DEV = "`modern-flask dev` starts an embedded Redis."
"""The hint for a service whose Redis is not configured."""


def _make_verbose_option() -> click.Option:
    """Make ``--verbose``, for the group and for each command of the kit."""
    return click.Option(
        ["--verbose"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_verbose,
        help="Print the traceback of an error; secrets are masked.",
    )


def _set_verbose(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        os.environ[VERBOSE] = "1"


class KitCommand(click.Command):
    """A command of the kit. A fault prints a message and sets the exit code 1.

    It runs without an app context. Flask pushes one for the commands of an app. In a
    server's process, all requests would share this context and its ``g``.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.params.append(_make_verbose_option())

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return contextvars.Context().run(super().invoke, ctx)
        except Fault as fault:
            print_fault(fault)
            return ctx.exit(1)


class Group(FlaskGroup):
    """Looks a command up in the service first, then in the kit, then in Flask."""

    command_class = KitCommand

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.params.append(_make_verbose_option())

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> click.Context:
        extra.setdefault("obj", AppLoader(create_app=self.create_app))
        return super().make_context(info_name, args, parent, **extra)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        try:
            app = ctx.ensure_object(AppLoader).load_unchecked()
        except (NoAppException, Fault):
            # A command of the kit raises the fault again; its --help does not.
            return super().get_command(ctx, name)
        own = app.cli.get_command(ctx, name)
        if own is None or isinstance(own, LazyCommand):
            return super().get_command(ctx, name)
        if not current_app:
            ctx.with_resource(app.app_context())
        return own

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List names. If the service can't be loaded, print why and omit its own."""
        self._load_plugin_commands()
        names = set(self.commands)
        try:
            app = ctx.ensure_object(AppLoader).load_unchecked()
            names.update(app.cli.list_commands(ctx))
        except (NoAppException, Fault) as fault:
            text = fault.format_message() if hasattr(fault, "format_message") else fault
            click.secho(f"{text}\n", err=True)
        return sorted(names)


def pass_loader(command: Callable[Concatenate[AppLoader, P], T]) -> Callable[P, T]:
    """Call ``command`` with the loader of its app, also under ``flask``."""

    def call(*args: P.args, **options: P.kwargs) -> T:
        info = click.get_current_context().ensure_object(ScriptInfo)
        return command(AppLoader.from_info(info), *args, **options)

    return update_wrapper(call, command)


def print_fault(fault: Fault) -> None:
    """Print ``fault``, with a hint about ``dev`` if only a Redis is missing."""
    if is_verbose():
        for each in fault.faults if isinstance(fault, CheckFailed) else [fault]:
            click.echo(f"{_format_traceback(each)}\n", err=True)
    click.echo(str(fault), err=True)
    if any(_is_missing(key, fault) for key in EMBEDDED_KEYS):
        click.echo(f"\n{USE_DEV}", err=True)


def _format_traceback(fault: Exception) -> str:
    """Return the traceback of a fault, without secrets.

    A component's fault has kept the traceback of the component's exception. The
    exceptions that caused another fault are shown if the secrets in the configuration
    are known.
    """
    details = getattr(fault, "details", "")
    if isinstance(details, str) and details:
        return details
    values = _get_loaded_values()
    shown = traceback.format_exception(fault, chain=values is not None)
    return KnownSecrets(values or {}).mask("".join(shown)).rstrip("\n")


def _get_loaded_values() -> Mapping[str, Any] | None:
    """Return the configuration of the command's app; None if it is not loaded."""
    ctx = click.get_current_context(silent=True)
    info = ctx.find_object(ScriptInfo) if ctx is not None else None
    app = getattr(info, "_loaded_app", None)
    return app.config if app is not None else None


def _is_missing(key: str, fault: Fault) -> bool:
    """Whether ``fault``, or one of the faults in it, says that ``key`` is not set."""
    found = fault.faults if isinstance(fault, CheckFailed) else [fault]
    return any(isinstance(each, NotConfigured) and each.key == key for each in found)
