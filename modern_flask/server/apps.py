"""Recognizes the app that a server serves."""

from __future__ import annotations

from typing import Any

from flask import Flask

__all__ = ["find_app"]


def find_app(wsgi_app: Any) -> Flask | None:
    """Return ``wsgi_app`` if it is a Flask app with a container, else None."""
    if isinstance(wsgi_app, Flask) and "modern_flask" in wsgi_app.extensions:
        return wsgi_app
    return None
