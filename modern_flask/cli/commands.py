"""Commands on Flask's own command line; a service's own win over them."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from flask import Flask, current_app
from flask.cli import FlaskGroup, NoAppException, ScriptInfo

from .app import faults, start
from .config import masked, rows
from .errors import Fault, NotConfigured
from .observability import multiprocess
from .wiring import get_bound, is_configured
from .wiring.check import open_faults
from .wiring.errors import CheckFailed
from .wiring.idle import idle

__all__ = ["cli", "main"]

BIND = "127.0.0.1:8000"
NUMBER: dict[str, Any] = {"type": click.IntRange(1), "default": 1, "show_default": True}
# What `dev` sets where nothing else does: the provider, the key, the Redis database.
BROUGHT = {"REDIS_URL": ("redis", 0), "CELERY_BROKER_URL": ("celery", 1)}
# What `dev` calls the keys that say where data lies.
PLACES = {"database": "DATABASE_ENGINE_URL", "storage": "STORAGE_FOLDER"}


class Service(ScriptInfo):
    """Loads the app once, and tells all that is wrong with its configuration."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._checked = False
        self._fault: Fault | None = None

    def load_app(self) -> Flask:
        app = self.load_unchecked()
        if not self._checked and "modern_flask" in app.extensions:
            self._checked = True
            refuse(list(open_faults(get_bound(app).container)))
        return app

    def load_unchecked(self) -> Flask:
        # A source that does not answer is waited for once.
        if self._fault is not None:
            raise self._fault
        try:
            return super().load_app()
        except Fault as fault:
            self._fault = fault
            raise

    def load_whole(self) -> Flask:
        """The app, with the wiring checked too.

        Raises:
            CheckFailed: It can't start.
        """
        app = self.load_unchecked()
        get_bound(app)
        refuse(faults(app))
        self._checked = True
        return app


def refuse(found: list[Exception]) -> None:
    if len(found) == 1:
        raise found[0]
    if found:
        raise CheckFailed(found)


def lacks(fault: Fault, key: str) -> bool:
    """Whether it is that ``key`` is not set."""
    found = fault.faults if isinstance(fault, CheckFailed) else [fault]
    return any(isinstance(each, NotConfigured) and each.key == key for each in found)


class Group(FlaskGroup):
    """Looks a command up in the service first, then here, then in Flask."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> click.Context:
        extra.setdefault("obj", Service(create_app=self.create_app))
        return super().make_context(info_name, args, parent, **extra)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        info = ctx.ensure_object(Service)
        try:
            app = info.load_unchecked()
        except (NoAppException, Fault):
            # A command of ours raises it again, and its --help does not.
            return super().get_command(ctx, name)
        own = app.cli.get_command(ctx, name)
        if own is None:
            return super().get_command(ctx, name)
        if not current_app:
            ctx.with_resource(app.app_context())
        return own

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names; a service that can't be loaded says why and hides only its own."""
        self._load_plugin_commands()
        names = set(self.commands)
        try:
            app = ctx.ensure_object(Service).load_unchecked()
            names.update(app.cli.list_commands(ctx))
        except (NoAppException, Fault) as fault:
            text = fault.format_message() if hasattr(fault, "format_message") else fault
            click.secho(f"{text}\n", err=True)
        return sorted(names)


cli = Group(
    name="modern-flask",
    help="Run, check and develop a service.",
    add_version_option=False,
)
service = click.make_pass_decorator(Service, ensure=True)
# Each command below loads the app as it needs it: an app context, which Flask would
# push, comes with a check that ends at the first kind of fault.


@cli.command("serve", with_appcontext=False)
@click.option("--bind", default=BIND, show_default=True, help="HOST:PORT.")
@click.option("--workers", **NUMBER, help="Processes.")
@click.option("--threads", **NUMBER, help="Threads of each.")
@click.option("--reload", is_flag=True, help="Restart when the code changes.")
@service
def serve_command(
    info: Service, bind: str, workers: int, threads: int, reload: bool
) -> None:
    """Serve with gunicorn and the kit's settings."""
    if not reload:
        # Before anything that is measured is imported.
        multiprocess.prepare(workers)
    app = info.load_whole()
    from .server.address import check_address
    from .server.serve import serve, serve_reloading

    check_address(bind)
    if reload:
        folder = Path(app.root_path)
        serve_reloading(path_of(info), folder, bind, workers, threads)
    serve(app, bind=bind, workers=workers, threads=threads)


