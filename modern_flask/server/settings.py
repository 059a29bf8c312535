"""Settings for gunicorn: ``gunicorn -c python:modern_flask.server.settings``.

One worker and one thread: a cluster schedules processes, and the unit is one CPU.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from flask import Flask

from ..observability.logs.formats import JsonFormatter
from ..observability.logs.gunicorn import ACCESS, ACCESS_FORMAT, complete_record
from ..observability.metrics import multiprocess
from .logger import logger_with

bind = os.environ.get("GUNICORN_BIND", "127.0.0.1:8000")
workers = 1
threads = 1
# Below the 30 s that Kubernetes gives a pod, so that what is open can still be closed.
graceful_timeout = 20
# The heartbeat's file: /tmp may be a disk, or missing in a read-only image.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
control_socket_disable = True
accesslog = "-"
access_log_format = ACCESS_FORMAT
# A worker learns the rest of the configuration; the master has the environment only.
if os.environ.get("FLASK_LOGGING_FORMAT") == "json":
    logger_class = logger_with(JsonFormatter())


def nworkers_changed(server: Any, new: int, old: int | None) -> None:
    """Before the app is loaded: several workers share the files of their metrics."""
    if old is None:
        multiprocess.prepare_folder(new)


def child_exit(server: Any, worker: Any) -> None:
    """A worker's numbers outlive it."""
    multiprocess.merge_worker(worker.pid)


def on_exit(server: Any) -> None:
    multiprocess.remove_folder()


def post_worker_init(worker: Any) -> None:
    """Open what is configured after the fork, before the first request."""
    from ..app import start
    from ..wiring import get_bound

    # Whatever is served: its lines have neither queries nor decoded line breaks.
    logging.getLogger(ACCESS).addFilter(complete_record)
    app = flask_app(worker.app.callable)
    if app is not None:
        start(app)
        get_bound(app).lifecycle.open()


def worker_exit(server: Any, worker: Any) -> None:
    """Close all of it, telemetry last."""
    from ..wiring import get_bound

    app = flask_app(getattr(worker.app, "callable", None))
    if app is not None:
        try:
            get_bound(app).lifecycle.close()
        except ExceptionGroup as failures:
            worker.log.error("%s", failures, exc_info=failures)


def flask_app(served: Any) -> Flask | None:
    """The kit's app among what is served; None where something else is."""
    if isinstance(served, Flask) and "modern_flask" in served.extensions:
        return served
    return None
