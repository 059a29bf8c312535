"""A logger for gunicorn that uses the kit's log format from the first line."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger

from ..observability.logs.gunicorn import set_formatter

__all__ = ["make_logger_class"]


def make_logger_class(formatter: logging.Formatter) -> type[Logger]:
    """Make a ``logger_class`` for gunicorn with ``formatter``, also for the master."""

    class KitLogger(Logger):  # type: ignore[misc]
        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            set_formatter(formatter)

    return KitLogger
