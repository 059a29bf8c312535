"""Checks: which keys and which metadata every vendor stores unchanged."""

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
    "decode_value",
    "encode_value",
    "guess_content_type",
    "is_portable",
]

_LONGEST_KEY = 850  # bytes: COS and OSS allow 850 and 1023, the smaller one counts
_LARGEST_METADATA = 2048  # bytes, names and values: the limit of COS
_METADATA_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# Printable ASCII without the percent sign, which begins an encoded byte.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def check_key(key: str) -> None:
    """Refuse a key that a vendor would refuse, change or confuse with a bucket.

    Raises:
        InvalidKey: Empty, over 850 bytes of UTF-8, a leading slash or backslash, a
            control character, or a segment that is empty, ``.`` or ``..``. For COS
            ``DELETE /`` deletes the bucket, so this check precedes every request.
    """
    reason = _explain_fault(key)
    if reason:
        raise InvalidKey(key, reason)


def is_portable(key: str) -> bool:
    """Whether every vendor can store an object under ``key``."""
    return _explain_fault(key) == ""


def _explain_fault(key: object) -> str:
    """Why a key is not portable; empty if it is."""
    if not isinstance(key, str):
        return f"it is of type {type(key).__name__}, not str"
    if not key:
        return "it is empty"
    reason = _explain_text_fault(key)
    if reason:
        return reason
    for segment in key.split("/"):
        if segment in {"", ".", ".."}:
            name = f'"{segment}"' if segment else "empty"
            return f"one of its segments is {name}"
    return ""


def _explain_text_fault(text: str) -> str:
    """The part of the check that keys and prefixes share."""
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
    reason = _explain_text_fault(prefix)
    if reason:
        raise InvalidKey(prefix, reason)


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """A copy of ``metadata``, if every vendor can store it.

    Raises:
        InvalidMetadata: A name outside ``[a-z0-9-]``, a value that is not text or has
            a line break or another control character, or more than 2 KB in total.
    """
    copy = dict(metadata or {})
    pairs: list[tuple[object, object]] = list(copy.items())
    for name, value in pairs:
        if not isinstance(name, str) or not _METADATA_NAME.fullmatch(name):
            raise InvalidMetadata(str(name), "names consist of a-z, 0-9 and -")
        if not isinstance(value, str):
            reason = f"its value is of type {type(value).__name__}, not str"
            raise InvalidMetadata(name, reason)
        if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in value):
            raise InvalidMetadata(name, "its value has a control character")
    size = sum(len(name) + len(encode_value(value)) for name, value in copy.items())
    if size > _LARGEST_METADATA:
        names = ", ".join(sorted(copy))
        raise InvalidMetadata(names, f"{size} bytes are more than {_LARGEST_METADATA}")
    return copy


def check_content_type(content_type: str) -> None:
    """Refuse a content type that could end its header and begin another.

    Raises:
        InvalidMetadata: Anything but printable ASCII.
    """
    if not (content_type.isascii() and content_type.isprintable()):
        raise InvalidMetadata("content_type", "it is not printable ASCII")


def guess_content_type(key: str) -> str:
    """The content type that the key's ending stands for."""
    return mimetypes.guess_type(key)[0] or "application/octet-stream"


def encode_value(value: str) -> str:
    """``value`` as a header carries it: printable ASCII, the rest %-encoded."""
    text = quote(value, safe=_PLAIN)
    # Proxies trim the ends of a header, so blanks there are encoded as well.
    lead = len(text) - len(text.lstrip(" "))
    if lead == len(text):
        return "%20" * lead
    trail = len(text) - len(text.rstrip(" "))
    return "%20" * lead + text.strip(" ") + "%20" * trail


def decode_value(value: str) -> str:
    """The value that :func:`encode_value` encoded."""
    return unquote(value)
