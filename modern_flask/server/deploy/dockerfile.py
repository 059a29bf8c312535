"""The Dockerfile of a service: two stages, no root, and no shell at the start."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .plan import PORT, Plan

__all__ = ["find_extras", "write_dockerfile"]

_USER = 10001
"""No user of the node has this number."""

_TEXT = """\
FROM python:{python}-slim AS build
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1
WORKDIR /srv
{install}
FROM python:{python}-slim
# A number, because Kubernetes can't see whether a name is root (runAsNonRoot).
RUN useradd --uid {user} --no-create-home --shell /usr/sbin/nologin service
COPY --from=build /venv /venv
WORKDIR /srv
{copy}# The root file system may be read-only: nothing is compiled at run time.
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER {user}:{user}
EXPOSE {port}
# Lists, and no shell: the process has the number 1, and gets SIGTERM itself.
ENTRYPOINT {entry}
CMD {command}
"""

_PROJECT = """\
COPY . .
RUN pip install{extras} .
"""
_REQUIREMENTS = """\
COPY requirements.txt .
RUN pip install{extras} -r requirements.txt
"""
_NOTHING = """\
RUN pip install{extras}
"""

_OTLP = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
"""The settings that need the extra `otlp` where they name it."""

_DRIVERS = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


def write_dockerfile(plan: Plan, values: Mapping[str, Any], folder: Path) -> str:
    """Write the Dockerfile for a service whose project is in ``folder``.

    Args:
        plan: The service.
        values: The configuration, which decides about the extras of the kit.
        folder: The folder of the build. A ``pyproject.toml`` or a
            ``requirements.txt`` in it says what is installed.
    """
    names = find_extras(plan, values)
    extras = f" 'modern-flask[{','.join(names)}]'" if names else " modern-flask"
    if (folder / "pyproject.toml").is_file():
        install = _PROJECT
    elif (folder / "requirements.txt").is_file():
        install = _REQUIREMENTS
    else:
        install = _NOTHING
    serve = ["serve", "--bind", f"0.0.0.0:{PORT}", "--workers", "1", "--threads", "1"]
    return _TEXT.format(
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        install=install.format(extras=extras),
        copy=_write_copy(plan.app, folder),
        user=_USER,
        port=PORT,
        entry=json.dumps(["modern-flask", "--app", plan.app]),
        command=json.dumps(serve),
    )


def find_extras(plan: Plan, values: Mapping[str, Any]) -> list[str]:
    """Find the extras of the kit that the configured components need."""
    names = ["kubernetes"] if plan.key else []
    if values.get("STORAGE_VENDOR") in ("cos", "oss"):
        names.append(str(values["STORAGE_VENDOR"]))
    if plan.has_worker:
        names.append("celery")
    url = str(values.get("DATABASE_ENGINE_URL") or "")
    dialect = url.partition(":")[0].partition("+")[0]
    if dialect in _DRIVERS:
        names.append(_DRIVERS[dialect])
    variables = {**values, **plan.variables}
    if any("otlp" in str(variables.get(name) or "") for name in _OTLP):
        names.append("otlp")
    return names


def _write_copy(app: str, folder: Path) -> str:
    """Copy the service's package or module; all of the folder if it is not there."""
    name = app.partition(":")[0].removesuffix(".py").replace("/", ".").split(".")[0]
    if name and (folder / name).is_dir():
        copied = f"COPY {name} {name}"
    elif name and (folder / f"{name}.py").is_file():
        copied = f"COPY {name}.py ."
    else:
        copied = "COPY . ."
    return f"{copied}\nRUN python -m compileall -q .\n"
