"""Hostile servers: redirects, gzip bombs, slow and incomplete answers."""

import gzip
import threading

import pytest

from modern_flask.config.errors import (
    CHECK_ADDRESS,
    CHECK_SIZE,
    HostNotAllowed,
    MalformedAnswer,
    SourceUnreachable,
    TooLarge,
    UnsafeRedirect,
)

BODY = b"ANSWER = 42\n"


def test_redirect_on_the_same_host(web, read_url, reply):
    """A redirect to another path of the host is followed with the account."""
    web.on("/old", reply(status=302, location="/x.py"))
    web.on("/x.py", reply(BODY))

    content = read_url(web.url("/old", "u:p@"))

    assert content.body == BODY
    assert content.name == f"http://******@127.0.0.1:{web.port}/old"
    assert web.requests[1].headers["Authorization"] == "Basic dTpw"


def test_absolute_redirect_keeps_the_account_on_its_own_origin(
    web, other_web, read_url, reply
):
    """The account is sent to the same host and port only."""
    web.on("/old", reply(status=301, location=web.url("/next")))
    web.on("/next", reply(status=307, location=other_web.url()))
    other_web.on("/x.py", reply(BODY))

    read_url(web.url("/old", "u:p@"))

    assert web.requests[1].headers["Authorization"] == "Basic dTpw"
    assert other_web.requests[0].headers["Authorization"] is None


def test_redirect_to_another_host(web, url_fault, reply):
    """A redirect to another host is an error, and nothing is sent to it."""
    web.on(
        "/x.py", reply(status=302, location="http://u:hunter2@evil.test/y?a=hunter2")
    )

    error = url_fault(UnsafeRedirect, web.url())

    assert str(error) == (
        f"{web.url()} redirects to http://******@evil.test/y?a=******, "
        "which is not followed: its host is not allowed.\n"
        "  fix      add evil.test to CONFIG_SOURCE_ALLOWED_HOSTS, "
        "or let CONFIG_SOURCE name the last address"
    )


def test_redirect_to_an_allowed_host(web, other_web, read_url, reply):
    """The allow-list names hosts, with a port or without."""
    web.on("/x.py", reply(status=302, location=f"http://localhost:{other_web.port}/y"))
    other_web.on("/y", reply(BODY))
    hosts = f"127.0.0.1, localhost:{other_web.port},"

    assert (
        read_url(web.url(), environ={"CONFIG_SOURCE_ALLOWED_HOSTS": hosts}).body == BODY
    )


def test_allow_list_holds_for_the_port_that_it_names(web, url_fault, reply):
    """An entry with a port allows no other port."""
    web.on("/x.py", reply(status=302, location=f"http://localhost:{web.port}/x.py"))
    hosts = {"CONFIG_SOURCE_ALLOWED_HOSTS": "127.0.0.1,localhost:1"}

    url_fault(UnsafeRedirect, web.url(), environ=hosts)


def test_allow_list_holds_for_the_source_itself(web, url_fault):
    """If the allow-list lacks the host of the source, nothing is sent."""
    hosts = {"CONFIG_SOURCE_ALLOWED_HOSTS": "git.test"}

    error = url_fault(HostNotAllowed, web.url("/x.py?hunter2"), environ=hosts)

    assert str(error) == (
        f"{web.url()}?****** is on a host that is not allowed.\n"
        "  fix      add 127.0.0.1 to CONFIG_SOURCE_ALLOWED_HOSTS"
    )
    assert web.requests == []


def test_downgrade(secure_web, web, url_fault, reply):
    """A redirect from https to http is refused."""
    secure_web.on("/x.py", reply(status=302, location=web.url()))

    error = url_fault(UnsafeRedirect, secure_web.url())

    assert str(error) == (
        f"{secure_web.url()} redirects to {web.url()}, which is not followed: "
        "it leads from https to http.\n"
        "  fix      serve the file over https"
    )
    assert web.requests == []


def test_upgrade(secure_web, web, read_url, reply):
    """A redirect from http to https is followed."""
    web.on("/x.py", reply(status=308, location=secure_web.url()))
    secure_web.on("/x.py", reply(BODY))

    assert read_url(web.url()).body == BODY


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://a:b/", "http://a b/", "http://[::1"]
)
def test_redirect_to_what_is_no_web_address(web, url_fault, reply, target):
    """A redirect to anything but a web address is an error."""
    web.on("/x.py", reply(status=302, location=target))

    error = url_fault(UnsafeRedirect, web.url())

    assert error.reason == "it is not a web address"


def test_endless_redirects(web, url_fault, reply):
    """The sixth redirect is an error."""
    web.on("/x.py", reply(status=302, location="/x.py"))

    error = url_fault(UnsafeRedirect, web.url())

    assert str(error) == (
        f"{web.url()} redirects to {web.url()}, which is not followed: "
        "there are more than 5 redirects.\n"
        "  fix      let CONFIG_SOURCE name the last address"
    )
    assert len(web.requests) == 6


def bomb(size: int) -> bytes:
    return gzip.compress(bytes(size))


def test_gzip_bomb(web, url_fault, reply):
    """A compressed answer is refused, not expanded."""
    web.on("/x.py", reply(bomb(50_000_000), content_encoding="gzip"))

    error = url_fault(MalformedAnswer, web.url())

    assert "Content-Encoding" in str(error)


def endless(handler):
    while True:
        handler.wfile.write(b"#" * 65536)


def test_endless_redirect(web, read_url, reply):
    """The body of a redirect is not read, although requests would read all of it."""
    redirect = reply(status=302, location="/y", content_length=str(10**12))

    def send(handler):
        redirect(handler)
        endless(handler)

    web.on("/x.py", send)
    web.on("/y", reply(BODY))

    assert read_url(web.url()).body == BODY


def test_too_large(web, url_fault, reply):
    """More than 1 MiB is refused by its length, and by count when that is missing."""
    web.on("/x.py", reply(b"#" * (1024 * 1024 + 1)))

    error = url_fault(TooLarge, web.url())

    assert str(error) == (
        f"{web.url()} is larger than 1,048,576 bytes.\n  fix      {CHECK_SIZE}"
    )


def test_too_large_without_a_length(web, url_fault):
    """Reading an endless answer stops at the limit."""

    def send(handler):
        handler.send_response(200)
        handler.end_headers()
        endless(handler)

    web.on("/x.py", send)

    url_fault(TooLarge, web.url())


def test_drip(web, url_fault):
    """The deadline for all attempts ends an answer that comes byte by byte."""
    end = threading.Event()

    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        while not end.wait(0.05):
            handler.wfile.write(b"#")

    web.on("/x.py", drip)

    error = url_fault(SourceUnreachable, web.url("/x.py?hunter2"), total=0.4)
    end.set()

    assert str(error) == (
        f"{web.url()}?****** can't be reached: timed out (1 attempt).\n"
        f"  fix      {CHECK_ADDRESS}"
    )


def test_silent_server(web, url_fault, pauses):
    """A server that never answers takes the read timeout for each attempt."""
    end = threading.Event()
    web.on("/x.py", lambda handler: end.wait())

    error = url_fault(SourceUnreachable, web.url(), timeouts=(0.05, 0.05))
    end.set()

    assert error.reason == "timed out"
    assert error.attempts == 6


def test_truncated_answer_is_tried_again(web, read_url, reply, pauses):
    """An answer that is shorter than its Content-Length leads to another attempt."""
    web.on("/x.py", reply(BODY, content_length="99"), reply(BODY))

    assert read_url(web.url()).body == BODY
    assert len(pauses) == 1
