"""The secret values of a configuration, masked in every text that may quote them.

The masking by names finds ``password=hunter2``. It can't find the value in a text such
as ``refused hunter2``, so this module knows the values themselves.
"""

import html
import json
import os
import re
import shlex
import traceback
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

from .masking import MASK, is_secret, is_secret_option, redact, redact_lines

__all__ = ["KnownSecrets"]

_SHORTEST = 6  # characters; a shorter value would mask much of a normal text
_LONGEST = 300  # characters of an exception's text
_HEX = re.compile("%[0-9A-F]{2}")
_WORKING_FOLDER = "PWD"  # the shell's variable, and not a password
_DEPTH = 20  # of nested values; a value may contain itself


class KnownSecrets:
    """Masks the secret values of a configuration and of the environment.

    Known are the values of secret keys with six characters or more, and the passwords
    in URLs and connection strings of all keys.

    Args:
        values: The configuration.
        environ: The environment variables, which an opener may read by itself.
    """

    def __init__(
        self, values: Mapping[Any, Any], environ: Mapping[str, str] = os.environ
    ) -> None:
        outside = {k: v for k, v in environ.items() if k != _WORKING_FOLDER}
        found = {
            text
            for mapping in (values, outside)
            for secret in _find_in_mapping(mapping, False, _DEPTH)
            for text in _spell(secret)
            if len(text) >= _SHORTEST
        }
        # The longest first, because one secret may begin with another.
        longest_first = sorted(found, key=lambda text: (-len(text), text))
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def hide(self, text: str) -> str:
        """Mask the known values in ``text``, and nothing else."""
        return self._pattern.sub(MASK, text)

    def mask(self, text: str) -> str:
        """Mask the known values in ``text``, and all that looks like a secret."""
        return redact_lines(self.hide(text))

    def explain(self, error: BaseException) -> str:
        """Return the text of ``error`` on one line of limited length, masked."""
        try:
            text = str(error)
        except Exception:
            return ""
        shown = " ".join(self.mask(text).split())
        return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."

    def format_traceback(self, error: BaseException) -> str:
        """Return the traceback of ``error`` and its causes, masked."""
        return self.mask("".join(traceback.format_exception(error))).rstrip("\n")


def _find_in_mapping(
    mapping: Mapping[Any, Any], hidden: bool, depth: int
) -> Iterator[str]:
    for name, value in mapping.items():
        yield from _find(value, hidden or is_secret(str(name)), depth)


def _find(value: Any, hidden: bool, depth: int) -> Iterator[str]:
    """Yield the secrets in a value: all of it if it is hidden."""
    if depth == 0 or value is None or isinstance(value, bool):
        return
    if isinstance(value, Mapping):
        yield from _find_in_mapping(value, hidden, depth - 1)
    elif type(value) in (list, tuple, set, frozenset):
        yield from _find_in_items(value, hidden, depth - 1)
    elif isinstance(value, bytes):
        yield from _find(value.decode("utf-8", "replace"), hidden, depth)
    elif isinstance(value, str):
        yield from [value] if hidden else _find_in_text(value)
    elif isinstance(value, int | float):
        yield from [str(value)] if hidden else []
    else:
        yield from _find_in_object(value, hidden)


def _find_in_items(items: Iterable[Any], hidden: bool, depth: int) -> Iterator[str]:
    follows = False
    for item in items:
        yield from _find(item, hidden or follows, depth)
        follows = is_secret_option(item)


def _find_in_object(value: Any, hidden: bool) -> Iterator[str]:
    """Find the secret in SQLAlchemy's URL, pydantic's SecretStr and the like."""
    try:
        read = getattr(value, "get_secret_value", None)
        held = read() if callable(read) else getattr(value, "password", None)
        texts = [str(value)] if hidden else []
    except Exception:  # code of the service
        return
    if isinstance(held, str):
        texts.append(held)
    yield from texts


def _find_in_text(text: str) -> Iterator[str]:
    """Find the parts of a text that ``redact`` masks, such as a URL's password."""
    shown = redact(text)
    if shown == text:
        return
    parts = map(re.escape, shown.split(MASK))
    found = re.fullmatch("(.*?)".join(parts), text, re.DOTALL)
    for hidden in found.groups() if found else [text]:
        yield hidden
        # Of the account of a web address, also the password alone; of a header, also
        # the token without its scheme.
        yield from re.split(r"[:\s]", hidden, maxsplit=1)[1:]


def _spell(secret: str) -> Iterator[str]:
    """Yield the spellings of a secret: plain, quoted, and encoded for a URL."""
    for plain in {secret, secret.strip().strip("\"'"), unquote_plus(secret)}:
        data = plain.encode("utf-8", "replace")
        in_python = (repr(plain)[1:-1], ascii(plain)[1:-1], repr(data)[2:-1])
        for quoted in (plain, *in_python, html.escape(plain)):
            yield from (quoted, repr(quoted)[1:-1])
            yield from (quoted.replace("'", r"\'"), quoted.replace('"', r"\""))
        for ascii_only in (True, False):
            quoted = json.dumps(plain, ensure_ascii=ascii_only)[1:-1]
            yield from (quoted, json.dumps(quoted)[1:-1])
        yield shlex.quote(plain)
        for encoded in (quote(data, safe=""), quote(data), quote_plus(data)):
            yield encoded
            yield _HEX.sub(lambda found: found[0].lower(), encoded)
