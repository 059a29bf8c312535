"""A storage in a local folder: one file for each object, replaced as a whole."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ..config.values import find_key, find_origin
from ..errors import UnknownSetting
from .errors import InvalidSetting, MissingSettings
from .folder.client import LocalClient
from .storage import Storage

__all__ = ["CHOOSE_FOLDER", "LocalStorage", "open_local"]

CHOOSE_FOLDER = "name a folder that this user may create, or write to"


def open_local(settings: Mapping[str, Any]) -> Iterator[Storage]:
    """Open the storage in the folder ``folder``, which is created if it is missing.

    Args:
        settings: ``folder``; a relative one starts at the working directory.

    Raises:
        MissingSettings: ``folder`` is not set.
        InvalidSetting: The folder can't be created or written.
        UnknownSetting: Anything else but ``vendor``.
    """
    for name in settings:
        if name not in {"vendor", "folder"}:
            known = [find_key(settings, "folder")]
            raise UnknownSetting(
                find_key(settings, name), find_origin(settings, name), known
            )
    if not settings.get("folder"):
        raise MissingSettings("local", [find_key(settings, "folder")])
    try:
        storage = LocalStorage(settings["folder"])
    except (OSError, TypeError, ValueError) as error:
        key, origin = find_key(settings, "folder"), find_origin(settings, "folder")
        reason = getattr(error, "strerror", "") or "it is not a path"
        raise InvalidSetting(key, origin, reason, CHOOSE_FOLDER) from error
    try:
        yield storage
    finally:
        storage.close()


class LocalStorage(Storage):
    """Objects in a folder. ``raw`` is the folder's path.

    Several processes may use one folder on one file system.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__(LocalClient(folder))
