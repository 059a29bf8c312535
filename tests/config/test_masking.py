"""Masking of secrets in values and texts."""

import json
from pathlib import Path

import pytest
from sqlalchemy import column
from sqlalchemy.engine import make_url

from modern_flask.config.masking import (
    MASK,
    is_secret,
    is_secret_text,
    mask_value,
    redact,
    redact_lines,
)

SECRETS = [
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "STORAGE_SECRET_KEY",
    "STORAGE_ACCESS_KEY_SECRET",
    "STORAGE_TOKEN",
    "REDIS_PASSWORD",
    "DATABASE_ENGINE_PASSWORD",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_JAEGER_PASSWORD",
    "API_KEY",
    "API_KEY_OLD",
    "APIKEY",
    "AWS_SECRET_ACCESS_KEY",
    "PGPASSWORD",
    "SMTP_PASS",
    "DB_PWD",
    "JWT",
    "BASIC_AUTH",
    "SECURITY_PASSWORD_SALT",
    "GITHUB_TOKEN",
    "GOOGLE_CREDENTIALS",
    "SLACK_WEBHOOK_URL",
    "accessKeySecret",
    "clientSecret",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "authorization",
    "cookie",
    "sig",
    "passphrase",
    "GITHUB_PAT",
    "OTP_SEED",
    "MFA_TOTP",
    "CARD_PIN",
    "BASTION_PASSCODE",
    "REGISTRY_CREDS",
]

HARMLESS = [
    "STORAGE_SECRET_ID",
    "STORAGE_ACCESS_KEY_ID",
    "OSSAccessKeyId",
    "accesskeyid",
    "REDIS_HOST",
    "REDIS_KEY_PREFIX",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_DOMAIN",
    "TOKEN_URL",
    "TOKEN_TTL",
    "PASSWORD_FILE",
    "PASSWORD_MIN_LENGTH",
    "DATABASE_ENGINE_URL",
    "CELERY_BROKER_URL",
    "COMPASS",
    "CELERY_TASK_DEFAULT_ROUTING_KEY",
    "JWT_PUBLIC_KEY",
    "STORAGE_KEEP_ALIVE",
    "AUTHOR",
    "MONKEY",
    "REDIS_SOCKET_KEEPALIVE",
    "PATH",
    "SPIN",
    "SEEDLING",
]

TEXTS = [
    *("SECRET_KEY", "REDIS_PASSWORD", "STORAGE_SECRET_KEY", "API_KEY", "PGPASSWORD"),
    *("GITHUB_PAT", "OTP_SEED", "METRICS_TOKEN", "clientSecret", "SMTP_PASS"),
]
NOT_TEXTS = [
    *("SECRET_KEY_FALLBACKS", "JWT_ACCESS_TOKEN_EXPIRES", "JWT_TOKEN_LOCATION"),
    *("OTEL_EXPORTER_OTLP_HEADERS", "SESSION_COOKIE_SECURE", "STORAGE_SECRET_ID"),
    *("PASSWORD_RESET_ENABLED", "GOOGLE_CREDENTIALS", "REDIS_PORT", "MONKEY"),
]


@pytest.mark.parametrize("name", SECRETS)
def test_names_of_secrets(name):
    """A name of a secret is recognized in every usual spelling."""
    assert is_secret(name)


@pytest.mark.parametrize("name", HARMLESS)
def test_names_that_only_sound_secret(name):
    """Names of accounts, files, durations and public keys are shown."""
    assert not is_secret(name)


@pytest.mark.parametrize("name", TEXTS)
def test_names_of_one_secret_text(name):
    """The value under such a name is one text, also if it looks like a number."""
    assert is_secret_text(name)


