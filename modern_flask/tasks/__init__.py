"""Celery from the configuration; a task runs in the app's context, as requests do."""

from modern_flask.tasks.current import share
from modern_flask.tasks.opening import names_of, open_celery, ping, tasks_of
from modern_flask.tasks.urls import BadBackend, BadBroker

__all__ = [
    "BadBackend",
    "BadBroker",
    "names_of",
    "open_celery",
    "ping",
    "share",
    "tasks_of",
]
