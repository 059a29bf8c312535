"""The result of reading a source: the bytes and their name."""

from dataclasses import dataclass, field

__all__ = ["Content"]


@dataclass(frozen=True)
class Content:
    """A configuration before it is run.

    Attributes:
        body: Python source code, not yet compiled.
        name: The source's redacted name, for origins and errors.
        file: The ``__file__`` that the configuration sees while it runs.
    """

    body: bytes = field(repr=False)
    name: str
    file: str
