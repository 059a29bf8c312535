"""Parses a database URL and chooses a driver that is installed."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import DBAPIModule
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ..config.values import Section, find_key, find_origin
from ..errors import NotConfigured, make_import_fault
from .errors import BadDatabaseUrl, MissingDriver, UnknownDialect

__all__ = ["read_url"]

_DRIVERS = {
    "postgresql": {"psycopg2": "psycopg2", "psycopg": "psycopg"},
    "mysql": {"mysqldb": "MySQLdb", "pymysql": "pymysql"},
    "mariadb": {"mysqldb": "MySQLdb", "pymysql": "pymysql"},
}
"""The modules by driver. A URL without a driver gets the first one that is installed:
first the default of SQLAlchemy 2.0, then the driver of the kit's extra."""

_EXTRAS = {"psycopg": ("psycopg", "postgresql"), "pymysql": ("PyMySQL", "mysql")}
"""By driver: its package, and the extra of modern-flask that installs it."""


def read_url(settings: Mapping[str, Any]) -> URL:
    """Parse the setting ``url``; the result names a driver.

    Raises:
        NotConfigured: The setting is missing.
        BadDatabaseUrl: It can't be parsed.
        UnknownDialect: SQLAlchemy has no such dialect or driver.
        MissingExtra, MissingDriver: The package of the driver is not installed.
        BrokenPackage: It is installed and can't be imported.
    """
    key, origin = find_key(settings, "url"), find_origin(settings, "url")
    if not settings.get("url"):
        searched = settings.searched if isinstance(settings, Section) else ()
        raise NotConfigured("engine", key, searched)
    try:
        url = make_url(settings["url"])
    except (ArgumentError, ValueError):
        # Both errors may quote a part of the password.
        raise BadDatabaseUrl(key, origin) from None
    if url.drivername == "postgres":
        url = url.set(drivername="postgresql")
    if "+" not in url.drivername:
        url = _choose_driver(url)
    dialect = _load_dialect(url, settings)
    driver = settings.get("module") or _import_driver(dialect, url, settings)
    make: Any = dialect
    try:
        make(dbapi=driver).create_connect_args(url)
    except (ArgumentError, ValueError):
        raise BadDatabaseUrl(key, origin) from None
    return url


def _choose_driver(url: URL) -> URL:
    """Add the first driver that is installed, or else the driver of an extra."""
    drivers = _DRIVERS.get(url.drivername, {})
    for driver, module in drivers.items():
        if find_spec(module) or driver in _EXTRAS:
            return url.set(drivername=f"{url.drivername}+{driver}")
    return url


def _load_dialect(url: URL, settings: Mapping[str, Any]) -> type[Dialect]:
    try:
        return url.get_dialect()
    except NoSuchModuleError:
        raise UnknownDialect(
            find_key(settings, "url"), url.drivername, find_origin(settings, "url")
        ) from None


def _import_driver(
    dialect: type[Dialect], url: URL, settings: Mapping[str, Any]
) -> DBAPIModule:
    try:
        return dialect.import_dbapi()
    except ImportError as error:
        driver = dialect.driver
        key, origin = find_key(settings, "url"), find_origin(settings, "url")
        known = driver in _EXTRAS
        if known or not isinstance(error, ModuleNotFoundError):
            package, extra = _EXTRAS.get(driver, (driver, ""))
            # The module of each driver of an extra has the driver's name.
            raise make_import_fault(
                error, driver, "database", package, extra, key, origin
            ) from error
        backend = url.get_backend_name()
        extras = [driver for driver in _DRIVERS.get(backend, {}) if driver in _EXTRAS]
        instead = f"{backend}+{extras[0]}" if extras else ""
        raise MissingDriver(key, dialect.driver, instead, origin) from error
