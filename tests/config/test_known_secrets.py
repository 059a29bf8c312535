"""Secret values of a configuration are masked in any text that quotes them."""

import html
import json
import shlex
from urllib.parse import quote, quote_plus

import pytest
from sqlalchemy.engine import make_url

from modern_flask.config.known_secrets import KnownSecrets

AWKWARD = 'it\'s "hun/ter" 2&\u00e9%+'


@pytest.mark.parametrize(
    "spell",
    [
        str,
        repr,
        ascii,
        json.dumps,
        shlex.quote,
        html.escape,
        quote,
        quote_plus,
        lambda text: quote(text, safe=""),
        lambda text: quote(text, safe="").lower(),
        lambda text: repr({"x": text}),
        lambda text: repr(repr(text)),
        lambda text: repr(text.encode()),
        lambda text: json.dumps(json.dumps(text)),
        lambda text: f"smtp://{quote(text, safe='')}@mail",
    ],
)
@pytest.mark.parametrize("secret", ["hunter2", AWKWARD, "line\nbreak", "sp ace "])
def test_spellings(secret, spell):
    """A value is masked plain, quoted and encoded for a URL."""
    secrets = KnownSecrets({"API_TOKEN": secret}, {})

    shown = secrets.mask(f"refused {spell(secret)} here")

    assert "******" in shown
    assert not any(word in shown for word in ("hunter", "hun", "ter", "break", "ace"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("REDIS_PASSWORD", "hunter2"),
        ("REDIS_PASSWORD", b"hunter2"),
        ("SECRET_KEY_FALLBACKS", ["hunter2"]),
        ("DATABASE_ENGINE_CONNECT_ARGS", {"password": "hunter2"}),
        ("DATABASE_ENGINE_URL", "postgresql://shop:hunter2@db/shop"),
        ("DATABASE_ENGINE_URL", make_url("postgresql://shop:hunter2@db/shop")),
        ("MAIL_SERVER", "https://shop:hunter2@mail/x"),
        ("MAIL_SERVER", "https://mail/x?sig=hunter2"),
        ("DSN", "host=db user=shop password=hunter2"),
        ("COMMAND", ["mysql", "--password", "hunter2"]),
        ("COMMAND", "mysql --password=hunter2"),
        ("SMTP", "shop:hunter2@mail:25"),
    ],
)
def test_places_of_secrets(key, value):
    """Values of secret keys are known, and the passwords inside other values."""
    secrets = KnownSecrets({key: value}, {})

    assert secrets.mask("refused hunter2 here") == "refused ****** here"


def test_encoded_password_of_a_url():
    """The password of a URL is also masked in its decoded form."""
    secrets = KnownSecrets({"URL": "amqp://shop:hun%40ter2@mq"}, {})

    assert secrets.mask("hun@ter2, hun%40ter2") == "******, ******"


def test_number_that_is_a_secret():
    """A PIN is known as a text of six characters or more."""
    assert KnownSecrets({"CARD_PIN": 123456}, {}).mask("at 123456") == "at ******"


@pytest.mark.parametrize(
    "values",
    [
        {"REDIS_PASSWORD": "abcde"},
        {"REDIS_PASSWORD": None, "TOKEN": True},
        {"REDIS_HOST": "plain value"},
        {"REDIS_URL": "redis://cache:6379/0"},
    ],
)
def test_other_values_are_shown(values):
    """Short values, flags and values that are not secret stay readable."""
    text = "plain value of abcde at True in redis cache 6379"

    assert KnownSecrets(values, {}).mask(text) == text


def test_variables_of_the_environment_are_known():
    """An opener may read its password from a variable; PWD is the working folder."""
    secrets = KnownSecrets({}, {"SMTP_PASSWORD": "hunter2", "PWD": "/srv/shop"})

    assert secrets.mask("hunter2 in /srv/shop") == "****** in /srv/shop"


def test_value_that_contains_itself():
    """A value without an end is read to a limited depth."""
    endless = []
    endless.append(endless)

    assert KnownSecrets({"A_TOKEN": endless}, {}).mask("text") == "text"


def test_explanation_is_one_short_line():
    """The secret is masked before the text is cut."""
    secrets = KnownSecrets({"API_TOKEN": "hunter2" * 10}, {})
    error = ValueError(f"first\n  second {'x' * 270} {'hunter2' * 10}")

    shown = secrets.explain(error)

    assert "\n" not in shown
    assert len(shown) <= 303
    assert shown.startswith("first second xxx")
    assert "hunter2" not in shown


def test_exception_without_a_text():
    """An exception whose text raises has no explanation."""

    class Broken(Exception):
        def __str__(self):
            raise RuntimeError

    assert KnownSecrets({}, {}).explain(Broken()) == ""


def test_traceback_is_masked():
    """The traceback has the causes and notes, without the secret."""
    secrets = KnownSecrets({"API_TOKEN": "hunter2"}, {})
    error = ValueError("refused hunter2")
    error.__cause__ = KeyError("hunter2")
    error.add_note("with hunter2")

    shown = secrets.format_traceback(error)

    assert "ValueError: refused ******" in shown
    assert "KeyError" in shown
    assert "hunter2" not in shown
