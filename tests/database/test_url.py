"""Parsing a database URL."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, make_url

from modern_flask.config.values import Section
from modern_flask.database import BadDatabaseUrl, MissingDriver, UnknownDialect
from modern_flask.database.errors import CHOOSE_DIALECT, WRITE_URL
from modern_flask.database.url import read_url
from modern_flask.errors import BrokenPackage, MissingExtra, NotConfigured, set_key

Sections = Callable[..., Section]


def test_url_is_required(section: Sections) -> None:
    """An engine without a URL is not configured, and the error names the key to set."""
    with pytest.raises(NotConfigured) as fault:
        read_url(section(echo=True))

    assert str(fault.value) == (
        "engine is not configured: DATABASE_ENGINE_URL is not set.\n"
        "  looked in  config.py\n"
        f"  fix      {set_key('DATABASE_ENGINE_URL')}"
    )


@pytest.mark.parametrize(
    "url",
    [
        "no-url",
        "postgresql://shop:pa@ss:word@db:port/orders",
        "http://shop:password@[::1/orders",
        "sqlite://password.db",
        17,
    ],
)
def test_unreadable_url_shows_the_shape(section: Sections, url: Any) -> None:
    """The error about a malformed URL has the key and the form, but not the URL."""
    with pytest.raises(BadDatabaseUrl) as fault:
        read_url(section(url=url))

    assert fault.value.__suppress_context__
    assert str(fault.value) == (
        "DATABASE_ENGINE_URL is not a database URL.\n"
        "  set in   config.py, line 1\n"
        f"  fix      {WRITE_URL}"
    )


def test_unknown_dialect_is_named(section: Sections) -> None:
    """The error names an unknown dialect, but not the password."""
    with pytest.raises(UnknownDialect) as fault:
        read_url(section(url="postgrez://shop:password@db/orders"))

    assert str(fault.value) == (
        'DATABASE_ENGINE_URL begins with "postgrez", '
        "and SQLAlchemy has no such dialect.\n"
        "  set in   config.py, line 1\n"
        f"  fix      {CHOOSE_DIALECT}"
    )


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgresql", "postgresql+psycopg"),
        ("postgres", "postgresql+psycopg"),
        ("mysql", "mysql+pymysql"),
        ("mariadb", "mariadb+pymysql"),
        ("postgresql+psycopg", "postgresql+psycopg"),
        ("mysql+pymysql", "mysql+pymysql"),
    ],
)
def test_plain_name_takes_the_driver_that_is_there(given: str, driver: str) -> None:
    """A URL without a driver gets one that is installed; the rest of it stays."""
    url = read_url({"url": f"{given}://shop:password@db/orders"})

    assert url == make_url(f"{driver}://shop:password@db/orders")


def test_older_driver_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If psycopg2 is installed, a plain postgresql:// uses it."""
    (tmp_path / "psycopg2.py").write_text('__version__ = "2.9.10"\nparamstyle = "x"\n')
    monkeypatch.syspath_prepend(tmp_path)

    url = read_url({"url": URL.create("postgresql", host="db")})

    sys.modules.pop("psycopg2")
    assert url.drivername == "postgresql+psycopg2"


@pytest.mark.parametrize(
    ("name", "module", "package", "extra"),
    [
        ("postgresql", "psycopg", "psycopg", "postgresql"),
        ("mysql", "pymysql", "PyMySQL", "mysql"),
    ],
)
def test_missing_driver_of_an_extra(
    monkeypatch: pytest.MonkeyPatch, name: str, module: str, package: str, extra: str
) -> None:
    """If the driver is missing, the error names the extra that installs it."""
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingExtra) as fault:
        read_url({"url": f"{name}://shop:password@db/orders"})

    assert str(fault.value) == (
        f"database is configured, but the package {package} is not installed.\n"
        f"  fix      pip install 'modern-flask[{extra}]'"
    )


def test_broken_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A driver that is there and can't be imported is not called missing."""
    monkeypatch.delitem(sys.modules, "psycopg", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "psycopg.py").write_text("raise ImportError('no pq\\n  wrapper')")

    with pytest.raises(BrokenPackage) as fault:
        read_url({"url": "postgresql+psycopg://shop:password@db/orders"})

    assert str(fault.value) == (
        "database is configured, but the package psycopg can't be imported: "
        "no pq wrapper.\n"
        "  fix      pip install --force-reinstall 'modern-flask[postgresql]'"
    )


def test_missing_driver_of_the_url(section: Sections) -> None:
    """If no extra installs the driver, the error names it and another driver."""
    with pytest.raises(MissingDriver) as fault:
        read_url(section(url="postgresql+psycopg2://shop:password@db/orders"))

    assert str(fault.value) == (
        "DATABASE_ENGINE_URL names the driver psycopg2, which is not installed.\n"
        "  set in   config.py, line 1\n"
        "  fix      install the package of the driver, "
        "or begin the URL with postgresql+psycopg://"
    )


def test_missing_driver_of_another_database() -> None:
    """If there is no extra for a database, the error proposes no other driver."""
    with pytest.raises(MissingDriver) as fault:
        read_url({"url": "oracle+oracledb://shop:password@db/orders"})

    assert str(fault.value) == (
        "url names the driver oracledb, which is not installed.\n"
        "  fix      install the package of the driver"
    )