@pytest.mark.parametrize("name", NOT_TEXTS)
def test_names_whose_value_is_not_one_secret_text(name):
    """The value may be a list, a number, a mapping or a flag, or it is no secret."""
    assert not is_secret_text(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run --token=hunter2 now", "run --token=****** now"),
        ("run --token hunter2 --x 1", "run --token ****** --x 1"),
        ("['--password', 'hunter2', 'x']", "['--password', ******, 'x']"),
        ('["--password", "hunter2"]', '["--password", ******]'),
        ("--key-file /etc/x --port 1", "--key-file /etc/x --port 1"),
        ("smtp user:hunter2@mail:25 refused", "smtp user:******@mail:25 refused"),
        ("user:hun/ter@2@mail", "user:******@mail"),
        (":hunter2@cache:6379", ":******@cache:6379"),
        ("http://h/x, user:hunter2@host", "http://h/x, user:******@host"),
        ("git@github.com:shop/orders.git", "git@github.com:shop/orders.git"),
        ("at 12:30:45 bob@example.com", "at 12:30:45 bob@example.com"),
        ("mail: bob@example.com", "mail: bob@example.com"),
        ("refused ghp_hunter2hunter2hunter2", "refused ******"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "jwt ******"),
        ("redis://:hunter2@cache:6379/0", "redis://:******@cache:6379/0"),
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("redis://app@cache", "redis://app@cache"),
        ("redis://:hunter2", "redis://:******"),
        (
            "mysql+pymysql://u:hunter@2@db/shop?charset=utf8mb4",
            "mysql+pymysql://u:******@db/shop?charset=utf8mb4",
        ),
        ("mysql://u:hun/ter2@db/shop", "mysql://u:******@db/shop"),
        ("mysql://u:12/hunter2@db/shop", "mysql://u:******@db/shop"),
        ("mysql://u:hun#ter?2@db/shop", "mysql://u:******@db/shop"),
        ("mysql://u:hunter 2@db/shop", "mysql://u:******@db/shop"),
        ("postgresql://u:hunter2@[::1]:5432/x", "postgresql://u:******@[::1]:5432/x"),
        ("postgresql://[::1]:5432/x", "postgresql://[::1]:5432/x"),
        ("postgresql://u:hunter2@a:1,b:2/x", "postgresql://u:******@a:1,b:2/x"),
        ("postgresql:///x?password=hunter2", "postgresql:///x?password=******"),
        ("postgresql://h/x?sslmode=require", "postgresql://h/x?sslmode=require"),
        (
            "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3Dhunter2",
            "mssql+pyodbc:///?odbc_connect=******",
        ),
        (
            "amqp://u:hunter2@a:5672//;amqp://u:hunter3@b:5672//",
            "amqp://u:******@a:5672//;amqp://u:******@b:5672//",
        ),
        ("redis://:a://hunter2@cache/0", "redis://:******@cache/0"),
        ("sqlserver://db;password=hunter2;x=1", "sqlserver://db;password=******;x=1"),
        ("jdbc:sqlserver://db;password=hunter2", "jdbc:sqlserver://db;password=******"),
        ("sqlite:////srv/shop.db", "sqlite:////srv/shop.db"),
        ("https://u:hunter2@git/x.py", "https://******@git/x.py"),
        ("https://hunter2@git/x.py", "https://******@git/x.py"),
        ("https://hunter2:x-oauth-basic@git/x.py", "https://******@git/x.py"),
        ("https://git:8080/a@b.py", "https://git:8080/a@b.py"),
        ("https://git/x.py?ref=hunter2&b", "https://git/x.py?ref=******&******"),
        ("https://git/x.py#hunter2", "https://git/x.py#******"),
        ("https://git/x.py?hunter2", "https://git/x.py?******"),
        (
            "http://h/?next=https://u:hunter2@g/",
            "http://h/?next=******https://******@g/",
        ),
        (
            "host=db user=u password=hunter2 dbname=x",
            "host=db user=u password=****** dbname=x",
        ),
        ("password='hunter 2' host=db", "password=****** host=db"),
        ("authorization=Bearer hunter2,x=1", "authorization=******,x=1"),
        ("AccountName=a;AccountKey=hunter2==;", "AccountName=a;AccountKey=******;"),
        ("Ask http://h:4318.", "Ask http://h:4318."),
        ("amqp://h:5672,", "amqp://h:5672,"),
        ("amqp://h:5672, then stop", "amqp://h:5672, then stop"),
        ("(http://h:4318): refused", "(http://h:4318): refused"),
        ('"http://h:4318", so', '"http://h:4318", so'),
        ("[amqp://h:5672]!", "[amqp://h:5672]!"),
        ("redis://h:12hunter.", "redis://h:******"),
        ("http://u:12. hunter@h/x", "http://******@h/x"),
        ("mysql://u:12, hunter@h/x", "mysql://u:******@h/x"),
        ("failed with url: /x?a=hunter2&b (it)", "failed with url: /x?****** (it)"),
        ("path: /x?token=hunter2 (it)", "path: /x?token=****** (it)"),
        ("at: a=1,b:password=hunter2", "at: a=1,b:password=******"),
        ("-----BEGIN KEY-----\nhunter2\n-----END KEY-----\n", "******"),
        ("It is -----BEGIN KEY-----\\nhunter2", "It is ******"),
        ("KeyError: 'size'", "KeyError: 'size'"),
        ("KeyError: 'password=hunter2'", "KeyError: 'password=******"),
        ("a sentence: nothing in it", "a sentence: nothing in it"),
        ("", ""),
    ],
)
def test_redacted_texts(text, shown):
    """A password is masked, and the text around it stays readable."""
    assert redact(text) == shown
    assert "hunter" not in redact(text)


