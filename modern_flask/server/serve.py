"""Gunicorn with the kit's settings."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from flask import Flask
from flask.cli import ScriptInfo
from gunicorn.app.base import BaseApplication
from gunicorn.util import make_fail_app

from ..app import faults
from ..errors import Fault
from ..observability.logs.formats import make_formatter
from ..wiring import get_bound
from ..wiring.errors import CheckFailed
from . import settings
from .logger import logger_with

__all__ = ["load", "serve", "serve_reloading"]

logger = logging.getLogger("gunicorn.error")


def serve(app: Flask, **options: Any) -> None:
    """Serve ``app`` until a signal ends it; workers share the memory it takes.

    Args:
        app: Loaded and checked; nothing of it is open.
        options: Gunicorn's settings, over the kit's.
    """
    _Server(app, options).run()


def serve_reloading(
    name: str, folder: Path, bind: str, workers: int, threads: int
) -> NoReturn:
    """Become a gunicorn whose workers read the code again when it changes.

    This process has imported the service: a worker forked from it would keep the old
    code, so a fresh interpreter takes its place.

    Args:
        name: What ``--app`` names.
        folder: Of the service: what is in it is watched even if it can't be imported.
        bind: ``HOST:PORT``.
        workers: Processes.
        threads: Threads of each.
    """
    os.environ["FLASK_APP"] = name
    command = [sys.executable, "-m", "gunicorn"]
    command += ["-c", f"python:{settings.__name__}", "--reload", "--bind", bind]
    command += ["--workers", str(workers), "--threads", str(threads)]
    # All of a package; the folder of a single file may hold a virtual environment.
    below = "**/*.py" if (folder / "__init__.py").exists() else "*.py"
    command += ["--reload-extra-file", str(folder / below)]
    os.execv(sys.executable, [*command, f"{__name__}:load()"])


def load() -> Any:
    """The app that ``FLASK_APP`` names; while it can't start, one that says why.

    A worker that failed would end the server, and an edit is often half a thought.
    """
    try:
        app = ScriptInfo(app_import_path=os.environ["FLASK_APP"]).load_app()
        if found := faults(app):
            raise CheckFailed(found)
    except Exception as error:
        text = str(error) if isinstance(error, Fault) else traceback.format_exc()
        logger.error("%s", text)
        return make_fail_app(text)
    return app


def _logger_of(app: Flask) -> type[Any]:
    """The app is loaded here: the master's lines have the form of its workers'."""
    values = get_bound(app).container.config()
    return logger_with(make_formatter(values.section("LOGGING_")))


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, app: Flask, options: dict[str, Any]) -> None:
        self._app, self._options = app, options
        super().__init__()

    def load_config(self) -> None:
        own = {k: v for k, v in vars(settings).items() if k in self.cfg.settings}
        own |= {"preload_app": True, "logger_class": _logger_of(self._app)}
        for name, value in {**own, **self._options}.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._app
