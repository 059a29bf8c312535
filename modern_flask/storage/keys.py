"""Which keys and which metadata every vendor stores alike."""

import mimetypes
import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import quote, unquote

from .errors import InvalidKey, InvalidMetadata

__all__ = [
    "check_content_type",
    "check_key",
    "check_metadata",
    "check_prefix",
    "guessed_type",
    "is_portable",
    "readable",
    "wired",
]

_LONGEST_KEY = 850  # bytes: COS and OSS allow 850 and 1023, the smaller one counts
_LARGEST_METADATA = 2048  # bytes, names and values: the limit of COS
_METADATA_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# Printable ASCII but the percent sign, which marks what had to be encoded.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def check_key(key: str) -> None:
    """Refuse a key that some vendor would refuse, change or take for a bucket.

    Raises:
        InvalidKey: Empty, over 850 bytes of UTF-8, a leading slash or backslash, a
            control character, or a segment that is empty, ``.`` or ``..``. COS takes
            ``DELETE /`` for "delete the bucket", so this runs before every request.
    """
    reason = _fault_of(key)
    if reason:
        raise InvalidKey(key, reason)


def is_portable(key: str) -> bool:
    return _fault_of(key) == ""


def _fault_of(key: object) -> str:
    if not isinstance(key, str):
        return f"it is of type {type(key).__name__}, not str"
    if not key:
        return "it is empty"
    reason = _fault_of_text(key)
    if reason:
        return reason
    for segment in key.split("/"):
        if segment in {"", ".", ".."}:
            name = f'"{segment}"' if segment else "empty"
            return f"a segment of it is {name}"
    return ""


def _fault_of_text(text: str) -> str:
    """What keys and prefixes have in common."""
    if text[:1] in {"/", "\\"}:
        return "it begins with a slash" if text[0] == "/" else "it begins with a \\"
    if any(unicodedata.category(character) == "Cc" for character in text):
        return "it has a control character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "it is not Unicode text"
    return f"it has {size} bytes" if size > _LONGEST_KEY else ""


def check_prefix(prefix: object) -> None:
    """Refuse a prefix that no portable key can have.

    Raises:
        InvalidKey: For the same reasons as :func:`check_key`; empty is allowed.
    """
    if not isinstance(prefix, str):
        raise InvalidKey(prefix, f"it is of type {type(prefix).__name__}, not str")
    reason = _fault_of_text(prefix)
    if reason:
        raise InvalidKey(prefix, reason)


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of ``metadata``, if every vendor can store it.

    Raises:
        InvalidMetadata: A name outside ``[a-z0-9-]``, a value that is no text or has
            a line break or another control character, or more than 2 KB in sum.
    """
    kept = dict(metadata or {})
    pairs: list[tuple[object, object]] = list(kept.items())
    for name, value in pairs:
        if not isinstance(name, str) or not _METADATA_NAME.fullmatch(name):
            raise InvalidMetadata(str(name), "names are made of a-z, 0-9 and -")
        if not isinstance(value, str):
            reason = f"its value is of type {type(value).__name__}, not str"
            raise InvalidMetadata(name, reason)
        if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in value):
            raise InvalidMetadata(name, "its value has a control character")
    size = sum(len(name) + len(wired(value)) for name, value in kept.items())
    if size > _LARGEST_METADATA:
        names = ", ".join(sorted(kept))
        raise InvalidMetadata(names, f"{size} bytes are more than {_LARGEST_METADATA}")
    return kept


def check_content_type(content_type: str) -> None:
    """Refuse what would break out of its header.

    Raises:
        InvalidMetadata: Anything but printable ASCII.
    """
    if not (content_type.isascii() and content_type.isprintable()):
        raise InvalidMetadata("content_type", "it is not printable ASCII")


def guessed_type(key: str) -> str:
    """The content type that the key's ending stands for."""
    return mimetypes.guess_type(key)[0] or "application/octet-stream"


def wired(value: str) -> str:
    """``value`` as it goes through a header: printable ASCII, the rest %-encoded."""
    text = quote(value, safe=_PLAIN)
    # Proxies trim a header's ends, so blanks there are encoded as well.
    lead = len(text) - len(text.lstrip(" "))
    if lead == len(text):
        return "%20" * lead
    trail = len(text) - len(text.rstrip(" "))
    return "%20" * lead + text.strip(" ") + "%20" * trail


def readable(value: str) -> str:
    """What :func:`wired` was given."""
    return unquote(value)
