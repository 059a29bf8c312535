"""Settings for gunicorn: ``gunicorn -c python:modern_flask.server.settings``.

There is one worker with one thread, because a cluster scales by processes of one CPU.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from ..observability.logs.formats import JsonFormatter
from ..observability.logs.gunicorn import ACCESS, ACCESS_FORMAT, complete_record
from ..observability.metrics import multiprocess
from .apps import find_app
from .logger import make_logger_class

bind = os.environ.get("GUNICORN_BIND", "127.0.0.1:8000")
workers = 1
threads = 1
worker_class = "modern_flask.server.Worker"
worker_connections = 10_000
# Seconds. Balancers keep their connections for about a minute, and must close first.
keepalive = 75
# Seconds. Kubernetes gives a pod 30 s, so there is time left to close the components.
graceful_timeout = 20
# For the heartbeat file: /tmp may be on a disk, or missing in a read-only image.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
control_socket_disable = True
accesslog = "-"
access_log_format = ACCESS_FORMAT
# Only a worker reads the whole configuration. The master reads only the environment.
if os.environ.get("FLASK_LOGGING_FORMAT") == "json":
    logger_class = make_logger_class(JsonFormatter())


def nworkers_changed(server: Any, new: int, old: int | None) -> None:
    """Prepare the metric files that several workers share, before the app is loaded."""
    if old is None:
        multiprocess.prepare_folder(new)
    elif old == 1 and new > 1 and multiprocess.find_folder() is None:
        # A signal (TTIN or HUP) has added workers to a single one.
        server.log.warning(
            "Each of the %d workers exposes only its own metrics: they share their "
            "metrics only if the server starts with several workers.",
            new,
        )


def child_exit(server: Any, worker: Any) -> None:
    """Keep a dead worker's counters."""
    multiprocess.merge_worker(worker.pid)


def on_exit(server: Any) -> None:
    """Remove the shared metric files."""
    multiprocess.remove_folder()


def post_worker_init(worker: Any) -> None:
    """Open the configured components after the fork, before the first request."""
    from ..startup import open_components, start

    # For every app, even without a container: the filter keeps queries and decoded line
    # breaks out of the access log.
    logging.getLogger(ACCESS).addFilter(complete_record)
    app = find_app(worker.app.callable)
    if app is not None:
        start(app)
        open_components(app)


def worker_exit(server: Any, worker: Any) -> None:
    """Close the components, telemetry last, and log the errors."""
    from ..wiring import get_bound

    # If the worker failed while it loaded the app, there is no callable.
    app = find_app(getattr(worker.app, "callable", None))
    if app is not None:
        try:
            get_bound(app).lifecycle.close()
        except ExceptionGroup as failures:
            worker.log.error("%s", failures, exc_info=failures)
