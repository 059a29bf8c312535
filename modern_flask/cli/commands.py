"""The commands of ``modern-flask``. Each imports most of its modules when it runs."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask import Flask

from ..config import list_values, mask_value
from ..config.known_secrets import KnownSecrets
from ..observability.metrics import multiprocess
from ..pages import list_pinged
from ..startup import faults, list_own_components, make_explanation, start, warnings
from ..wiring import get_bound, is_configured
from ..wiring.checks.opening import check_opening, is_kit_component
from .group import EMBEDDED_KEYS, Group, pass_loader
from .loader import AppLoader, raise_faults

if TYPE_CHECKING:
    from ..server.dev import Plan

__all__ = ["cli"]

_BIND = "127.0.0.1:8000"
_NUMBER: dict[str, Any] = {
    "type": click.IntRange(1),
    "default": 1,
    "show_default": True,
}
_DATA = {"database": "DATABASE_ENGINE_URL", "storage": "STORAGE_FOLDER"}
"""The keys for the places of data, by the names that ``dev`` prints."""

cli = Group(
    name="modern-flask",
    help="Run, check and develop a service.",
    add_version_option=False,
)
click.version_option(
    package_name="modern-flask",
    prog_name="modern-flask",
    message="%(prog)s %(version)s",
)(cli)
# Each command below loads the app itself. Flask would load it with an app context, and
# with a check that stops at the first kind of fault.


@cli.command("serve", with_appcontext=False)
@click.option("--bind", default=_BIND, show_default=True, help="HOST:PORT.")
@click.option("--workers", **_NUMBER, help="The number of processes.")
@click.option("--threads", **_NUMBER, help="The number of threads in each process.")
@click.option("--reload", is_flag=True, help="Restart when the code changes.")
@pass_loader
def serve_command(
    loader: AppLoader, bind: str, workers: int, threads: int, reload: bool
) -> None:
    """Serve with gunicorn and the kit's settings."""
    if not reload:
        # This must run before any module with metrics is imported. If the command line
        # has imported the service already, to look for its commands, and the service
        # imports prometheus_client, this command begins anew.
        multiprocess.prepare_folder(workers, restart=True)
    try:
        app = loader.load_checked()
        from ..server.address import check_address
        from ..server.serve import serve, serve_reloading

        check_address(bind)
        if reload:
            folder = Path(app.root_path)
            serve_reloading(loader.import_path, folder, bind, workers, threads)
        serve(app, bind=bind, workers=workers, threads=threads)
    finally:
        multiprocess.remove_folder()


@cli.command(
    "worker",
    with_appcontext=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@pass_loader
def worker_command(loader: AppLoader, options: tuple[str, ...]) -> None:
    """Run a Celery worker with the OPTIONS of `celery worker`."""
    app = loader.load_checked()
    # Logging opens first, because it must close last: other components log at closing.
    start(app)
    celery = get_bound(app).container.celery()
    from ..server.celery_options import complete_options

    words = complete_options(options, str(app.config["SERVICE_NAME"]), os.environ)
    # worker_main returns the exit code, but does not exit.
    sys.exit(celery.worker_main(["worker", *words]))


@cli.command("config", with_appcontext=False)
@pass_loader
def config_command(loader: AppLoader) -> None:
    """Print every key with its value and its origin; secrets are masked."""
    app = loader.load_unchecked()
    container = get_bound(app).container
    values = container.config()
    # A secret may be part of another value, such as a connection string.
    secrets = KnownSecrets(values)
    for key, value, origin in list_values(values):
        shown = secrets.hide(repr(value))
        click.echo(f"{key} = {shown}    # {origin or 'a default'}")
    raise_faults(list(check_opening(container, is_kit_component)))


@cli.command("check", with_appcontext=False)
@pass_loader
def check_command(loader: AppLoader) -> None:
    """Report whether the service can start, with all faults at once.

    This opens no component of the service itself, and no connection.
    """
    app = loader.load_unchecked()
    container = get_bound(app).container
    for text in warnings(app):
        click.echo(text, err=True)
    raise_faults(faults(app))
    names, own = list_pinged(container), list_own_components(app)
    click.echo(f"The service can start. Configured: {', '.join(names) or 'nothing'}.")
    if own:
        click.echo(f"Not opened, because they are the service's own: {', '.join(own)}.")


@cli.command("graph", with_appcontext=False)
@click.option(
    "--format",
    "language",
    type=click.Choice(["mermaid", "dot"]),
    default="mermaid",
    show_default=True,
    help="The language of the drawing.",
)
@pass_loader
def graph_command(loader: AppLoader, language: str) -> None:
    """Draw the container: providers, lifetimes, keys and injections."""
    app = loader.load_unchecked()
    from ..startup import picture
    from ..wiring.draw import draw

    click.echo(draw(picture(app), language))
    container = get_bound(app).container
    raise_faults(list(check_opening(container, is_kit_component)))


@cli.command("create-tables", with_appcontext=False)
@pass_loader
def create_tables_command(loader: AppLoader) -> None:
    """Create the missing tables of every model that the service imports."""
    app = loader.load_app()
    from sqlalchemy.exc import DBAPIError

    from ..database import create_tables
    from ..database.errors import TablesNotMade

    container = get_bound(app).container
    with get_bound(app).lifecycle.running(make_explanation(app)):
        try:
            create_tables(container.engine())
        except DBAPIError as error:
            key = "DATABASE_ENGINE_URL"
            origin = container.config().origin(key)
            place = f"the database of {key}{f', set in {origin}' if origin else ''}"
            why = next(iter(str(error.orig).splitlines()), type(error).__name__)
            secrets = KnownSecrets(container.config())
            raise TablesNotMade(place, secrets.hide(why)) from error


@cli.command("dev", with_appcontext=False)
@click.option("--bind", default=_BIND, show_default=True, help="HOST:PORT.")
@pass_loader
def dev_command(loader: AppLoader, bind: str) -> None:
    """Create the tables; start a reloading server, a worker and a Redis."""
    app = loader.load_app()
    from ..server.dev import develop

    click.echo(f"{app.import_name} in development:")
    sys.exit(develop(_make_plan(app, loader.import_path, bind), click.echo))


def _make_plan(app: Flask, import_path: str, bind: str) -> Plan:
    """Make the plan of the parts that ``dev`` starts for ``app``."""
    from ..server.dev import Plan

    container = get_bound(app).container
    values = container.config()
    databases = {
        key: number
        for key, (provider, number) in EMBEDDED_KEYS.items()
        if not is_configured(container.providers[provider])
    }
    if find_spec("celery") is None:
        # A service without tasks does not need Celery.
        databases.pop("CELERY_BROKER_URL", None)
    return Plan(
        app=import_path,
        bind=bind,
        folder=Path(app.root_path, "var", "redis"),
        databases=databases,
        tables=is_configured(container.providers["engine"]),
        worker="CELERY_BROKER_URL" in databases or is_configured(container.celery),
        data={
            name: str(mask_value(key, values[key]))
            for name, key in _DATA.items()
            if values.get(key)
        },
    )
