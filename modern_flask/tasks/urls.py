"""Checks the URLs of the brokers and the result backend, without connecting."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..config.values import find_key, find_origin
from ..errors import find_nearest
from .errors import BadBackend, BadBroker

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["check_backend", "check_brokers", "warn_about_urls"]

_BROKERS = ("broker_url", "broker_read_url", "broker_write_url")
_DEFAULT_BROKER = "amqp://guest@localhost//"
"""Celery connects to this broker if no broker is configured."""

logger = logging.getLogger(__name__)


def check_brokers(settings: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Check that Celery has a transport for the URL of each broker.

    Args:
        settings: The settings as they are configured, for keys and origins.
        given: The same settings under Celery's names.

    Raises:
        BadBroker: There is no such transport, or the URL can't be parsed.
    """
    from kombu.transport import TRANSPORT_ALIASES

    for name in _BROKERS:
        value = given.get(name) or ()
        urls = value.split(";") if isinstance(value, str) else value
        for url in urls if isinstance(urls, list | tuple) else [urls]:
            error = _load_transport(url, given.get("broker_transport"))
            if error is not None:
                own = name if name in settings else "broker"
                known = _get_scheme(url) in TRANSPORT_ALIASES
                raise BadBroker(
                    find_key(settings, own),
                    find_origin(settings, own),
                    _find_schemes(str(url), TRANSPORT_ALIASES),
                    _get_missing_package(error) if known else "",
                )


def _load_transport(url: Any, transport: Any) -> Exception | None:
    """Load the transport of a URL as kombu does. The result is the error, or None.

    Do not show the text of the error: it may quote a part of the password.
    """
    from kombu.connection import Connection

    make: Any = Connection
    try:
        make(url, transport=transport).get_transport_cls()
    except Exception as error:
        return error
    return None


def warn_about_urls(
    settings: Mapping[str, Any], given: Mapping[str, Any], environ: Mapping[str, str]
) -> None:
    """Warn if Celery connects to another URL than the configuration says.

    Args:
        settings: The settings as they are configured, for keys.
        given: The same settings under Celery's names.
        environ: Celery itself reads variables such as ``CELERY_BROKER_URL``, and they
            override every setting.
    """
    for name in (*_BROKERS, "result_backend"):
        variable = f"CELERY_{name.upper()}"
        found = environ.get(variable)
        if found and found != given.get(name):
            logger.warning(
                "The variable %s overrides the configuration of Celery: unset it, or "
                "rename it to FLASK_%s.",
                variable,
                variable,
            )
    named = any(
        given.get(name) or environ.get(f"CELERY_{name.upper()}") for name in _BROKERS
    )
    if not named and not given.get("task_always_eager"):
        key = find_key(settings, "broker_url")
        logger.warning("%s is not set: Celery uses %s.", key, _DEFAULT_BROKER)


def check_backend(settings: Mapping[str, Any], value: Any, celery: Celery) -> None:
    """Make the result backend ``value`` as a task does, without connecting.

    Raises:
        BadBackend: There is no such backend, its package is missing, or its URL can't
            be parsed.
    """
    from celery.app.backends import BACKEND_ALIASES

    try:
        _make_backend(value, celery)
    except Exception as error:
        near = _find_schemes(str(value), BACKEND_ALIASES)
        known = _get_scheme(value) in BACKEND_ALIASES
        reason = _get_safe_message(error) if known else ""
    else:
        return
    # Raised outside of the handler: Celery's error may quote a part of the password.
    name = "result_backend" if "result_backend" in settings else "backend"
    key, origin = find_key(settings, name), find_origin(settings, name)
    raise BadBackend(key, origin, reason, near)


def _make_backend(value: Any, celery: Celery) -> None:
    from celery.app.backends import by_url

    make, url = by_url(value, celery.loader)
    if f"{make.__module__}.{make.__qualname__}".startswith("celery.backends.database."):
        # Its constructor would connect to the database and create its tables.
        from sqlalchemy import make_url

        make_url(url or celery.conf.database_url).get_dialect().import_dbapi()
    else:
        make(app=celery, url=url)


def _get_safe_message(error: Exception) -> str:
    """Return the message of ``error``; empty if it may contain a part of the URL."""
    from celery.exceptions import ImproperlyConfigured

    if package := _get_missing_package(error):
        return f"the package {package} is not installed"
    if "ssl_cert_reqs" in str(error):
        return "rediss:// needs the query ?ssl_cert_reqs=CERT_REQUIRED"
    if isinstance(error, ImproperlyConfigured):
        return " ".join(str(error).split()).rstrip(".")
    return ""


def _get_missing_package(error: Exception) -> str:
    """Return the package that could not be imported; empty for any other error."""
    return (error.name or "") if isinstance(error, ModuleNotFoundError) else ""


def _find_schemes(url: str, known: Mapping[str, Any]) -> list[str]:
    """Find the known schemes most similar to the scheme of ``url`` if it is unknown."""
    scheme = _get_scheme(url)
    return [] if scheme in known else find_nearest(scheme, known)


def _get_scheme(url: object) -> str:
    return str(url).partition("://")[0].partition("+")[0]
