"""What Celery connects to: looked up at start as the worker would, unconnected."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..config.values import find_key, find_origin
from ..errors import ConfigurationError, find_nearest, join_names

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["BadBackend", "BadBroker", "check_backend", "check_brokers", "warn_of_urls"]

_BROKERS = ("broker_url", "broker_read_url", "broker_write_url")
_LOCAL = "amqp://guest@localhost//"  # what Celery takes where no broker is named

logger = logging.getLogger(__name__)
_ESCAPES = "in a password, @ is %40, : is %3A, / is %2F"


class BadBroker(ConfigurationError):
    """A broker's URL can't be used. It is not repeated: it may hold a password.

    Args:
        key: The whole key.
        origin: Where it was set, if that is known.
        near: The schemes that may be meant.
        package: What a broker of this scheme needs, and is not installed.
    """

    def __init__(
        self, key: str, origin: object, near: Sequence[str], package: str = ""
    ) -> None:
        self.key, self.origin, self.nearest = key, origin, list(near)
        self.package = package
        lacking = f": the package {package} is not installed" if package else ""
        super().__init__(
            f"{key} is no URL of a broker that the installed Celery knows{lacking}.",
            ("set in", origin or ""),
            ("did you mean", join_names([f"{name}://" for name in near], "or")),
            ("write", "redis://user:password@host:6379/0, or amqp:// for RabbitMQ"),
            ("note", "" if package else _ESCAPES),
        )


class BadBackend(ConfigurationError):
    """A result backend can't be used. Its URL is not repeated.

    Args:
        key: The whole key.
        origin: Where it was set, if that is known.
        why: What Celery says, where that can hold nothing of the URL.
        near: The schemes that may be meant.
    """

    def __init__(self, key: str, origin: object, why: str, near: Sequence[str]) -> None:
        self.key, self.origin, self.why, self.nearest = key, origin, why, list(near)
        super().__init__(
            f"{key} is no result backend that the installed Celery can use"
            f"{': ' if why else ''}{why}.",
            ("set in", origin or ""),
            ("did you mean", join_names([f"{name}://" for name in near], "or")),
            ("write", "redis://user:password@host:6379/1, or rpc:// for the broker"),
            ("or", "remove the key: results are ignored unless a task keeps them"),
            ("note", "" if why else _ESCAPES),
        )


def check_brokers(settings: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Look each URL's transport up.

    Args:
        settings: As they were configured, for keys and origins.
        given: The same under Celery's names.

    Raises:
        BadBroker: There is no such transport, or the URL can't be read.
    """
    from kombu.transport import TRANSPORT_ALIASES

    for name in _BROKERS:
        value = given.get(name) or ()
        urls = value.split(";") if isinstance(value, str) else value
        for url in urls if isinstance(urls, list | tuple) else [urls]:
            fault = _transport_fault(url, given.get("broker_transport"))
            if fault is not None:
                own = name if name in settings else "broker"
                near = _near(str(url), TRANSPORT_ALIASES)
                raise BadBroker(
                    find_key(settings, own),
                    find_origin(settings, own),
                    near,
                    _lacking(fault) if _scheme(url) in TRANSPORT_ALIASES else "",
                )


def _transport_fault(url: Any, transport: Any) -> Exception | None:
    """Why kombu can't make a connection of it; none is opened.

    The error's text is not to be shown: it may quote a part of the password.
    """
    from kombu.connection import Connection

    make: Any = Connection
    try:
        make(url, transport=transport).get_transport_cls()
    except Exception as error:
        return error
    return None


def warn_of_urls(
    settings: Mapping[str, Any], given: Mapping[str, Any], environ: Mapping[str, str]
) -> None:
    """Tell what Celery connects to although the configuration does not say so.

    Args:
        settings: As they were configured, for keys.
        given: The same under Celery's names.
        environ: Celery itself reads ``CELERY_BROKER_URL`` and its like, before all.
    """
    for name in (*_BROKERS, "result_backend"):
        variable = f"CELERY_{name.upper()}"
        found = environ.get(variable)
        if found and found != given.get(name):
            logger.warning(
                "Celery takes the variable %s before all configuration: unset it, "
                "or name it FLASK_%s.",
                variable,
                variable,
            )
    named = any(
        given.get(name) or environ.get(f"CELERY_{name.upper()}") for name in _BROKERS
    )
    if not named and not given.get("task_always_eager"):
        key = find_key(settings, "broker_url")
        logger.warning("%s is not set: Celery's broker is %s.", key, _LOCAL)


def check_backend(settings: Mapping[str, Any], value: Any, celery: Celery) -> None:
    """Make the result backend ``value`` as a task would; nothing is connected.

    Raises:
        BadBackend: There is no such backend, its package is missing, or its URL can't
            be read.
    """
    from celery.app.backends import BACKEND_ALIASES

    try:
        _make_backend(value, celery)
    except Exception as error:
        near = _near(str(value), BACKEND_ALIASES)
        why = _telling(error) if _scheme(value) in BACKEND_ALIASES else ""
    else:
        return
    # Raised outside of the handler: Celery's text may quote a part of the password.
    name = "result_backend" if "result_backend" in settings else "backend"
    raise BadBackend(find_key(settings, name), find_origin(settings, name), why, near)


def _make_backend(value: Any, celery: Celery) -> None:
    from celery.app.backends import by_url

    make, url = by_url(value, celery.loader)
    if f"{make.__module__}.{make.__qualname__}".startswith("celery.backends.database."):
        # Made, it connects to make its tables.
        from sqlalchemy import make_url

        make_url(url or celery.conf.database_url).get_dialect().import_dbapi()
    else:
        make(app=celery, url=url)


def _telling(error: Exception) -> str:
    """What ``error`` says, if it can say nothing of a URL."""
    from celery.exceptions import ImproperlyConfigured

    if package := _lacking(error):
        return f"the package {package} is not installed"
    if "ssl_cert_reqs" in str(error):
        return "rediss:// needs the query ?ssl_cert_reqs=CERT_REQUIRED"
    if isinstance(error, ImproperlyConfigured):
        return " ".join(str(error).split()).rstrip(".")
    return ""


def _lacking(error: Exception) -> str:
    """The package that could not be imported, if it was that."""
    return (error.name or "") if isinstance(error, ModuleNotFoundError) else ""


def _near(url: str, known: Mapping[str, Any]) -> list[str]:
    scheme = _scheme(url)
    return [] if scheme in known else find_nearest(scheme, known)


def _scheme(url: object) -> str:
    return str(url).partition("://")[0].partition("+")[0]
