"""Reads a configuration from a URL. It is code from another machine, so it is checked.

Certificates are verified. Redirects stay on the allowed hosts and never lead from
``https`` to ``http``. The body is small and uncompressed, and a pin can fix its digest.
No error shows an account, a query or the text of a library's exception.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

from ..errors import Fault
from ..failures import tls_reason
from ..waiting import Retries
from .content import Content
from .errors import (
    ForeignSyntax,
    HostNotAllowed,
    SourceRefused,
    TemporaryFailure,
    TLSFailed,
    UnsafeRedirect,
    WrongDigest,
)
from .masking import redact
from .network import (
    ReadTimeouts,
    describe_failure,
    is_retryable,
    make_backoff,
    read_body,
    read_with_retries,
)
from .source import RemoteFile, find_url_error

if TYPE_CHECKING:
    from requests import Response, Session

__all__ = ["BACKOFF", "NAME_LAST_ADDRESS", "TIMEOUTS", "read_remote"]

logger = logging.getLogger(__name__)

_ALLOWED_HOSTS = "CONFIG_SOURCE_ALLOWED_HOSTS"
_BRACKETS = str.maketrans("", "", "[]")  # of IPv6; urlsplit removes them as well
_LARGEST = 1024 * 1024  # bytes; the same limit as etcd has for a ConfigMap
_REDIRECTS = 5

BACKOFF = make_backoff(10.0)
"""10 seconds for all attempts: a configuration is one small file, and the start of the
service waits for it."""

TIMEOUTS: ReadTimeouts = (2.0, 4.0)
"""Seconds to connect, and seconds to wait for the next bytes."""

NAME_LAST_ADDRESS = "let CONFIG_SOURCE name the last address"
_CHECK_PATH = "check the path of CONFIG_SOURCE"
_CHECK_ADDRESS = "check the address in CONFIG_SOURCE"

_REMEDIES = {
    401: "put valid credentials into the URL, or into .netrc",
    403: "let these credentials read the file",
    404: _CHECK_PATH,
    410: _CHECK_PATH,
}


@dataclass(frozen=True)
class _Hosts:
    """The allowed hosts in lower case, each with or without a port."""

    names: frozenset[str]

    @classmethod
    def from_environment(
        cls, source: RemoteFile, environ: Mapping[str, str]
    ) -> "_Hosts":
        """Return the allow-list; without one, the source's host with every port."""
        listed = environ.get(_ALLOWED_HOSTS, "").translate(_BRACKETS).split(",")
        names = {name.strip().lower() for name in listed} - {""}
        return cls(frozenset(names or {urlsplit(source.url).hostname or ""}))

    def allows(self, url: str) -> bool:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return host in self.names or f"{host}:{_get_port(url)}" in self.names


def read_remote(
    source: RemoteFile,
    *,
    environ: Mapping[str, str],
    retries: Retries | None = None,
    timeouts: ReadTimeouts = TIMEOUTS,
) -> Content:
    """Fetch the file and check everything that can be checked before it is run.

    Args:
        source: The URL and the pin.
        environ: Holds ``CONFIG_SOURCE_ALLOWED_HOSTS``, a comma-separated allow-list. If
            it is unset, redirects may lead only to the host of the URL itself.
        retries: The attempts and the time for all of them, ``BACKOFF`` by default. Only
            network failures, 429 and 5xx lead to another attempt.
        timeouts: Seconds to connect, and seconds to wait for the next bytes.

    Raises:
        HostNotAllowed, UnsafeRedirect, TLSFailed, SourceRefused, SourceUnreachable,
        TooLarge, MalformedAnswer, ForeignSyntax, WrongDigest: See each.
    """
    name = str(source)
    hosts = _Hosts.from_environment(source, environ)
    if not hosts.allows(source.url):
        raise HostNotAllowed(name, urlsplit(source.url).hostname or "")
    if source.url.lower().startswith("http://") and source.sha256 is None:
        logger.warning(
            "%s is code, and without https anybody on the network path can change it: "
            "use https, or pin it with #sha256=",
            name,
        )
    fetch = partial(_fetch, source, hosts, timeouts)
    body = read_with_retries(name, fetch, retries or Retries(BACKOFF))
    _check_body(source, body)
    return Content(body, name, name)


