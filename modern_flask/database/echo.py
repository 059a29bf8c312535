"""Writes each statement of an engine with ``echo`` once.

SQLAlchemy adds a handler of its own to the engine's logger, for programs that configure
no logging. In a service the root logger's handler writes the same record again.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Engine

__all__ = ["echo_once"]

_LAYOUT = "%(asctime)s %(levelname)s %(name)s %(message)s"
"""The format of SQLAlchemy's own handler, which is its only mark."""


def echo_once(engine: Engine) -> None:
    """Silence SQLAlchemy's own handlers while another handler writes their records."""
    for part in (engine, engine.pool):
        # With `echo`, this is a wrapper around the logger.
        logger: Any = getattr(part.logger, "logger", part.logger)
        for handler in logger.handlers:
            own = getattr(handler.formatter, "_fmt", None) == _LAYOUT
            if own and type(handler) is logging.StreamHandler and not handler.filters:
                handler.addFilter(_NoOtherHandler(handler))


class _NoOtherHandler(logging.Filter):
    """Passes the records that no other handler gets."""

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__()
        self._handler = handler

    def filter(self, record: logging.LogRecord) -> bool:
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(each is not self._handler for each in logger.handlers):
                return False
            logger = logger.parent if logger.propagate else None
        return True
