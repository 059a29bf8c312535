"""A .py file over HTTP: pins, TLS, the allow-list and retries."""

import hashlib
import logging

import pytest

from modern_flask.config import remote
from modern_flask.config.errors import (
    CHECK_ADDRESS,
    ForeignSyntax,
    SourceRefused,
    SourceUnreachable,
    TLSFailed,
    WrongDigest,
)

BODY = "ANSWER = 'été'\n".encode()
PIN = hashlib.sha256(BODY).hexdigest()


def test_bytes_arrive_as_they_are(web, read_url, reply):
    """The body is bytes, not text in a guessed encoding."""
    web.on("/x.py", reply(BODY, content_type="text/plain; charset=latin-1"))

    content = read_url(web.url())

    assert content.body == BODY
    assert content.name == content.file == web.url()


def test_request_asks_for_identity_and_sends_no_fragment(web, read_url, reply):
    """The request has no fragment and accepts no compression."""
    web.on("/x.py", reply(BODY))

    read_url(web.url(f"/x.py?ref=1#sha256={PIN}"))

    (request,) = web.requests
    assert request.path == "/x.py?ref=1"
    assert request.headers["Accept-Encoding"] == "identity"


def test_account_in_the_url_is_used_and_not_shown(web, read_url, reply):
    """An account is sent as Basic authorization, and no name shows it."""
    web.on("/x.py", reply(BODY))

    content = read_url(web.url("/x.py?token=hunter2", "u:hunter2@"))

    assert web.requests[0].headers["Authorization"] == "Basic dTpodW50ZXIy"
    assert content.name == f"http://******@127.0.0.1:{web.port}/x.py?token=******"


def test_pinned_file(web, read_url, reply):
    """A file that has the pinned digest is read."""
    web.on("/x.py", reply(BODY))

    assert read_url(web.url(f"/x.py#sha256={PIN.upper()}")).body == BODY


def test_wrong_pin(web, url_fault, reply):
    """The error about a changed file has both digests."""
    web.on("/x.py", reply(b"import evil\n"))
    found = hashlib.sha256(b"import evil\n").hexdigest()

    error = url_fault(WrongDigest, web.url(f"/x.py#sha256={PIN}"))

    assert str(error) == (
        f"{web.url()} does not have the digest that CONFIG_SOURCE pins.\n"
        f"  pinned   sha256={PIN}\n"
        f"  found    sha256={found}\n"
        "  fix      if the change is yours, pin the new digest"
    )


def test_unpinned_http_is_warned_about(web, read_url, reply, caplog):
    """Code over plain HTTP is warned about unless it is pinned."""
    web.on("/x.py", reply(BODY))

    read_url(web.url(f"/x.py#sha256={PIN}"))
    assert caplog.records == []
    read_url(web.url("/x.py?token=hunter2"))

    assert caplog.record_tuples == [
        (
            "modern_flask.config.remote",
            logging.WARNING,
            f"{web.url()}?token=****** is code, and without https anybody on "
            "the network path can change it: use https, or pin it with #sha256=",
        )
    ]


def test_https_needs_no_pin(secure_web, read_url, reply, caplog):
    """Over HTTPS with a trusted CA there is no warning."""
    secure_web.on("/x.py", reply(BODY))

    assert read_url(secure_web.url()).body == BODY
    assert caplog.records == []


def test_untrusted_certificate(untrusted_web, url_fault, reply, pauses):
    """An unknown CA is an error without a retry, with OpenSSL's reason."""
    untrusted_web.on("/x.py", reply(BODY))

    error = url_fault(TLSFailed, untrusted_web.url("/x.py?hunter2"))

    assert str(error) == (
        f"The TLS connection for {untrusted_web.url()}?****** failed: "
        "unable to get local issuer certificate.\n"
        "  fix      renew the certificate, or name its CA in REQUESTS_CA_BUNDLE"
    )
    assert pauses == []


def test_https_to_a_plain_port(web, url_fault, reply):
    """HTTPS to a server without TLS is a TLS error."""
    web.on("/x.py", reply(BODY))

    error = url_fault(TLSFailed, web.url().replace("http:", "https:"))

    assert error.reason


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_passing_failures_are_tried_again(web, read_url, reply, pauses, status):
    """429 and 5xx lead to another attempt after a pause."""
    web.on("/x.py", reply(status=status), reply(status=status), reply(BODY))

    assert read_url(web.url()).body == BODY
    assert pauses == pytest.approx([1.0, 1.1])


def test_lasting_failure(web, url_fault, reply):
    """After six answers with 503 the error has the status."""
    web.on("/x.py", reply(status=503))

    error = url_fault(SourceUnreachable, web.url("/x.py", "hunter2@"))

    assert str(error) == (
        f"http://******@127.0.0.1:{web.port}/x.py can't be reached: "
        "status 503 (6 attempts).\n"
        f"  fix      {CHECK_ADDRESS}"
    )


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "put valid credentials into the URL, or into .netrc"),
        (403, "let these credentials read the file"),
        (404, "check the path of CONFIG_SOURCE"),
        (204, "check the address in CONFIG_SOURCE"),
        (304, "check the address in CONFIG_SOURCE"),
    ],
)
def test_refusals_are_not_tried_again(web, url_fault, reply, pauses, status, remedy):
    """Any other status than 200 is an error without a retry."""
    web.on("/x.py", reply(status=status))

    error = url_fault(SourceRefused, web.url("/x.py?token=hunter2"))

    assert str(error) == (
        f"{web.url()}?token=****** returned status {status}.\n  fix      {remedy}"
    )
    assert pauses == []


def test_closed_port(url_fault, closed_port):
    """The reason of a refused connection is one of the known words."""
    error = url_fault(
        SourceUnreachable, f"http://u:hunter2@127.0.0.1:{closed_port}/x.py?hunter2"
    )

    assert error.reason == "connection refused"
    assert error.attempts == 6


@pytest.mark.parametrize(
    "page",
    [b"<!DOCTYPE html><html>", b"\xef\xbb\xbf\r\n <html>", b"<?xml version='1.0'?>"],
)
def test_login_page(web, url_fault, reply, page):
    """A web page is an error of its kind even if the source has a pin."""
    web.on("/x.py", reply(page, content_type="text/plain"))

    error = url_fault(ForeignSyntax, web.url(f"/x.py#sha256={PIN}"))

    assert str(error) == (
        "The configuration is not valid Python: "
        "the server answered with a web page, perhaps a login.\n"
        f"  in       {web.url()}\n"
        "  fix      use the URL of the raw file, with credentials if it needs any"
    )


def test_waits_are_bounded():
    """The numbers of production: 10 s in all, 2 s to connect, 4 s for bytes."""
    assert remote.BACKOFF.budget == 10.0
    assert remote.TIMEOUTS == (2.0, 4.0)
