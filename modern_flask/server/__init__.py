"""The server: gunicorn with the kit's settings and the kit's worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .worker.worker import Worker

__all__ = ["Worker"]


def __getattr__(name: str) -> Any:
    # Imported at its first use, because only a server needs gunicorn's workers.
    if name != "Worker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .worker.worker import Worker

    return Worker
