"""Runs gunicorn with the kit's settings, for ``serve`` with and without reload."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from flask import Flask
from flask.cli import ScriptInfo
from gunicorn.app.base import Application, BaseApplication
from gunicorn.util import make_fail_app

from ..errors import Fault
from ..observability.logs.formats import make_formatter
from ..startup import faults
from ..wiring import get_bound
from ..wiring.errors import CheckFailed
from . import settings
from .logger import make_logger_class

__all__ = ["load", "serve", "serve_reloading"]

# Gunicorn's logger, because these lines belong to the log of the server.
logger = logging.getLogger("gunicorn.error")


def serve(app: Flask, **options: Any) -> None:
    """Serve ``app`` until a signal ends it; the workers share the app's memory.

    Args:
        app: The app, loaded and checked. None of its components is open.
        **options: Settings of gunicorn. They override the kit's.
    """
    _Server(app, options).run()


def serve_reloading(
    name: str, folder: Path, asked: Mapping[str, Any], words: Sequence[str]
) -> NoReturn:
    """Replace this process by a gunicorn that reloads the code when it changes.

    This process has imported the service, so its forked workers would keep the old
    code. Therefore a new interpreter replaces it.

    Args:
        name: The value of ``--app``.
        folder: The service's folder; its files are watched even if an import fails.
        asked: Settings of gunicorn by the names of its long options.
        words: Further options of gunicorn.
    """
    os.environ["FLASK_APP"] = name
    command = [sys.executable, "-m", "gunicorn"]
    command += ["-c", f"python:{settings.__name__}", "--reload", *words]
    for option, value in asked.items():
        command += [f"--{option}", str(value)]
    # For a package, watch its whole folder. The folder of a single file may also have a
    # virtual environment in it, so watch only the files that are directly in it.
    pattern = "**/*.py" if (folder / "__init__.py").exists() else "*.py"
    command += ["--reload-extra-file", str(folder / pattern)]
    os.execv(sys.executable, [*command, f"{__name__}:load()"])


def load() -> Any:
    """Load the app of ``FLASK_APP``, or make an app that shows why it can't start.

    During editing the code is often incomplete, and a worker that fails at start would
    end the server.
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


class _Server(BaseApplication):  # type: ignore[misc]
    """Gunicorn for an app that is already loaded."""

    def __init__(self, app: Flask, options: dict[str, Any]) -> None:
        self._app, self._options = app, options
        super().__init__()

    def load_config(self) -> None:
        own = {k: v for k, v in vars(settings).items() if k in self.cfg.settings}
        own |= {"preload_app": True, "logger_class": self._make_logger_class()}
        for name, value in own.items():
            self.cfg.set(name, value)
        options = dict(self._options)
        if file := options.pop("config", None):
            self.load_config_from_file(file)
        for name, value in options.items():
            self.cfg.set(name, value)

    def load_config_from_file(self, filename: str) -> None:
        """Load a file of gunicorn's settings, as ``gunicorn -c`` does."""
        Application.load_config_from_module_name_or_filename(self, filename)

    get_config_from_filename = Application.get_config_from_filename
    get_config_from_module_name = Application.get_config_from_module_name

    def _make_logger_class(self) -> type[Any]:
        """Make the class that gives the master's log the format of the workers' log."""
        values = get_bound(self._app).container.config()
        return make_logger_class(make_formatter(values.section("LOGGING_")))

    def load(self) -> Any:
        return self._app