def _fetch(source: RemoteFile, hosts: _Hosts, timeouts: ReadTimeouts) -> bytes:
    """Follow the redirects once, and return the body at their end."""
    url = source.url
    for _ in range(_REDIRECTS + 1):
        body, location = _request(source, url, timeouts)
        if location is None:
            return body
        url = _resolve_redirect(source, url, location, hosts)
    raise UnsafeRedirect(
        str(source),
        redact(url),
        f"there are more than {_REDIRECTS} redirects",
        NAME_LAST_ADDRESS,
    )


def _request(
    source: RemoteFile, url: str, timeouts: ReadTimeouts
) -> tuple[bytes, str | None]:
    """Send one request, and return the body or the address of a redirect."""
    failure: Fault | TemporaryFailure
    try:
        with _open_session() as session:
            response = session.get(
                url,
                allow_redirects=False,
                headers={"Accept": "*/*", "Accept-Encoding": "identity"},
                stream=True,
                timeout=timeouts,
            )
            with response:
                return _read_response(source, response)
    except Exception as error:
        if isinstance(error, Fault | TemporaryFailure):
            raise
        failure = _explain(source, error)
    # Raised outside of the handler: the exception of requests holds the whole URL.
    raise failure


def _open_session() -> "Session":
    import requests

    class OneStep(requests.Session):
        def get_redirect_target(self, resp: "Response") -> None:
            """Follow no redirect. Otherwise requests reads and expands the whole body
            of a redirect, even with ``allow_redirects=False``."""

    return OneStep()


def _read_response(
    source: RemoteFile, response: "Response"
) -> tuple[bytes, str | None]:
    name, status = str(source), response.status_code
    location = response.headers.get("Location")
    if status in (301, 302, 303, 307, 308) and location:
        return b"", location
    if is_retryable(status):
        raise TemporaryFailure(f"status {status}")
    if status != 200:
        raise SourceRefused(name, status, _REMEDIES.get(status, _CHECK_ADDRESS))
    headers = response.headers
    encoding, length = headers.get("Content-Encoding"), headers.get("Content-Length")
    return read_body(name, response.raw, encoding, length, _LARGEST), None


def _explain(source: RemoteFile, error: Exception) -> Fault | TemporaryFailure:
    if reason := tls_reason(error):
        remedy = "renew the certificate, or name its CA in REQUESTS_CA_BUNDLE"
        return TLSFailed(str(source), reason, remedy)
    return TemporaryFailure(describe_failure(error))


def _resolve_redirect(
    source: RemoteFile, url: str, location: str, hosts: _Hosts
) -> str:
    """Return the address of the redirect. The account is sent only to its own origin.

    Raises:
        UnsafeRedirect: It leads to another scheme, from https to http, or to a host
            that is not allowed.
    """
    try:
        target = urljoin(url, location)
    except ValueError:
        target = location

    def unsafe(reason: str, remedy: str) -> UnsafeRedirect:
        return UnsafeRedirect(str(source), redact(target), reason, remedy)

    before, after = urlsplit(url), urlsplit("" if find_url_error(target) else target)
    if after.scheme not in ("http", "https"):
        raise unsafe("it is not a web address", "correct the redirect on the server")
    if before.scheme == "https" and after.scheme == "http":
        raise unsafe("it leads from https to http", "serve the file over https")
    if not hosts.allows(target):
        raise unsafe(
            "its host is not allowed",
            f"add {after.hostname} to {_ALLOWED_HOSTS}, or {NAME_LAST_ADDRESS}",
        )
    same = (before.scheme, before.hostname, _get_port(url)) == (
        after.scheme,
        after.hostname,
        _get_port(target),
    )
    account = before.netloc.rpartition("@")[0]
    if same and account and "@" not in after.netloc:
        return urlunsplit(after._replace(netloc=f"{account}@{after.netloc}"))
    return target


def _get_port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _check_body(source: RemoteFile, body: bytes) -> None:
    """Check that the body is not a web page and that it has the pinned digest.

    The first character shows a web page: no Python code begins with ``<``. A login page
    has status 200 and sometimes the type ``text/plain``.

    Raises:
        ForeignSyntax: It is a web page.
        WrongDigest: It has another digest.
    """
    if body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise ForeignSyntax(
            str(source),
            "the server answered with a web page, perhaps a login",
            remedy="use the URL of the raw file, with credentials if it needs any",
        )
    found = hashlib.sha256(body).hexdigest()
    if source.sha256 not in (None, found):
        raise WrongDigest(str(source), str(source.sha256), found)