def path_of(info: Service) -> str:
    """What ``--app`` or ``FLASK_APP`` names, or what Flask looks for without them."""
    found = next((p for p in ("wsgi.py", "app.py") if Path(p).is_file()), "app.py")
    return info.app_import_path or os.environ.get("FLASK_APP") or found


@cli.command(
    "worker",
    with_appcontext=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@service
def worker_command(info: Service, options: tuple[str, ...]) -> None:
    """Run a Celery worker; OPTIONS are those of `celery worker`."""
    app = info.load_whole()
    # Logging first: what is opened before it can't tell of its end.
    start(app)
    celery = get_bound(app).container.celery()
    from .server.worker import worker_words

    words = worker_words(options, str(app.config["SERVICE_NAME"]), os.environ)
    # It returns the exit code instead of leaving with it.
    sys.exit(celery.worker_main(["worker", *words]))


@cli.command("config", with_appcontext=False)
@service
def config_command(info: Service) -> None:
    """Print every key with its value, secrets masked, and where it was set."""
    app = info.load_unchecked()
    container = get_bound(app).container
    for key, value, origin in rows(container.config()):
        click.echo(f"{key} = {value!r}    # {origin or 'a default'}")
    refuse(list(open_faults(container)))


@cli.command("check", with_appcontext=False)
@service
def check_command(info: Service) -> None:
    """Say whether the service can start, as one list of faults."""
    app = info.load_unchecked()
    container = get_bound(app).container
    refuse(faults(app))
    for text in idle(get_bound(app).container):
        click.echo(text, err=True)
    names = [
        name
        for name in container.pings()
        if name in container.providers and is_configured(container.providers[name])
    ]
    click.echo(f"The service can start. Configured: {', '.join(names) or 'nothing'}.")


@cli.command("graph", with_appcontext=False)
@click.option(
    "--format",
    "language",
    type=click.Choice(["mermaid", "dot"]),
    default="mermaid",
    show_default=True,
    help="The language of the drawing.",
)
@service
def graph_command(info: Service, language: str) -> None:
    """Draw the container: providers, lifetimes, keys, and who asks for what."""
    app = info.load_unchecked()
    from .app import picture
    from .wiring.draw import draw

    click.echo(draw(picture(app), language))
    refuse(list(open_faults(get_bound(app).container)))


@cli.command("create-tables", with_appcontext=False)
@service
def create_tables_command(info: Service) -> None:
    """Make the tables that are missing, of every model that the service imports."""
    app = info.load_app()
    from sqlalchemy.exc import DBAPIError

    from .database import create_tables
    from .database.faults import TablesNotMade

    container = get_bound(app).container
    with get_bound(app).lifecycle.running():
        try:
            create_tables(container.engine())
        except DBAPIError as error:
            key = "DATABASE_ENGINE_URL"
            origin = container.config().origin(key)
            place = f"the database of {key}{f', set in {origin}' if origin else ''}"
            why = next(iter(str(error.orig).splitlines()), type(error).__name__)
            raise TablesNotMade(place, why) from error


@cli.command("dev", with_appcontext=False)
@click.option("--bind", default=BIND, show_default=True, help="HOST:PORT.")
@service
def dev_command(info: Service, bind: str) -> None:
    """Make the tables; start a server with reload, a worker and a Redis."""
    app = info.load_app()
    container = get_bound(app).container
    from .server.dev import Plan, develop

    values = container.config()
    needs = {
        key: number
        for key, (provider, number) in BROUGHT.items()
        if not is_configured(container.providers[provider])
    }
    if find_spec("celery") is None:
        # A service without tasks need not have it.
        needs.pop("CELERY_BROKER_URL", None)
    plan = Plan(
        app=path_of(info),
        bind=bind,
        folder=Path(app.root_path, "var", "redis"),
        needs=needs,
        tables=is_configured(container.providers["engine"]),
        worker="CELERY_BROKER_URL" in needs or is_configured(container.celery),
        data={
            name: str(masked(key, values[key]))
            for name, key in PLACES.items()
            if values.get(key)
        },
    )
    click.echo(f"{app.import_name} in development:")
    sys.exit(develop(plan, click.echo))


def main() -> None:
    """The command ``modern-flask``: a fault is a message and the exit code 1."""
    try:
        cli.main(prog_name="modern-flask")
    except Fault as fault:
        click.echo(str(fault), err=True)
        if any(lacks(fault, key) for key in BROUGHT):
            click.echo("\n`modern-flask dev` brings a Redis of its own.", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
