"""Celery from the configuration; a task runs in the app's context, as requests do."""

from .celery_app import names_of, open_celery, ping, tasks_of
from .default_app import share
from .urls import BadBackend, BadBroker

__all__ = [
    "BadBackend",
    "BadBroker",
    "names_of",
    "open_celery",
    "ping",
    "share",
    "tasks_of",
]
