"""What every reader returns."""

from dataclasses import dataclass, field

__all__ = ["Content"]


@dataclass(frozen=True)
class Content:
    """A configuration as it was fetched.

    Attributes:
        body: Python source, not yet compiled.
        name: The source's redacted name, for origins and faults.
        file: The ``__file__`` that the configuration sees when it runs.
    """

    body: bytes = field(repr=False)
    name: str
    file: str
