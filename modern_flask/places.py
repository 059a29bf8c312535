"""Places in code: which file and line of the service raised an exception."""

from __future__ import annotations

import os
import sysconfig
from traceback import walk_tb
from types import TracebackType

__all__ = ["find_service_place", "locate_line"]

_KIT = os.path.dirname(os.path.abspath(__file__)) + os.sep
_LIBRARIES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def locate_line(file: str, line: int | None) -> str:
    """Return ``orders/mail.py, line 12``. Below the current folder it is relative."""
    try:
        near = os.path.relpath(file)
    except ValueError:  # on another drive
        near = os.pardir
    shown = file if near.startswith(os.pardir) else near
    return shown if line is None else f"{shown}, line {line}"


def find_service_place(
    traceback: TracebackType | None, package: str | None = None
) -> str:
    """Return the innermost file and line that belong to the service; empty if none do.

    Args:
        traceback: The traceback of an exception.
        package: The top package of the service. It counts as the service even if it is
            installed among the libraries, as in an image of a container.
    """
    for frame, line in reversed(list(walk_tb(traceback))):
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        named = package not in (None, "", "modern_flask") and top == package
        if named or not _is_library(frame.f_code.co_filename):
            return locate_line(frame.f_code.co_filename, line)
    return ""


def _is_library(file: str) -> bool:
    if file.startswith("<") or any(part in file for part in _LIBRARIES):
        return True
    standard = tuple(
        path + os.sep
        for name in ("stdlib", "platstdlib")
        if (path := sysconfig.get_path(name))
    )
    return file.startswith((_KIT, *standard))
