"""Which keys and metadata are portable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modern_flask.storage import InvalidKey
from modern_flask.storage.errors import CHECK_KEY
from modern_flask.storage.keys import (
    check_key,
    check_prefix,
    decode_value,
    encode_value,
)

REFUSED = [
    ("", "it is empty"),
    ("/", "it begins with a slash"),
    ("/a", "it begins with a slash"),
    ("\\a", "it begins with a \\"),
    ("a//b", "one of its segments is empty"),
    ("a/", "one of its segments is empty"),
    (".", 'one of its segments is "."'),
    ("a/./b", 'one of its segments is "."'),
    ("..", 'one of its segments is ".."'),
    ("a/../b", 'one of its segments is ".."'),
    ("a\x00b", "it has a control character"),
    ("a\r\nb", "it has a control character"),
    ("a\x7f", "it has a control character"),
    ("a\x85", "it has a control character"),
    ("\ud800", "it is not Unicode text"),
    ("a" * 851, "it has 851 bytes"),
    ("中" * 284, "it has 852 bytes"),
    (b"a", "it is of type bytes, not str"),
    (None, "it is of type NoneType, not str"),
]
TAKEN = [
    "a",
    "a/b",
    "a" * 850,
    "...",
    ".a",
    "a..",
    "a\\b",
    "?",
    "中/文 件",
    "😀",
    "~%",
    "*",
]


@pytest.mark.parametrize(("key", "reason"), REFUSED)
def test_refused_keys(key, reason):
    """A key that some vendor changes or refuses is refused with the reason."""
    with pytest.raises(InvalidKey) as raised:
        check_key(key)

    assert (raised.value.key, raised.value.reason) == (key, reason)


@pytest.mark.parametrize("key", TAKEN)
def test_portable_keys(key):
    """Everything else is a key."""
    check_key(key)


def test_text_of_a_refused_key():
    """The text shows the key, the reason and the rule."""
    with pytest.raises(InvalidKey) as raised:
        check_key("a//b")

    assert str(raised.value) == (
        "'a//b' is not a portable key: one of its segments is empty.\n"
        f"  fix      {CHECK_KEY}"
    )


@pytest.mark.parametrize("prefix", ["", "a/", "a/.", "a//", "中"])
def test_prefixes(prefix):
    """A prefix may end anywhere, in the middle of a segment too."""
    check_prefix(prefix)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_metadata_values_survive_headers(value):
    """Any text becomes printable ASCII without blanks at its ends, and comes back."""
    text = encode_value(value)

    assert text.isascii()
    assert text.strip() == text
    assert text.isprintable()
    assert decode_value(text) == value
