"""The command ``manifests``: prints a service's manifests, or checks written ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config.masking import redact
from ..wiring import get_bound, is_configured
from .commands import cli
from .group import pass_loader
from .loader import AppLoader

if TYPE_CHECKING:
    from flask import Flask

    from ..server.deploy.plan import Plan

__all__ = ["manifests_command"]

_DOCKERFILE = "dockerfile"
_PARTS = ("rbac", "deployment", "worker", "service", "hpa", "pdb")


class _Names(click.ParamType[list[str]]):
    """Names with commas between them."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[str]:
        names = [name.strip() for name in value.split(",")]
        for name in names:
            if name not in (*_PARTS, _DOCKERFILE):
                self.fail(
                    f"{name!r} is not a part. The parts are {', '.join(_PARTS)} and "
                    f"{_DOCKERFILE}.",
                    param,
                    ctx,
                )
        if _DOCKERFILE in names and len(names) > 1:
            self.fail(f"{_DOCKERFILE} is not YAML, so it is printed alone.", param, ctx)
        return names


class _Variable(click.ParamType[tuple[str, str]]):
    """An environment variable and its value."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        name, found, text = value.partition("=")
        if not found or not name:
            self.fail(f"{value!r} is not NAME=VALUE.", param, ctx)
        return name, text


@cli.command("manifests", with_appcontext=False)
@click.option(
    "--only",
    type=_Names(),
    metavar="PARTS",
    help=f"Print only these: {', '.join(_PARTS)}; or {_DOCKERFILE}, alone.",
)
@click.option("--image", help="The image.  [default: NAME:latest]")
@click.option("--namespace", default="default", show_default=True)
@click.option(
    "--replicas",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="The least number of pods that serve.",
)
@click.option(
    "--config-source",
    help="CONFIG_SOURCE in the pods.  [default: that of this shell, if it is no file]",
)
@click.option(
    "--env",
    "variables",
    type=_Variable(),
    multiple=True,
    help="A further variable for the pods.",
)
@click.option("--service-monitor", is_flag=True, help="Print a ServiceMonitor, too.")
@click.option("--check", is_flag=True, help="Check FILES instead of printing.")
@click.argument("files", nargs=-1)
@pass_loader
def manifests_command(
    loader: AppLoader, /, files: tuple[str, ...], check: bool, **options: Any
) -> None:
    """Print the service's Kubernetes manifests, or check FILES against it.

    The settings of the service decide about paths, ports and times. With --check, each
    line names what does not fit, and the exit code is 1. `-` is the standard input.
    Nothing is opened, and no cluster is asked.
    """
    if bool(files) != check:
        raise click.UsageError(
            "--check needs the FILES to check." if check else "FILES need --check."
        )
    # Unchecked: the real configuration may only be in the cluster.
    app = loader.load_unchecked()
    values = get_bound(app).container.config()
    if check:
        _check(app, loader.import_path, files, options["config_source"])
        return
    plan = _make_plan(app, loader.import_path, options)
    only = options["only"] or list(_PARTS)
    if _DOCKERFILE in only:
        from ..server.deploy.dockerfile import write_dockerfile

        click.echo(write_dockerfile(plan, values, Path.cwd()), nl=False)
        return
    click.echo(_write(plan, only, options))


def _write(plan: Plan, only: list[str], options: dict[str, Any]) -> str:
    from ..server.deploy.manifests import write_manifests
    from ..server.errors import NotMonitored

    if options["service_monitor"]:
        if not plan.settings.metrics and not plan.settings.open_port:
            raise NotMonitored
        only = [*only, "service-monitor"]
    return write_manifests(plan, only)


def _make_plan(app: Flask, import_path: str, options: dict[str, Any]) -> Plan:
    """Make the plan of the manifests.

    Raises:
        NotConfigured: A worker is asked for by name, and Celery is not configured.
    """
    from ..server.deploy.plan import Plan, make_name
    from ..server.deploy.settings import read_settings

    container = get_bound(app).container
    values = container.config()
    service = os.environ.get("SERVICE_NAME") or str(values["SERVICE_NAME"])
    celery = container.providers.get("celery")
    has_worker = celery is not None and is_configured(celery)
    if celery is not None and not has_worker and "worker" in (options["only"] or ()):
        celery()
    return Plan(
        service=service,
        app=import_path,
        image=options["image"] or f"{make_name(service)}:latest",
        namespace=options["namespace"],
        replicas=options["replicas"],
        settings=read_settings(values),
        source=options["config_source"] or _find_source(),
        variables=dict(options["variables"]),
        has_worker=has_worker,
    )


def _find_source() -> str:
    """Return ``CONFIG_SOURCE`` if it has the same meaning in a pod, and no secret."""
    text = os.environ.get("CONFIG_SOURCE", "").strip()
    return text if "://" in text and redact(text) == text else ""


def _check(app: Flask, import_path: str, files: tuple[str, ...], source: str) -> None:
    """Print what does not fit, and exit with 1 if there is anything."""
    from ..server.deploy.check import check_files
    from ..server.deploy.service import Service

    service = Service.read(app, import_path, source or "", cli.commands)
    found = check_files(service, files)
    for each in found:
        click.echo(str(each))
    if found:
        sys.exit(1)
    read = service.values.searched[0] if service.values.searched else "the defaults"
    click.echo(f"The manifests fit {service.name}, as {read} configures it.")
