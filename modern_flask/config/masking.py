"""Masks secrets before a value is printed: whole values, and passwords in URLs.

If a text can be read in two ways, more is masked rather than less.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

__all__ = [
    "MASK",
    "is_secret",
    "is_secret_option",
    "is_secret_text",
    "mask_value",
    "redact",
    "redact_lines",
]

MASK = "******"

# These words make a name secret even without a separator before them (PGPASSWORD).
_ANYWHERE = re.compile(
    "password|passwd|passphrase|passcode|passkey|secret|token|credential"
    "|authorization|apikey|accesskey|accountkey|privatekey|webhook|odbcconnect"
)
_WORDS = frozenset(
    {"key", "keys", "pass", "pwd", "pw", "salt", "sig"}
    | {"pat", "otp", "totp", "seed", "pin", "cred", "creds", "bearer"}
)
# The last word of a key that holds one text; TOKEN_LOCATION may be a list.
_TEXT = re.compile(
    "(password|passwd|passphrase|passcode|passkey|secret|token|apikey|accesskey"
    "|accountkey|privatekey)$|(^|_)(key|pass|pwd|pw|salt|pat|otp|seed|pin)$"
)
_LAST = frozenset(
    {"auth", "cookie", "cookies", "header", "headers", "jwt", "signature"}
)
# SECRET_ID and ACCESS_KEY_ID name an account and give no access to it; TOKEN_FILE is a
# path; "KeyError: ..." names an error.
_HARMLESS = frozenset(
    {"id", "prefix", "name", "file", "path", "folder", "url"}
    | {"error", "exception"}
    | {"ttl", "timeout", "lifetime", "length", "size", "algorithm"}
)
_HARMLESS_KEYS = re.compile("(routing|primary|foreign|partition|public)_?key")

# A URL starts at the beginning of a text, an item or a line; repr() may have escaped
# the line break. A "://" inside a password does not start a URL.
_URL = re.compile(
    r"""(?:^|(?<=[\s;,|"'=(\[{<])|(?<=\\[nrt]))[A-Za-z][A-Za-z0-9+.\-]*://"""
)
# A port and the punctuation of the sentence: "http://h:4318, then".
_PORT = re.compile(r"""\d+[.,;:!|"')\]}>]*(?:\s|$)""")
_NAME = re.compile(r"""(?<![\w.\-])-{0,2}([A-Za-z][\w.\-]*)["']?\s*[=:]\s*""")
# An option with its value in the next word or item: --token X, "--token", "X".
_OPTION = re.compile(
    r"""(?<![\w\-])--?([A-Za-z][\w\-]*)(?:["']\s*,\s*|\s+(?!-))(?=\S)"""
)
# An account without a scheme: user:X@host.
_ACCOUNT = re.compile(r"""((?<![\w.\-])[\w.+%\-]*:)(?!//)[^\s"'<>]+(@[\w\[])""")
# The texts that GitHub, GitLab, Slack, Stripe, Google and JWT issuers make (RFC 7519).
_ISSUED = re.compile(
    r"\b(?:gh[oprsu]_|github_pat_|glpat-|xox[abeprs]-|sk[-_](?:live_|test_|proj-|ant-)"
    r"|AIza|eyJ[\w\-]+\.)[\w.\-]{12,}"
)
_VALUE = re.compile(
    r"""'[^']*'|"[^"]*"|(?:bearer|basic)\s+[^\s;&,]+|[^\s;&,]+""", re.IGNORECASE
)
# A name with its value on the next line.
_VALUE_BELOW = re.compile(
    r"""(?<![\w.\-])([A-Za-z][\w.\-]*)(["']?[ \t]*[=:]\s*\n\s*)(\S+)"""
)
# urllib3 logs the URL of a failed request without its host.
_TARGET = re.compile(r"(\burl: /[^\s?]*\?)\S+")
# A private key and all text after it: the lines don't show where the key ends.
_PEM = re.compile("-----BEGIN.*", re.DOTALL)
# A word of 20 characters or more with a digit, a small and a capital letter.
_WORD = re.compile(
    r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])[A-Za-z0-9+_=\-][A-Za-z0-9+/_=\-]{19,}"
)
_TAIL = re.compile(r"""[\s;,|"')\]}>]*$""")
_PIN = re.compile(r"sha256=[0-9A-Fa-f]{64}")


def is_secret(name: str) -> bool:
    """Whether a key, an option or a query parameter with this name holds a secret."""
    snake = _HARMLESS_KEYS.sub("", _split_words(name))
    words = snake.split("_")
    harmless = words[-1] in _HARMLESS or words[-1].endswith(("keyid", "secretid"))
    if harmless and "webhook" not in words:
        return False
    if _ANYWHERE.search(snake.replace("_", "")):
        return True
    return words[-1] in _LAST or not _WORDS.isdisjoint(words)


def is_secret_text(name: str) -> bool:
    """Whether a key with this name holds a secret that is one text.

    Other keys that count as secret may need a list, a number or a mapping, such as
    ``SECRET_KEY_FALLBACKS``, ``JWT_ACCESS_TOKEN_EXPIRES`` and
    ``OTEL_EXPORTER_OTLP_HEADERS``.
    """
    return is_secret(name) and _TEXT.search(_split_words(name)) is not None


