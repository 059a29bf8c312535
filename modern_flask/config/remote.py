"""A configuration behind a URL: code of somebody else, so nothing is taken on trust.

The connection is checked as a browser would, redirects stay on the allowed hosts and
never fall from ``https`` to ``http``, the body is small and uncompressed, a pin may say
what it must be, and no fault shows an account, a query or a library's text.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit, urlunsplit

from ..errors import Fault
from .content import Content
from .errors import (
    ForeignSyntax,
    HostNotAllowed,
    SourceRefused,
    TLSFailed,
    UnsafeRedirect,
    WrongDigest,
)
from .masking import redacted
from .network import (
    Patience,
    ReadTimeouts,
    Transient,
    persistently,
    read_body,
    tls_failure,
    why,
    worth_retrying,
)
from .source import RemoteFile, flaw

if TYPE_CHECKING:
    from requests import Response, Session

__all__ = ["read_remote"]

logger = logging.getLogger(__name__)

_ALLOWED_HOSTS = "CONFIG_SOURCE_ALLOWED_HOSTS"
_BRACKETS = str.maketrans("", "", "[]")  # of IPv6; a split URL has none either
_LARGEST = 1024 * 1024  # bytes; what etcd holds for a ConfigMap
_REDIRECTS = 5
# Seconds: a configuration is one small file, and the start of the service waits for it.
PATIENCE = Patience(total=10.0)
TIMEOUTS: ReadTimeouts = (2.0, 4.0)

_REMEDIES = {
    401: "put valid credentials into the URL, or into .netrc",
    403: "let these credentials read the file",
    404: "check the path",
    410: "check the path",
}


@dataclass(frozen=True)
class _Hosts:
    """The hosts that may be asked, in lower case, each with or without a port."""

    names: frozenset[str]

    @classmethod
    def of(cls, source: RemoteFile, environ: Mapping[str, str]) -> "_Hosts":
        """From the allow-list, or else the source's own host, on every port."""
        listed = environ.get(_ALLOWED_HOSTS, "").translate(_BRACKETS).split(",")
        names = {name.strip().lower() for name in listed} - {""}
        return cls(frozenset(names or {urlsplit(source.url).hostname or ""}))

    def allow(self, url: str) -> bool:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return host in self.names or f"{host}:{_port_of(url)}" in self.names


def read_remote(
    source: RemoteFile,
    *,
    environ: Mapping[str, str],
    patience: Patience = PATIENCE,
    timeouts: ReadTimeouts = TIMEOUTS,
) -> Content:
    """Fetch the file and check all that can be checked before it is run.

    Args:
        source: Its URL and its pin.
        environ: Holds ``CONFIG_SOURCE_ALLOWED_HOSTS``, a comma-separated allow-list.
            When it is unset, only the URL's own host may be redirected to.
        patience: Attempts and total time; only network failures, 429 and 5xx count as
            worth another attempt.
        timeouts: Seconds to connect and to wait for the next bytes.

    Raises:
        HostNotAllowed, UnsafeRedirect, TLSFailed, SourceRefused, SourceUnreachable,
        TooLarge, MalformedAnswer, ForeignSyntax, WrongDigest: See each.
    """
    name = str(source)
    hosts = _Hosts.of(source, environ)
    if not hosts.allow(source.url):
        raise HostNotAllowed(name, urlsplit(source.url).hostname or "")
    if source.url.lower().startswith("http://") and source.sha256 is None:
        logger.warning(
            "%s is code that anybody on the way may change: use https, or pin it with "
            "#sha256=",
            name,
        )
    body = persistently(name, partial(_fetch, source, hosts, timeouts), patience)
    _check_body(source, body)
    return Content(body, name, name)


def _fetch(source: RemoteFile, hosts: _Hosts, timeouts: ReadTimeouts) -> bytes:
    """One attempt: the body at the end of the redirects."""
    url = source.url
    for _ in range(_REDIRECTS + 1):
        body, location = _answer(source, url, timeouts)
        if location is None:
            return body
        url = _redirected(source, url, location, hosts)
    raise UnsafeRedirect(
        str(source),
        redacted(url),
        f"more than {_REDIRECTS} times",
        "let CONFIG_SOURCE name the last address",
    )


def _answer(
    source: RemoteFile, url: str, timeouts: ReadTimeouts
) -> tuple[bytes, str | None]:
    """The body of one request, or the address that it redirects to."""
    failure: Fault | Transient
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
                return _taken(source, response)
    except Exception as error:
        if isinstance(error, Fault | Transient):
            raise
        failure = _explained(source, error)
    # Raised outside of the handler: the library's exception holds the whole URL.
    raise failure


def _open_session() -> "Session":
    import requests

    class OneStep(requests.Session):
        def get_redirect_target(self, resp: "Response") -> None:
            """Follow nothing: requests reads the whole body of a redirect otherwise,
            expanded, also under ``allow_redirects=False``."""

    return OneStep()


def _taken(source: RemoteFile, response: "Response") -> tuple[bytes, str | None]:
    name, status = str(source), response.status_code
    location = response.headers.get("Location")
    if status in (301, 302, 303, 307, 308) and location:
        return b"", location
    if worth_retrying(status):
        raise Transient(f"status {status}")
    if status != 200:
        raise SourceRefused(name, status, _REMEDIES.get(status, "check the address"))
    headers = response.headers
    encoding, length = headers.get("Content-Encoding"), headers.get("Content-Length")
    return read_body(name, response.raw, encoding, length, _LARGEST), None


def _explained(source: RemoteFile, error: Exception) -> Fault | Transient:
    if reason := tls_failure(error):
        remedy = "mend the certificate, or name its CA in REQUESTS_CA_BUNDLE"
        return TLSFailed(str(source), reason, remedy)
    return Transient(why(error))


def _redirected(source: RemoteFile, url: str, location: str, hosts: _Hosts) -> str:
    """The next address.

    Raises:
        UnsafeRedirect: Another scheme, an unencrypted one, or another host.
    """
    try:
        target = urljoin(url, location)
    except ValueError:
        target = location

    def unsafe(reason: str, remedy: str) -> UnsafeRedirect:
        return UnsafeRedirect(str(source), redacted(target), reason, remedy)

    before, after = urlsplit(url), urlsplit("" if flaw(target) else target)
    if after.scheme not in ("http", "https"):
        raise unsafe("to what is no web address", "mend the server")
    if before.scheme == "https" and after.scheme == "http":
        raise unsafe("from https to http", "serve the file over https")
    if not hosts.allow(target):
        raise unsafe(
            "to a host that is not allowed",
            f"add {after.hostname} to {_ALLOWED_HOSTS}, "
            "or let CONFIG_SOURCE name the last address",
        )
    same = (before.scheme, before.hostname, _port_of(url)) == (
        after.scheme,
        after.hostname,
        _port_of(target),
    )
    account = before.netloc.rpartition("@")[0]
    if same and account and "@" not in after.netloc:
        return urlunsplit(after._replace(netloc=f"{account}@{after.netloc}"))
    return target


def _port_of(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _check_body(source: RemoteFile, body: bytes) -> None:
    """No web page, and what the pin says.

    A page is known by its first character: no Python begins with ``<``, and a login
    page comes with status 200 and sometimes with the type ``text/plain``.
    """
    if body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise ForeignSyntax(
            str(source),
            "the server answered with a web page, perhaps a login",
            remedy="name the raw file, with credentials if it needs any",
        )
    found = hashlib.sha256(body).hexdigest()
    if source.sha256 not in (None, found):
        raise WrongDigest(str(source), str(source.sha256), found)
