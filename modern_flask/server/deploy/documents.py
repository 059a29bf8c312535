"""Reads files of manifests: documents of YAML, and places in them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FileUnreadable, YamlMissing, describe_os_error

__all__ = ["STDIN", "Document", "Finding", "Place", "read_documents", "read_text"]

STDIN = "-"
"""The name of a file that means the standard input."""


@dataclass(frozen=True)
class Finding:
    """One mismatch between manifests and a service.

    Args:
        file: The name of the file.
        document: The kind and the name of the object.
        path: The field.
        what: What does not fit, and with what.
        fix: What to write there.
    """

    file: str
    document: str
    path: str
    what: str
    fix: str

    def __str__(self) -> str:
        text = f"{self.file}: {self.document}: {self.path}: {self.what}; {self.fix}"
        return " ".join(text.split())


@dataclass(frozen=True)
class Document:
    """An object of Kubernetes in a file."""

    file: str
    body: Any

    @property
    def root(self) -> Place:
        return Place(self, self.body, "")

    @property
    def kind(self) -> str:
        return self.root.at("kind").text

    @property
    def name(self) -> str:
        return self.root.at("metadata", "name").text

    @property
    def namespace(self) -> str:
        """The namespace; empty if it is decided elsewhere."""
        return self.root.at("metadata", "namespace").text

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}" if self.name else self.kind


@dataclass(frozen=True)
class Place:
    """A field of a document. The value of a field that is not there is None."""

    document: Document
    value: Any
    path: str

    def at(self, *names: str) -> Place:
        """Return the field with these names below this one."""
        value, path = self.value, self.path
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
            path = f"{path}.{name}" if path else name
        return Place(self.document, value, path)

    @property
    def items(self) -> list[Place]:
        """The items of a list."""
        if not isinstance(self.value, list):
            return []
        return [
            Place(self.document, value, f"{self.path}[{number}]")
            for number, value in enumerate(self.value)
        ]

    @property
    def mapping(self) -> Mapping[str, Any]:
        return self.value if isinstance(self.value, Mapping) else {}

    @property
    def text(self) -> str:
        """The value of a scalar; empty if there is none."""
        if self.value is None or isinstance(self.value, list | Mapping):
            return ""
        return str(self.value)

    @property
    def texts(self) -> list[str]:
        """The items of a list of scalars."""
        return [item.text for item in self.items]

    @property
    def number(self) -> float | None:
        """The value, if it is a number."""
        is_number = isinstance(self.value, int | float)
        return self.value if is_number and not isinstance(self.value, bool) else None

    def report(self, what: str, fix: str) -> Finding:
        """Make a finding about this field."""
        document = self.document
        return Finding(document.file, str(document), self.path or "-", what, fix)


def read_text(file: str) -> str:
    """Read a file; ``-`` is the standard input.

    Raises:
        FileUnreadable: It can't be read, or it is not UTF-8.
    """
    try:
        return sys.stdin.read() if file == STDIN else Path(file).read_text("utf-8")
    except OSError as error:
        reason = describe_os_error(error)
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    raise FileUnreadable(file, reason, "name files of manifests, or - for the input")


def read_documents(file: str, text: str) -> list[Document]:
    """Read the objects of a file; a ``List`` gives its items.

    Raises:
        YamlMissing: PyYAML is not installed.
        FileUnreadable: The text is not YAML.
    """
    try:
        import yaml
    except ImportError:
        raise YamlMissing from None
    try:
        bodies = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        fix = "correct what `kubectl apply --dry-run=client -f` reports"
        if "{{" in text:
            fix = "render the templates first: helm template ... | ... --check -"
        raise FileUnreadable(f"{file}{where}", "it is not YAML", fix) from None
    return [Document(file, each) for body in bodies for each in _expand(body) if each]


def _expand(body: Any) -> Iterator[Any]:
    """Yield the objects in a document; values of Helm and the like are none."""
    if not isinstance(body, Mapping) or "kind" not in body:
        return
    if body["kind"] == "List" and isinstance(body.get("items"), list):
        for item in body["items"]:
            yield from _expand(item)
        return
    yield body