def test_redacted_lines():
    """A URL ends with its line; a private key does not."""
    text = "http://h/x?a=hunter2\nin f\n-----BEGIN KEY-----\nhunter3"

    assert redact_lines(text) == "http://h/x?a=******\nin f\n******"


def test_value_on_the_next_line():
    """A secret on the line below its name is masked, and a plain value is not."""
    text = "password:\n  hunter2\nhost:\n  cache\n'token' =\n\nabc"

    assert redact_lines(text) == (
        "password:\n  ******\nhost:\n  cache\n'token' =\n\n******"
    )


def test_url_in_a_repr():
    """A URL after a line break that ``repr`` has escaped is redacted, too."""
    text = repr("first\nredis://:hunter2@cache/0")

    assert redact(text) == r"'first\nredis://:******@cache/0'"


def test_pin_stays_readable():
    """The pin of a source is not a secret."""
    url = f"https://git/x.py#sha256={'ab' * 32}"

    assert redact(url) == url


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("REDIS_PASSWORD", "hunter2", MASK),
        ("REDIS_PASSWORD", 12345, MASK),
        ("REDIS_PASSWORD", 1, MASK),
        ("REDIS_PASSWORD", None, None),
        ("REDIS_PASSWORD", "", ""),
        ("SECRET_KEY", b"hunter2", MASK),
        ("SECRET_KEY_FALLBACKS", ["hunter2", b"hunter3"], [MASK, MASK]),
        ("SESSION_COOKIE_SECURE", True, True),
        ("REDIS_PORT", 6379, 6379),
        ("SAMPLE", 0.5, 0.5),
        ("DATA", Path("/srv/shop"), "/srv/shop"),
        ("SECRET_FOLDERS", Path("/srv/hunter2"), MASK),
        ("PRIVATE", "-----BEGIN RSA PRIVATE KEY-----\nhunter2", MASK),
        ("PRIVATE", b"-----BEGIN RSA PRIVATE KEY-----\nhunter2", b"******"),
        ("BLOB", b"redis://:hunter2@h", b"redis://:******@h"),
        (
            "DATABASE_ENGINE_CONNECT_ARGS",
            {"password": "hunter2", "connect_timeout": 3, "x": {"token": "hunter2"}},
            {"password": MASK, "connect_timeout": 3, "x": {"token": MASK}},
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", {"x-team": "hunter2"}, {"x-team": MASK}),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=hunter2", MASK),
        (
            "COMMAND",
            ["mysql", "--password", "hunter2", "--host", "db", "--token=hunter3"],
            ["mysql", "--password", MASK, "--host", "db", f"--token={MASK}"],
        ),
        ("SMTP", "user:hunter2@mail:25", "user:******@mail:25"),
        ("UNKNOWN", "hunter2HUNTER2hunter2", MASK),
        ("UNKNOWN", "orders-of-the-shop-2024", "orders-of-the-shop-2024"),
        ("FOLDER", "/srv/Shop2/orders/of/the/day", "/srv/Shop2/orders/of/the/day"),
        ("BROKERS", ("redis://:hunter2@h", "a"), ("redis://:******@h", "a")),
    ],
)
def test_masked_values(key, value, shown):
    """Masking depends on the key, the keys of the items, and URLs in the value."""
    assert mask_value(key, value) == shown


def test_masked_object_is_its_redacted_repr():
    """An object's ``str`` may hold a password, so its redacted ``repr`` is shown."""
    url = make_url("mysql://u:hunter2@db/shop")

    shown = mask_value("DATABASE_ENGINE_URL", url)

    assert shown == "mysql://u:******@db/shop"


def test_masked_object_with_its_own_equality():
    """Masking does not compare an object that defines its own equality."""
    shown = mask_value("ORDER", column("price"))

    assert "price" in shown


def test_masked_does_not_touch_the_value():
    """Masking makes a copy."""
    value = {"password": "hunter2"}

    mask_value("CONNECT_ARGS", value)

    assert json.dumps(value) == '{"password": "hunter2"}'
