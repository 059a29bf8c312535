"""Celery from the configuration. A task runs in the app context, like a request."""

from .celery_app import get_tasks, list_task_names, open_celery, ping
from .default_app import set_default_app
from .errors import BadBackend, BadBroker

__all__ = [
    "BadBackend",
    "BadBroker",
    "get_tasks",
    "list_task_names",
    "open_celery",
    "ping",
    "set_default_app",
]
