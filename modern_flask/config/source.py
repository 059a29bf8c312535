"""The grammar of ``CONFIG_SOURCE``: a text becomes one typed source.

- a path, such as ``config.py``;
- ``kubernetes://[NAMESPACE/](configmaps|secrets)/NAME/KEY``;
- ``https://HOST/PATH[#sha256=HEX]``, or ``http://``.
"""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urldefrag, urlsplit

from .errors import MalformedSource, UnknownScheme
from .masking import redacted

__all__ = ["KubernetesKey", "LocalFile", "RemoteFile", "Source", "parse_source"]

_KUBERNETES_FORM = "kubernetes://[NAMESPACE/](configmaps|secrets)/NAME/KEY"
_REMOTE_FORM = "https://HOST/PATH, with #sha256=<64 hexadecimal digits> to pin it"

# RFC 1123 as Kubernetes uses it; it also keeps ".." and "?" out of the API's path.
_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAMESPACE = re.compile(_LABEL)
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")

Kind = Literal["configmaps", "secrets"]


@dataclass(frozen=True)
class LocalFile:
    """A file; a relative path is looked up in the root, then in the working folder."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True)
class KubernetesKey:
    """One key of a ConfigMap or Secret; no namespace means the one we run in."""

    namespace: str | None
    kind: Kind
    name: str
    key: str

    def __str__(self) -> str:
        parts = [self.kind, self.name, self.key]
        if self.namespace is not None:
            parts.insert(0, self.namespace)
        return "kubernetes://" + "/".join(parts)


@dataclass(frozen=True)
class RemoteFile:
    """A file behind a URL; ``sha256`` (lower-case hex) is what it must hash to."""

    url: str = field(repr=False)
    sha256: str | None = None

    def __str__(self) -> str:
        return redacted(self.url)

    def __repr__(self) -> str:
        return f"RemoteFile({str(self)!r}, {self.sha256!r})"


Source = LocalFile | KubernetesKey | RemoteFile


def parse_source(text: str) -> Source:
    """The source that ``text``, which is not empty, names.

    Raises:
        UnknownScheme: It has a scheme that is neither ``kubernetes`` nor HTTP.
        MalformedSource: The scheme is known, the rest does not follow its form.
    """
    scheme, found, rest = text.partition("://")
    if not found:
        return LocalFile(text)
    match scheme.lower():
        case "kubernetes":
            return _kubernetes(text, rest)
        case "http" | "https":
            return _remote(text)
    raise UnknownScheme(redacted(text), scheme)


def _kubernetes(text: str, rest: str) -> KubernetesKey:
    def malformed(why: str) -> MalformedSource:
        return MalformedSource(redacted(text), why, _KUBERNETES_FORM)

    # Not urlsplit: its hostname is lower-cased, and "#" or "?" must not vanish.
    parts = rest.split("/")
    if "" in parts:
        raise malformed("one of its parts is empty")
    if len(parts) not in (3, 4):
        raise malformed(f"{len(parts)} parts follow the scheme, not 3 or 4")
    namespace = parts[0] if len(parts) == 4 else None
    word, name, key = parts[-3:]
    kind = _kind(word)
    if kind is None:
        raise malformed(f'"{word}" is neither configmaps nor secrets')
    if namespace is not None and not _NAMESPACE.fullmatch(namespace):
        raise malformed(f'"{namespace}" can\'t be the name of a namespace')
    if not _NAME.fullmatch(name):
        raise malformed(f'"{name}" can\'t be the name of an object')
    if not _KEY.fullmatch(key) or key in (".", ".."):
        raise malformed(f'"{key}" can\'t be a key')
    return KubernetesKey(namespace, kind, name, key)


def _kind(word: str) -> Kind | None:
    # The predecessor took every word that begins so: configmap, secret, ...
    if word.lower().startswith("configmap"):
        return "configmaps"
    return "secrets" if word.lower().startswith("secret") else None


def _remote(text: str) -> RemoteFile:
    def malformed(why: str) -> MalformedSource:
        return MalformedSource(redacted(text), why, _REMOTE_FORM)

    if why := flaw(text):
        raise malformed(why)
    url, fragment = urldefrag(text)
    if not fragment:
        return RemoteFile(url)
    pin = re.fullmatch("sha256=([0-9A-Fa-f]{64})", fragment)
    if pin is None:
        raise malformed("what follows # is no SHA-256 pin")
    return RemoteFile(url, pin[1].lower())


def flaw(url: str) -> str:
    """Why ``url`` can't be fetched; empty if it can. Holds nothing of its text."""
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
