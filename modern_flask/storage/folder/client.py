"""The client of a local folder: one file for each object, replaced as a whole."""

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

from ..bodies import Body, iterate_chunks
from ..checksums import Crc32
from ..client import PING, Client, Page
from ..errors import (
    InvalidRange,
    ObjectExists,
    ObjectNotFound,
    PermissionDenied,
    StorageUnavailable,
)
from ..keys import is_portable
from ..object_info import ObjectInfo
from ..reader import ObjectReader
from .layout import (
    TEMPORARY,
    FileBody,
    make_folder_path,
    make_path,
    make_trailer,
    parse_path,
    read_trailer,
    sync_folder,
)

__all__ = ["LocalClient"]

_ABANDONED = 24 * 3600  # seconds: no upload takes a day
_RACES = 20  # how often a put creates its folder again after a delete removed it


class LocalClient(Client):
    """Objects in a folder; several processes may use it on one file system.

    A file holds an object's bytes and then its info, so that one rename publishes both.
    ``raw`` is the folder's path.
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
        """Delete the unfinished files that killed processes left behind."""
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

    def put(
        self,
        key: str,
        body: Body,
        content_type: str,
        metadata: Mapping[str, str],
        overwrite: bool,
    ) -> ObjectInfo:
        with self._translate_errors("put", key):
            path = self._find_path(key)
        temporary = self._temporary / secrets.token_hex(16)
        try:
            with self._translate_errors("put", key):
                file = open(temporary, "xb")  # noqa: SIM115 - closed below
            with file:
                info = self._write(file, key, body, content_type, metadata)
            with self._translate_errors("put", key):
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
        for chunk in iterate_chunks(body):
            # Only around the write: the caller's own body may raise an OSError too.
            with self._translate_errors("put", key):
                file.write(chunk)
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
            digest.update(chunk)
        etag, now = digest.hexdigest(), datetime.now(UTC)
        info = ObjectInfo(key, size, etag, now, content_type, dict(metadata))
        with self._translate_errors("put", key):
            file.write(make_trailer(info, crc))
            file.flush()
            os.fsync(file.fileno())
        return info

    def _publish(self, temporary: Path, path: Path, key: str, overwrite: bool) -> None:
        """Give the finished file its name, in one step for other readers."""
        for race in range(_RACES):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._check_inside(path)
                self._rename(temporary, path, key, overwrite)
                return
            except (FileNotFoundError, FileExistsError):
                # A delete has just removed the folder, because it was empty.
                if race == _RACES - 1:
                    raise

    def _rename(self, temporary: Path, path: Path, key: str, overwrite: bool) -> None:
        if overwrite:
            os.replace(temporary, path)
        else:
            try:
                os.link(temporary, path)
            except FileExistsError:
                raise ObjectExists(key, self.place) from None
        # A delete in between has removed the object and its folder.
        with contextlib.suppress(FileNotFoundError):
            sync_folder(path.parent)

    def _find_path(self, key: str) -> Path:
        path = self._folder / make_path(key)
        self._check_inside(path)
        return path

    def _check_inside(self, path: Path) -> None:
        """Refuse a path that a symbolic link leads out of the folder."""
        if not path.parent.resolve().is_relative_to(self._folder):
            raise PermissionError(13, "a link leads out of the folder", str(path))

    def _open(self, operation: str, key: str) -> tuple[ObjectInfo, int, IO[bytes]]:
        with self._translate_errors(operation, key):
            # A symbolic link in the place of an object is not an object.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.fdopen(os.open(self._find_path(key), flags), "rb", buffering=0)
            try:
                return *read_trailer(file, key, self.place), file
            except BaseException:
                file.close()
                raise

    def get(self, key: str, start: int, end: int | None) -> ObjectReader:
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
            FileBody(file, lambda: self._translate_errors("read", key)),
            stop - start,
            checksum=Crc32() if whole else None,
            expected=crc if whole else None,
        )

    def head(self, key: str) -> ObjectInfo:
        info, _, file = self._open("head", key)
        file.close()
        return info

    def delete(self, key: str) -> None:
        with contextlib.suppress(ObjectNotFound), self._translate_errors("delete", key):
            path = self._find_path(key)
            path.unlink()
            with contextlib.suppress(OSError):
                for parent in path.relative_to(self._folder).parents[:-1]:
                    (self._folder / parent).rmdir()

    def list_pages(self, prefix: str, limit: int | None) -> Iterator[Page]:
        with self._translate_errors("list", prefix):
            keys = sorted(self._find_keys(prefix), key=str.encode)
        most = self.page_size if limit is None else min(limit, self.page_size)
        for start in range(0, len(keys), most):
            page = []
            for key in keys[start : start + most]:
                # An object may have been deleted since.
                with contextlib.suppress(ObjectNotFound):
                    info = self.head(key)
                    page.append(
                        ObjectInfo(key, info.size, info.etag, info.last_modified)
                    )
            yield page

    def _find_keys(self, prefix: str) -> Iterator[str]:
        folder = prefix.rpartition("/")[0]
        if folder and not is_portable(folder):
            return
        root = self._folder / make_folder_path(folder)
        for parent, folders, files in os.walk(root):
            if parent == str(self._folder):
                folders[:] = [name for name in folders if name != TEMPORARY]
            for name in files:
                key = parse_path(Path(parent, name).relative_to(self._folder))
                if key and key.startswith(prefix):
                    yield key

    def ping(self, timeout: float) -> None:
        with self._translate_errors(PING, ""):
            path = self._temporary / secrets.token_hex(16)
            with open(path, "xb") as file:
                file.write(b"1")
            path.unlink()

    @contextlib.contextmanager
    def _translate_errors(self, operation: str, key: str) -> Iterator[None]:
        """Raise the file system's errors as this package's errors."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if operation in {"put", PING}:
                raise self._make_unavailable(operation, key, error) from error
            raise ObjectNotFound(key, self.place) from error
        except PermissionError as error:
            raise PermissionDenied(
                operation, key, self.place, error.strerror or ""
            ) from error
        except OSError as error:
            raise self._make_unavailable(operation, key, error) from error

    def _make_unavailable(
        self, operation: str, key: str, error: Exception
    ) -> StorageUnavailable:
        reason = getattr(error, "strerror", "") or str(error)
        return StorageUnavailable(operation, key, self.place, reason)
