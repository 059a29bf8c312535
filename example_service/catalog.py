"""The catalog of files: a row in the database and an object in storage for each."""

import codecs
import hashlib
import logging
from collections.abc import Mapping
from typing import IO, Any, cast
from uuid import uuid4

from celery import Celery
from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from modern_flask import Storage, halt, problem

from .models import File, State

__all__ = ["Catalog"]

PREVIEW = 2000  # characters
LARGEST_ID = 2**63 - 1  # a BIGINT: databases refuse a larger number as an id

logger = logging.getLogger(__name__)


class Catalog:
    """The files, for one request or task. It does not commit; the caller does."""

    def __init__(self, session: Session, storage: Storage, celery: Celery) -> None:
        self.session, self.storage, self.celery = session, storage, celery

    def add(self, name: str, content_type: str, body: IO[bytes]) -> File:
        """Store the content, then add the row with its key."""
        key = f"files/{uuid4().hex}"
        stored = self.storage.put(key, body, content_type=content_type, overwrite=False)
        file = File(key=key, name=name, content_type=content_type, size=stored.size)
        try:
            self.session.add(file)
            self.session.flush()
        except BaseException:
            self.storage.delete(key)
            raise
        return file

    def get(self, file_id: int) -> File:
        """Return the file, or end the view with status 404."""
        file = self.session.get(File, min(file_id, LARGEST_ID))
        if file is None:
            halt(problem(404, f"There is no file {file_id}."))
        return file

    def page(self, before: int | None, limit: int) -> list[File]:
        """List files, the newest first.

        Args:
            before: Only files with a lower id; None for the newest ones.
            limit: The greatest number of files.
        """
        query = select(File).order_by(File.id.desc()).limit(limit)
        if before is not None:
            query = query.where(File.id < max(0, min(before, LARGEST_ID)))
        return list(self.session.scalars(query))

    def enqueue(self, file_id: int, key: str) -> None:
        """Send a task that reads the content. Without a broker, a reindex can do it."""
        task = self.celery.tasks["example_service.tasks.index_file"]
        try:
            task.delay(file_id, key)
        except task.OperationalError as error:
            logger.error("File %d is not indexed: no broker (%s).", file_id, error)

    def read(self, key: str) -> dict[str, Any]:
        """Read the content and return columns of its row, without the database."""
        digest, lines, text = hashlib.sha256(), 0, ""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        last = b""
        with self.storage.get(key) as content:
            for chunk in content:
                digest.update(chunk)
                lines += chunk.count(b"\n")
                last = chunk[-1:] or last
                if len(text) < PREVIEW:
                    text += decoder.decode(chunk)
        return {
            "state": State.READY,
            "size": content.info.size,
            "sha256": digest.hexdigest(),
            "lines": lines + (last not in (b"", b"\n")),
            # PostgreSQL refuses a text with NUL.
            "preview": None if "\0" in text else text[:PREVIEW],
        }

    def update(self, file_id: int, columns: Mapping[str, Any]) -> bool:
        """Update the columns of the row; False if the row was deleted."""
        change = update(File).where(File.id == file_id).values(**columns)
        result = cast("CursorResult[Any]", self.session.execute(change))
        return result.rowcount == 1

    def stats(self) -> dict[str, Any]:
        """Count the files and their bytes, and the files by state."""
        rows = self.session.execute(
            select(File.state, func.count(), func.sum(File.size)).group_by(File.state)
        ).all()
        return {
            "files": sum(number for _, number, _ in rows),
            "bytes": sum(int(size or 0) for _, _, size in rows),
            "states": {state.value: number for state, number, _ in rows},
        }
