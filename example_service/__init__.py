"""A file drop: upload a file, have it read by a task, look at what was found."""

from typing import Any

import modern_flask

from . import tasks, views
from .container import Container

__all__ = ["create_app", "tasks"]


def create_app(**config: Any) -> modern_flask.App:
    """The service; ``config`` wins over every source."""
    return modern_flask.create_app(
        __name__, Container(), blueprints=[views.blueprint], config=config
    )
