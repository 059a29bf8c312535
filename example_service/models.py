"""The table of files."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, DateTime, Enum, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from modern_flask import ModelBase

__all__ = ["File", "State"]


class State(StrEnum):
    """The state of a file: stored, read by the task, or without content."""

    STORED = "stored"
    READY = "ready"
    FAILED = "failed"


class File(ModelBase):
    """An uploaded file. Its content is an object in storage."""

    __tablename__ = "files"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(80), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[State] = mapped_column(
        Enum(State, native_enum=False, length=16), default=State.STORED
    )
    sha256: Mapped[str | None] = mapped_column(String(64))
    lines: Mapped[int | None] = mapped_column(BigInteger)
    preview: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), default=lambda: datetime.now(UTC)
    )

    def to_dict(self) -> dict[str, Any]:
        """Return the file for JSON: times in ISO 8601, the size in bytes."""
        return {
            "id": self.id,
            "name": self.name,
            "content_type": self.content_type,
            "size": self.size,
            "state": self.state.value,
            "sha256": self.sha256,
            "lines": self.lines,
            "preview": self.preview,
            # SQLite stores no time zone.
            "created_at": self.created_at.replace(tzinfo=UTC).isoformat(),
        }
