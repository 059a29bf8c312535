"""Files: their rows in the database and their content in storage."""

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
LARGEST = 2**63 - 1  # of a BIGINT: no database takes a larger number for an id

log = logging.getLogger(__name__)


class Catalog:
    """What one request or task does with files; it commits nothing itself."""

    def __init__(self, session: Session, storage: Storage, celery: Celery) -> None:
        self.session, self.storage, self.celery = session, storage, celery

    def add(self, name: str, content_type: str, body: IO[bytes]) -> File:
        """Store the content, then the row that points to it."""
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
        """The file, or the end of the view with 404."""
        file = self.session.get(File, min(file_id, LARGEST))
        if file is None:
            halt(problem(404, f"There is no file {file_id}."))
        return file

    def page(self, before: int | None, limit: int) -> list[File]:
        """Files, the newest first."""
        query = select(File).order_by(File.id.desc()).limit(limit)
        if before is not None:
            query = query.where(File.id < max(0, min(before, LARGEST)))
        return list(self.session.scalars(query))

    def enqueue(self, file_id: int, key: str) -> None:
        """Have a worker read the content. Without a broker it waits for a reindex."""
        task = self.celery.tasks["example_service.tasks.index_file"]
        try:
            task.delay(file_id, key)
        except task.OperationalError as error:
            log.error("File %d is not indexed: no broker (%s).", file_id, error)

    def read(self, key: str) -> dict[str, Any]:
        """What is in the content, as columns of its row; the database is not asked."""
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
            # NUL is no text, and PostgreSQL refuses it.
            "preview": None if "\0" in text else text[:PREVIEW],
        }

    def note(self, file_id: int, found: Mapping[str, Any]) -> bool:
        """Write what was found into the row; whether there still is one."""
        change = update(File).where(File.id == file_id).values(**found)
        result = cast("CursorResult[Any]", self.session.execute(change))
        return result.rowcount == 1

    def stats(self) -> dict[str, Any]:
        """How many files there are and how many bytes they have, by state."""
        rows = self.session.execute(
            select(File.state, func.count(), func.sum(File.size)).group_by(File.state)
        ).all()
        return {
            "files": sum(number for _, number, _ in rows),
            "bytes": sum(int(size or 0) for _, _, size in rows),
            "states": {state.value: number for state, number, _ in rows},
        }
