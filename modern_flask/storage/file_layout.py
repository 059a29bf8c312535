"""How a folder's files stand for keys, and what is written behind their bytes."""

import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import IO

from .storage import ObjectInfo
from .keys import is_portable

__all__ = [
    "TEMPORARY",
    "Crc32",
    "FileBody",
    "NoObjectFile",
    "key_of_path",
    "path_of_folder",
    "path_of_key",
    "read_trailer",
    "synced",
    "trailer",
]

# A percent sign of a key is written as %25, so that these marks are ours alone: the
# object `a` is the file `a%o` beside the folder `a` of the object `a/b`.
_OBJECT = "%o"
_CONTINUED = "%-"
TEMPORARY = "%t"

_LONGEST_NAME = 200  # bytes: a file system allows 255, a key's segment may have 850
_MAGIC = b"modern-flask/1"
_FOOT = 8 + len(_MAGIC)  # bytes: the length of the JSON text, and the magic


class FileBody:
    """An open file as a reader wants it: its faults are this package's."""

    def __init__(
        self, file: IO[bytes], answers: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._file, self._answers = file, answers

    def read(self, size: int, /) -> bytes:
        with self._answers():
            return self._file.read(size)

    def close(self) -> None:
        self._file.close()


class NoObjectFile(Exception):
    """A file that this storage has not written."""


class Crc32:
    """A checksum of the standard library: this vendor needs no extra."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes, /) -> None:
        self.value = zlib.crc32(data, self.value)


def _names_of(key: str) -> list[str]:
    """The folders of a key and, last, its file without the ending."""
    names: list[str] = []
    for segment in key.split("/"):
        first, *further = cut(segment.replace("%", "%25"))
        names += [first, *(_CONTINUED + piece for piece in further)]
    return names


def path_of_key(key: str) -> Path:
    """The file of an object, seen from the storage's folder."""
    *folders, name = _names_of(key)
    return Path(*folders, name + _OBJECT)


def path_of_folder(key: str) -> Path:
    """The folder of the objects whose keys begin with ``key/``."""
    return Path(*_names_of(key)) if key else Path()


def cut(name: str) -> Iterator[str]:
    """``name`` in pieces that a file system takes."""
    piece = ""
    for letter in name:
        if len((piece + letter).encode()) > _LONGEST_NAME:
            yield piece
            piece = ""
        piece += letter
    yield piece


def key_of_path(path: Path) -> str:
    """The key that a file stands for; empty where it is no object's file."""
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


def trailer(info: ObjectInfo, crc32: int) -> bytes:
    """What is written behind an object's bytes."""
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


def read_trailer(file: IO[bytes], key: str) -> tuple[ObjectInfo, int]:
    """The info and the CRC-32 of the object in ``file``.

    Raises:
        NoObjectFile: The file does not end as this storage's files do.
    """
    try:
        end = file.seek(-_FOOT, os.SEEK_END)
        foot = file.read(_FOOT)
        length = int.from_bytes(foot[:8], "big")
        size = file.seek(end - length)
        known = json.loads(file.read(length))
        if foot[8:] != _MAGIC or known["size"] != size:
            raise NoObjectFile(f"{file.name} has been changed")
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
        raise NoObjectFile("the end of the file can't be read") from error


def synced(folder: Path) -> None:
    """Make a rename last through a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