def is_secret_option(item: object) -> bool:
    """Whether the next item of a command is a secret, as after ``--password``."""
    option = isinstance(item, str) and item.startswith("-") and "=" not in item
    return option and is_secret(str(item).lstrip("-"))


def _split_words(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return re.sub(r"[^a-z0-9]+", "_", snake).strip("_")


def mask_value(key: str, value: Any) -> Any:
    """Return ``value`` in a form that can be printed under ``key``.

    Mappings, lists and tuples keep their shape, and a set becomes a list. A path
    becomes its text. Text, bytes and numbers keep their type. Every other object
    becomes its redacted ``repr``.
    """
    return _mask(value, is_secret(key))


def _mask(value: Any, hidden: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _mask(item, hidden or is_secret(str(name)))
            for name, item in value.items()
        }
    # Subclasses don't count: SQLAlchemy's URL is a tuple that contains the password.
    if type(value) in (list, tuple, set, frozenset):
        items = list(_mask_items(value, hidden))
        return tuple(items) if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | bytes) and not value:
        return value
    if hidden:
        return MASK
    if isinstance(value, str) and _looks_random(value):
        return MASK
    if isinstance(value, str | PurePath):
        return redact(str(value))
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace")).encode()
    return value if isinstance(value, int | float) else redact(repr(value))


def _mask_items(items: Iterable[Any], hidden: bool) -> Iterator[Any]:
    """Mask each item, and all of an item after an option such as ``--password``."""
    follows = False
    for item in items:
        yield _mask(item, hidden or follows)
        follows = is_secret_option(item)


def _looks_random(value: str) -> bool:
    """Whether a text is a long word of digits and letters of both cases.

    Most secrets under an unknown name are such words.
    """
    return _WORD.fullmatch(value) is not None


def redact(text: str) -> str:
    """Mask the passwords and secret parameters of the URLs in ``text``.

    In an ``http`` URL the whole account and every value of the query are masked, since
    a token may have any name there. ``password=...`` in a connection string is masked
    too, and a private key in PEM format with all text after it.
    """
    text = _ISSUED.sub(MASK, _PEM.sub(MASK, text))
    starts = [match.start() for match in _URL.finditer(text)]
    if not starts:
        return _mask_words(text)
    pieces = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    return _mask_words(text[: starts[0]]) + "".join(map(_redact_url, pieces))


def _mask_words(text: str) -> str:
    """Mask the secrets in a text without a URL."""
    shown = _mask_pairs(text)
    return _ACCOUNT.sub(rf"\1{MASK}\2", shown) if "@" in shown else shown


def redact_lines(text: str) -> str:
    """Redact each line of ``text``: in a traceback, a URL ends with its line."""
    shown = "\n".join(map(redact, _PEM.sub(MASK, text).split("\n")))
    return _VALUE_BELOW.sub(_mask_value_below, shown) if "\n" in shown else shown


def _mask_value_below(pair: re.Match[str]) -> str:
    name, between, value = pair.groups()
    return f"{name}{between}{MASK if is_secret(name) else value}"


def _redact_url(text: str) -> str:
    tail = _TAIL.search(text)
    end = tail.start() if tail else len(text)
    scheme, _, rest = text[:end].partition("://")
    web = scheme.lower() in {"http", "https"}
    account, rest = _split_account(rest, web)
    rest, sharp, fragment = rest.partition("#")
    address, mark, query = rest.partition("?")
    address, space, more = _split_address(address)
    address = f"{_mask_pairs(address)}{space}{_mask_words(more)}"
    query = "&".join(_mask_parameter(item, web) for item in query.split("&"))
    if sharp and not _PIN.fullmatch(fragment):
        fragment = MASK
    return f"{scheme}://{account}{address}{mark}{query}{sharp}{fragment}{text[end:]}"


def _split_account(rest: str, web: bool) -> tuple[str, str]:
    """Split the text after ``://`` into the account, masked, and the rest.

    Passwords with an unescaped ``@``, ``/``, ``?`` or ``#`` are common in database URLs
    (SQLAlchemy accepts some of them), so the account ends at the last ``@``.
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


def _mask_parameter(text: str, web: bool) -> str:
    name, equals, value = text.partition("=")
    if not text or (not equals and not web):
        return text
    if not equals:
        return MASK
    plain = unquote(value)
    if web or is_secret(unquote(name)) or _mask_pairs(plain) != plain:
        return f"{name}={MASK}"
    return text


def _split_address(address: str) -> tuple[str, str, str]:
    """Split the text after the account into the address and the words after it."""
    end = re.search(r"\s", address)
    if end is None:
        return address, "", ""
    return address[: end.start()], end[0], address[end.end() :]


def _mask_pairs(text: str) -> str:
    """Mask the values of ``name=value``, ``name: value`` and ``--name value``.

    Only the values of secret names are masked.
    """
    text = _TARGET.sub(rf"\1{MASK}", text)
    text = _mask_named(text, _NAME)
    return _mask_named(text, _OPTION) if "-" in text else text


def _mask_named(text: str, names: re.Pattern[str]) -> str:
    shown, end, start = [], 0, 0
    while pair := names.search(text, start):
        start = pair.end()
        value = _VALUE.match(text, start) if is_secret(pair[1]) else None
        # A value that is not masked may hold a pair itself: "url: /x?token=...".
        if value:
            shown += [text[end:start], MASK]
            end = start = value.end()
    return "".join([*shown, text[end:]])
