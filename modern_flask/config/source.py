"""The grammar of ``CONFIG_SOURCE``: parses its text into a typed source.

- a path, such as ``config.py``;
- ``kubernetes://[NAMESPACE/](configmaps|secrets)/NAME/KEY``;
- ``https://HOST/PATH[#sha256=HEX]``, or ``http://``.
"""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urldefrag, urlsplit

from .errors import MalformedSource, UnknownScheme
from .masking import redact

__all__ = [
    "KubernetesKey",
    "LocalFile",
    "RemoteFile",
    "Source",
    "find_url_error",
    "parse_source",
]

_KUBERNETES_FORM = "kubernetes://[NAMESPACE/](configmaps|secrets)/NAME/KEY"
_REMOTE_FORM = "https://HOST/PATH, with #sha256=<64 hexadecimal digits> to pin it"

# RFC 1123 as Kubernetes uses it; it also keeps ".." and "?" out of the API path.
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")

_Kind = Literal["configmaps", "secrets"]


@dataclass(frozen=True)
class LocalFile:
    """A file. A relative path is looked up in the root, then in the working folder."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class KubernetesKey:
    """A key of a ConfigMap or Secret, by default in the namespace of this process."""

    namespace: str | None
    kind: _Kind
    name: str
    key: str

    def __str__(self) -> str:
        parts = [self.kind, self.name, self.key]
        if self.namespace is not None:
            parts.insert(0, self.namespace)
        return "kubernetes://" + "/".join(parts)


@dataclass(frozen=True)
class RemoteFile:
    """A file at a URL. It must have the digest ``sha256``, in lower-case hex digits."""

    url: str = field(repr=False)
    sha256: str | None = None

    def __str__(self) -> str:
        return redact(self.url)

    def __repr__(self) -> str:
        return f"RemoteFile({str(self)!r}, {self.sha256!r})"


Source = LocalFile | KubernetesKey | RemoteFile


def parse_source(text: str) -> Source:
    """Parse the text of ``CONFIG_SOURCE``, which must not be empty.

    Raises:
        UnknownScheme: The scheme is none of ``kubernetes``, ``http`` and ``https``.
        MalformedSource: The scheme is known, but the rest does not follow its form.
    """
    scheme, found, rest = text.partition("://")
    if not found:
        return LocalFile(text)
    match scheme.lower():
        case "kubernetes":
            return _parse_kubernetes(text, rest)
        case "http" | "https":
            return _parse_remote(text)
    raise UnknownScheme(redact(text), scheme)


def _parse_kubernetes(text: str, rest: str) -> KubernetesKey:
    def error(reason: str) -> MalformedSource:
        return MalformedSource(redact(text), reason, _KUBERNETES_FORM)

    # urlsplit would change the host to lower case, and drop "#" and "?".
    parts = rest.split("/")
    if "" in parts:
        raise error("one of its parts is empty")
    if len(parts) not in (3, 4):
        raise error(f"{len(parts)} parts follow the scheme, not 3 or 4")
    namespace = parts[0] if len(parts) == 4 else None
    word, name, key = parts[-3:]
    kind = _parse_kind(word)
    if kind is None:
        raise error(f'"{word}" is neither configmaps nor secrets')
    if namespace is not None and not _NAMESPACE.fullmatch(namespace):
        raise error(f'"{namespace}" is not a valid name of a namespace')
    if not _NAME.fullmatch(name):
        raise error(f'"{name}" is not a valid name of an object')
    if not _KEY.fullmatch(key) or key in (".", ".."):
        raise error(f'"{key}" is not a valid key')
    return KubernetesKey(namespace, kind, name, key)


def _parse_kind(word: str) -> _Kind | None:
    # The predecessor accepted every word with this beginning: configmap, secret, ...
    if word.lower().startswith("configmap"):
        return "configmaps"
    return "secrets" if word.lower().startswith("secret") else None


def _parse_remote(text: str) -> RemoteFile:
    def error(reason: str) -> MalformedSource:
        return MalformedSource(redact(text), reason, _REMOTE_FORM)

    if reason := find_url_error(text):
        raise error(reason)
    url, fragment = urldefrag(text)
    if not fragment:
        return RemoteFile(url)
    pin = re.fullmatch("sha256=([0-9A-Fa-f]{64})", fragment)
    if pin is None:
        raise error("the text after # is not a SHA-256 pin")
    return RemoteFile(url, pin[1].lower())


def find_url_error(url: str) -> str:
    """Return why ``url`` can't be fetched, without parts of it; empty if it can."""
    if re.search(r"[\x00-\x20\x7f]", url):
        return "it has a space or a control character"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "its host or port is malformed"
    if not parts.hostname or port == 0:
        return "it has no host" if not parts.hostname else "its port is 0"
    return ""
