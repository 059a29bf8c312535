"""The layout of a local storage: the file of each key, and the end of each file."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import IO

from ..errors import IntegrityError
from ..keys import is_portable
from ..object_info import ObjectInfo

__all__ = [
    "TEMPORARY",
    "FileBody",
    "make_folder_path",
    "make_path",
    "make_trailer",
    "parse_path",
    "read_trailer",
    "sync_folder",
]

# A percent sign of a key is written as %25, so that no key contains these marks: the
# object `a` is the file `a%o` beside the folder `a` of the object `a/b`.
_OBJECT = "%o"
_CONTINUED = "%-"
TEMPORARY = "%t"

_LONGEST_NAME = 200  # bytes: a file system allows 255, a key's segment may have 850
_MAGIC = b"modern-flask/1"
_FOOT = 8 + len(_MAGIC)  # bytes: the length of the JSON text, and the magic


class FileBody:
    """An open file whose errors are this package's errors.

    Args:
        file: The file.
        translate_errors: Makes the context in which the errors are translated.
    """

    def __init__(
        self,
        file: IO[bytes],
        translate_errors: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._file, self._translate_errors = file, translate_errors

    def read(self, size: int, /) -> bytes:
        with self._translate_errors():
            return self._file.read(size)

    def close(self) -> None:
        self._file.close()


def _split_key(key: str) -> list[str]:
    """The folders of a key and, last, its file without the ending."""
    names: list[str] = []
    for segment in key.split("/"):
        first, *further = _cut_name(segment.replace("%", "%25"))
        names += [first, *(_CONTINUED + piece for piece in further)]
    return names


def make_path(key: str) -> Path:
    """The file of an object, seen from the storage's folder."""
    *folders, name = _split_key(key)
    return Path(*folders, name + _OBJECT)


def make_folder_path(key: str) -> Path:
    """The folder of the objects whose keys begin with ``key/``."""
    return Path(*_split_key(key)) if key else Path()


def _cut_name(name: str) -> Iterator[str]:
    """``name`` in pieces that a file system allows."""
    piece = ""
    for letter in name:
        if len((piece + letter).encode()) > _LONGEST_NAME:
            yield piece
            piece = ""
        piece += letter
    yield piece


def parse_path(path: Path) -> str:
    """The key of the object in a file; empty if the file is not an object's."""
    if not path.name.endswith(_OBJECT):
        return ""
    text = ""
    for name in (*path.parts[:-1], path.name.removesuffix(_OBJECT)):
        if name.startswith(_CONTINUED):
            text += name.removeprefix(_CONTINUED)
        else:
            text += f"/{name}" if text else name
    key = text.replace("%25", "%")
    return key if is_portable(key) else ""


def make_trailer(info: ObjectInfo, crc32: int) -> bytes:
    """The end of an object's file: the info, its length in bytes, and the magic."""
    known = {
        "size": info.size,
        "crc32": crc32,
        "etag": info.etag,
        "last_modified": info.last_modified.isoformat(),
        "content_type": info.content_type,
        "metadata": dict(info.metadata),
    }
    text = json.dumps(known).encode()
    return text + len(text).to_bytes(8, "big") + _MAGIC


def read_trailer(file: IO[bytes], key: str, place: str) -> tuple[ObjectInfo, int]:
    """The info and the CRC-32 of the object in ``file``.

    Raises:
        IntegrityError: The file does not end in a valid trailer.
    """
    try:
        end = file.seek(-_FOOT, os.SEEK_END)
        foot = file.read(_FOOT)
        length = int.from_bytes(foot[:8], "big")
        size = file.seek(end - length)
        known = json.loads(file.read(length))
        if foot[8:] != _MAGIC or known["size"] != size:
            raise IntegrityError(key, place, "the file has been changed")
        info = ObjectInfo(
            key,
            size,
            known["etag"],
            datetime.fromisoformat(known["last_modified"]),
            known["content_type"],
            known["metadata"],
        )
        return info, int(known["crc32"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        reason = "the end of the file can't be read"
        raise IntegrityError(key, place, reason) from error


def sync_folder(folder: Path) -> None:
    """Make a rename survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
