"""Gunicorn's logger, with the kit's lines from its first one on."""

from __future__ import annotations

import logging
from typing import Any

from gunicorn.glogging import Logger

from ..observability.logs.gunicorn import set_formatter

__all__ = ["logger_with"]


def logger_with(formatter: logging.Formatter) -> type[Logger]:
    """A ``logger_class`` whose lines are written by ``formatter``, the master's too."""

    class Lines(Logger):  # type: ignore[misc]
        def setup(self, cfg: Any) -> None:
            super().setup(cfg)
            set_formatter(formatter)

    return Lines
