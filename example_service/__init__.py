"""A file drop: a view stores an upload, a task reads it, a page shows the result."""

from typing import Any

import modern_flask

from . import tasks, views
from .container import Container

__all__ = ["create_app", "tasks"]


def create_app(**config: Any) -> modern_flask.App:
    """Make the service; ``config`` overrides every other source."""
    return modern_flask.create_app(
        __name__, Container(), blueprints=[views.blueprint], config=config
    )
