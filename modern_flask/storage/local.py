"""A storage in a folder: one file an object, replaced as a whole."""

import contextlib
import hashlib
import os
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from ..config.values import find_key, find_origin
from ..errors import UnknownSetting
from .errors import (
    IntegrityError,
    InvalidRange,
    InvalidSetting,
    MissingSettings,
    ObjectExists,
    ObjectNotFound,
    PermissionDenied,
    StorageUnavailable,
    Unsupported,
)
from .files import (
    TEMPORARY,
    Crc32,
    FileBody,
    NoObjectFile,
    key_of_path,
    path_of_folder,
    path_of_key,
    read_trailer,
    synced,
    trailer,
)
from .interface import Body, ObjectInfo, Page, Storage
from .keys import is_portable
from .reader import ObjectReader
from .transfer import chunks

__all__ = ["LocalStorage", "open_local"]

_PAGE = 1000  # objects, as many as the vendors list at once
_ABANDONED = 24 * 3600  # seconds: no upload takes a day
_RACES = 20  # how often a put makes its folder again when a delete has taken it


def open_local(settings: Mapping[str, Any]) -> Iterator[Storage]:
    """Open the storage in the folder ``folder``, which is made if it is not there.

    Args:
        settings: ``folder``; a relative one is seen from the working directory.

    Raises:
        MissingSettings: ``folder`` is not set.
        InvalidSetting: It can't be made or written.
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
        reason = getattr(error, "strerror", "") or "it is no path"
        remedy = "name a folder that this user may make, or write to"
        raise InvalidSetting(key, origin, reason, remedy) from error
    try:
        yield storage
    finally:
        storage.close()


class LocalStorage(Storage):
    """Objects in a folder; safe for several processes on one file system.

    A file holds an object's bytes, then what is known of it, so that one rename
    publishes both. ``raw`` is the folder's path.
    """

    vendor = "local"

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).resolve()
        self._temporary = self._folder / TEMPORARY
        self._temporary.mkdir(parents=True, exist_ok=True)
        if not os.access(self._temporary, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied", str(self._folder))
        self._sweep()

    def _sweep(self) -> None:
        """Delete what uploads of killed processes have left behind."""
        with contextlib.suppress(OSError):
            for path in self._temporary.iterdir():
                if time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()

    @property
    def raw(self) -> Any:
        return self._folder

    @property
    def place(self) -> str:
        return f"local folder {self._folder}"

    def _put(
        self,
        key: str,
        body: Body,
        content_type: str,
        metadata: Mapping[str, str],
        overwrite: bool,
    ) -> ObjectInfo:
        with self._answers("put", key):
            path = self._path(key)
        temporary = self._temporary / secrets.token_hex(16)
        try:
            with self._answers("put", key):
                file = open(temporary, "xb")  # noqa: SIM115 - closed below
            with file:
                info = self._write(file, key, body, content_type, metadata)
            with self._answers("put", key):
                self._publish(temporary, path, key, overwrite)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
        return info

    def _write(
        self,
        file: IO[bytes],
        key: str,
        body: Body,
        content_type: str,
        metadata: Mapping[str, str],
    ) -> ObjectInfo:
        size, crc, digest = 0, 0, hashlib.md5(usedforsecurity=False)
        for chunk in chunks(body):
            # Only the writing: what the caller's own body raises is the caller's.
            with self._answers("put", key):
                file.write(chunk)
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
            digest.update(chunk)
        etag, now = digest.hexdigest(), datetime.now(UTC)
        info = ObjectInfo(key, size, etag, now, content_type, dict(metadata))
        with self._answers("put", key):
            file.write(trailer(info, crc))
            file.flush()
            os.fsync(file.fileno())
        return info

    def _publish(self, temporary: Path, path: Path, key: str, overwrite: bool) -> None:
        """Give the finished file its name, in one step that other readers see."""
        for race in range(_RACES):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._check_inside(path)
                self._name(temporary, path, key, overwrite)
                return
            except (FileNotFoundError, FileExistsError):
                # A delete has just removed the folder, being empty.
                if race == _RACES - 1:
                    raise

    def _name(self, temporary: Path, path: Path, key: str, overwrite: bool) -> None:
        if overwrite:
            os.replace(temporary, path)
        else:
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise ObjectExists(key, self.place) from None
        # A delete that came in between has taken the object with its folder.
        with contextlib.suppress(FileNotFoundError):
            synced(path.parent)

    def _path(self, key: str) -> Path:
        path = self._folder / path_of_key(key)
        self._check_inside(path)
        return path

    def _check_inside(self, path: Path) -> None:
        """Refuse a folder that somebody linked to the world outside."""
        if not path.parent.resolve().is_relative_to(self._folder):
            raise PermissionError(13, "a link leads out of the folder", str(path))

    def _open(self, operation: str, key: str) -> tuple[ObjectInfo, int, IO[bytes]]:
        with self._answers(operation, key):
            # A link in an object's place is nobody's object.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.fdopen(os.open(self._path(key), flags), "rb", buffering=0)
            try:
                return *read_trailer(file, key), file
            except BaseException:
                file.close()
                raise

    def _get(self, key: str, start: int, end: int | None) -> ObjectReader:
        info, crc, file = self._open("get", key)
        stop = info.size if end is None else min(end, info.size)
        if start and start >= info.size:
            file.close()
            raise InvalidRange(key, start, end, f"the object has {info.size} bytes")
        file.seek(start)
        whole = start == 0 and stop == info.size
        return ObjectReader(
            info,
            self.place,
            FileBody(file, lambda: self._answers("read", key)),
            stop - start,
            checksum=Crc32() if whole else None,
            expected=crc if whole else None,
        )

    def _head(self, key: str) -> ObjectInfo:
        info, _, file = self._open("head", key)
        file.close()
        return info

    def _delete(self, key: str) -> None:
        with contextlib.suppress(ObjectNotFound), self._answers("delete", key):
            path = self._path(key)
            path.unlink()
            with contextlib.suppress(OSError):
                for parent in path.relative_to(self._folder).parents[:-1]:
                    (self._folder / parent).rmdir()

    def _list(self, prefix: str, limit: int | None) -> Iterator[Page]:
        with self._answers("list", prefix):
            keys = sorted(self._keys(prefix), key=str.encode)
        most = _PAGE if limit is None else min(limit, _PAGE)
        for start in range(0, len(keys), most):
            page = []
            for key in keys[start : start + most]:
                # What has been deleted since is no longer there.
                with contextlib.suppress(ObjectNotFound):
                    info = self._head(key)
                    page.append(
                        ObjectInfo(key, info.size, info.etag, info.last_modified)
                    )
            yield page

    def _keys(self, prefix: str) -> Iterator[str]:
        folder = prefix.rpartition("/")[0]
        if folder and not is_portable(folder):
            return
        root = self._folder / path_of_folder(folder)
        for parent, folders, files in os.walk(root):
            if parent == str(self._folder):
                folders[:] = [name for name in folders if name != TEMPORARY]
            for name in files:
                key = key_of_path(Path(parent, name).relative_to(self._folder))
                if key and key.startswith(prefix):
                    yield key

    def url(self, key: str, *, expires: int = 3600, method: str = "GET") -> str:
        raise Unsupported(
            self.vendor, "makes no presigned URLs", "serve the object from a view"
        )

    def _ping(self, timeout: float) -> None:
        with self._answers("answer a ping", ""):
            path = self._temporary / secrets.token_hex(16)
            with open(path, "xb") as file:
                file.write(b"1")
            path.unlink()

    @contextlib.contextmanager
    def _answers(self, operation: str, key: str) -> Iterator[None]:
        """What the file system says, as this package's errors."""
        try:
            yield
        except NoObjectFile as error:
            raise IntegrityError(key, self.place, str(error)) from error
        except (FileNotFoundError, NotADirectoryError) as error:
            if operation in {"put", "answer a ping"}:
                raise self._unavailable(operation, key, error) from error
            raise ObjectNotFound(key, self.place) from error
        except PermissionError as error:
            raise PermissionDenied(
                operation, key, self.place, error.strerror or ""
            ) from error
        except OSError as error:
            raise self._unavailable(operation, key, error) from error

    def _unavailable(
        self, operation: str, key: str, error: Exception
    ) -> StorageUnavailable:
        reason = getattr(error, "strerror", "") or str(error)
        return StorageUnavailable(operation, key, self.place, reason)
