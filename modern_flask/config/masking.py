"""What may be printed of a value: secrets masked, passwords in URLs too.

Where a text can be read in two ways, more is masked rather than less.
"""

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

__all__ = ["MASK", "is_secret", "masked", "redacted", "redacted_lines"]

MASK = "******"

# Secret wherever they stand in a name, glued to other words too (PGPASSWORD).
_GLUED = re.compile(
    "password|passwd|passphrase|secret|token|credential|authorization"
    "|apikey|accesskey|accountkey|privatekey|webhook|odbcconnect"
)
_WORDS = frozenset({"key", "keys", "pass", "pwd", "pw", "salt", "sig"})
_LAST = frozenset(
    {"auth", "cookie", "cookies", "header", "headers", "jwt", "signature"}
)
# SECRET_ID and ACCESS_KEY_ID name an account, they don't open it; TOKEN_FILE is a path;
# "KeyError: ..." is what failed.
_HARMLESS = frozenset(
    {"id", "prefix", "name", "file", "path", "folder", "url"}
    | {"error", "exception"}
    | {"ttl", "timeout", "lifetime", "length", "size", "algorithm"}
)
_HARMLESS_KEYS = re.compile("(routing|primary|foreign|partition|public)_?key")

# A URL starts a text, an item of a list, or a line that repr() has escaped the end of;
# "://" inside a password starts none.
_URL = re.compile(
    r"""(?:^|(?<=[\s;,|"'=(\[{<])|(?<=\\[nrt]))[A-Za-z][A-Za-z0-9+.\-]*://"""
)
# A port with what a sentence puts after it: "http://h:4318, then".
_PORT = re.compile(r"""\d+[.,;:!|"')\]}>]*(?:\s|$)""")
_NAME = re.compile(r"""(?<![\w.\-])([A-Za-z][\w.\-]*)["']?\s*[=:]\s*""")
_VALUE = re.compile(
    r"""'[^']*'|"[^"]*"|(?:bearer|basic)\s+[^\s;&,]+|[^\s;&,]+""", re.IGNORECASE
)
# A name whose value stands on the next line.
_BROKEN = re.compile(
    r"""(?<![\w.\-])([A-Za-z][\w.\-]*)(["']?[ \t]*[=:]\s*\n\s*)(\S+)"""
)
# urllib3 names the URL of a failed request without its host.
_TARGET = re.compile(r"(\burl: /[^\s?]*\?)\S+")
# A private key, in a text that may go on: its lines don't tell where it ends.
_PEM = re.compile("-----BEGIN.*", re.DOTALL)
_TAIL = re.compile(r"""[\s;,|"')\]}>]*$""")
_PIN = re.compile(r"sha256=[0-9A-Fa-f]{64}")


def is_secret(name: str) -> bool:
    """Whether a key, an option or a query parameter of this name holds a secret."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    snake = _HARMLESS_KEYS.sub("", re.sub(r"[^a-z0-9]+", "_", snake).strip("_"))
    words = snake.split("_")
    harmless = words[-1] in _HARMLESS or words[-1].endswith(("keyid", "secretid"))
    if harmless and "webhook" not in words:
        return False
    if _GLUED.search(snake.replace("_", "")):
        return True
    return words[-1] in _LAST or not _WORDS.isdisjoint(words)


def masked(key: str, value: Any) -> Any:
    """``value`` of ``key`` as it may be printed.

    Mappings, lists, tuples and sets keep their shape; a path becomes its text; what is
    none of these nor text nor a number becomes its ``repr``, redacted.
    """
    return _masked(value, is_secret(key))


def _masked(value: Any, hidden: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _masked(item, hidden or is_secret(str(name)))
            for name, item in value.items()
        }
    # Not their subclasses: SQLAlchemy's URL is a tuple, and one item is the password.
    if type(value) in (list, tuple, set, frozenset):
        items = [_masked(item, hidden) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | bytes) and not value:
        return value
    if hidden:
        return MASK
    if isinstance(value, str | PurePath):
        return redacted(str(value))
    if isinstance(value, bytes):
        return redacted(value.decode("utf-8", "replace")).encode()
    return value if isinstance(value, int | float) else redacted(repr(value))


def redacted(text: str) -> str:
    """``text`` without the passwords and secret parameters of the URLs in it.

    An ``http`` URL also loses its whole account and every value of its query: there a
    token may have any name. ``password=...`` in a connection string is masked as well,
    and all from the head of a PEM file on.
    """
    text = _PEM.sub(MASK, text)
    starts = [match.start() for match in _URL.finditer(text)]
    if not starts:
        return _without_pairs(text)
    pieces = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    return _without_pairs(text[: starts[0]]) + "".join(map(_redacted_url, pieces))


def redacted_lines(text: str) -> str:
    """Each line of ``text`` redacted: a traceback's URLs end with their line."""
    shown = "\n".join(map(redacted, _PEM.sub(MASK, text).split("\n")))
    return _BROKEN.sub(_without_value, shown) if "\n" in shown else shown


def _without_value(pair: re.Match[str]) -> str:
    name, between, value = pair.groups()
    return f"{name}{between}{MASK if is_secret(name) else value}"


def _redacted_url(text: str) -> str:
    tail = _TAIL.search(text)
    end = tail.start() if tail else len(text)
    scheme, _, rest = text[:end].partition("://")
    web = scheme.lower() in {"http", "https"}
    account, rest = _split_account(rest, web)
    rest, sharp, fragment = rest.partition("#")
    address, mark, query = rest.partition("?")
    address = _without_pairs(address)
    query = "&".join(_parameter(item, web) for item in query.split("&"))
    if sharp and not _PIN.fullmatch(fragment):
        fragment = MASK
    return f"{scheme}://{account}{address}{mark}{query}{sharp}{fragment}{text[end:]}"


def _split_account(rest: str, web: bool) -> tuple[str, str]:
    """What follows ``://`` as (account as it may be shown, all after it).

    Passwords with an unescaped ``@``, ``/``, ``?`` or ``#`` are common in database URLs
    (SQLAlchemy reads some of them), so the account reaches to the last ``@``.
    """
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    name, colon, port = authority.partition(":")
    if "@" not in authority:
        is_port = authority.startswith("[") or (name != "" and port.isdigit())
        if not colon or (is_port and (web or "@" not in rest.partition("?")[0])):
            return "", rest
        if "@" not in rest:
            if name and _PORT.match(port):
                return "", rest
            return f"{name}:{MASK}", rest[len(authority) :]
    account, _, rest = rest.rpartition("@")
    name, colon, _ = account.partition(":")
    if web:
        return f"{MASK}@", rest
    return (f"{name}:{MASK}@" if colon else f"{account}@"), rest


def _parameter(text: str, web: bool) -> str:
    name, equals, value = text.partition("=")
    if not text or (not equals and not web):
        return text
    if not equals:
        return MASK
    plain = unquote(value)
    if web or is_secret(unquote(name)) or _without_pairs(plain) != plain:
        return f"{name}={MASK}"
    return text


def _without_pairs(text: str) -> str:
    text = _TARGET.sub(rf"\1{MASK}", text)
    shown, end, start = [], 0, 0
    while pair := _NAME.search(text, start):
        start = pair.end()
        value = _VALUE.match(text, start) if is_secret(pair[1]) else None
        # What is not hidden is looked into: "url: /x?token=..." is a pair in a pair.
        if value:
            shown += [text[end:start], MASK]
            end = start = value.end()
    return "".join([*shown, text[end:]])
