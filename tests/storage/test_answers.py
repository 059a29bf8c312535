"""A battery: every odd answer, to every request of every operation, of both vendors."""

import gzip
import io
from contextlib import closing
from dataclasses import replace

import pytest

from modern_flask.storage import (
    Storage,
    StorageError,
    StorageUnavailable,
    UnexpectedAnswer,
)
from modern_flask.storage.errors import CHECK_PROXY
from modern_flask.storage.retries import BACKOFF
from modern_flask.testing.objects import Answer, ObjectServer

MIB = 1024 * 1024
LARGE = bytes(range(251)) * 4_200  # 1 MiB and a bit: two parts
PAGE = b"<!DOCTYPE html><html><body>Please log in, secret-of-the-page</body></html>"
HTML = {"Content-Type": "text/html; charset=utf-8", "ETag": '"5f-6a"'}
DATE = "Sat, 28 Nov 2026 08:00:00 GMT"


@pytest.fixture(autouse=True)
def prompt(monkeypatch):
    """Retries wait no time, except for what the server asks for."""
    at_once = replace(BACKOFF, first=0.0)
    monkeypatch.setattr("modern_flask.storage.retries.BACKOFF", at_once)


class Operations:
    """The operations, each with the requests that it consists of.

    A request is named by its method and the number of requests of this method before.
    """

    @staticmethod
    def put(storage: Storage) -> object:
        return storage.put("new", b"bytes")

    @staticmethod
    def put_stream(storage: Storage) -> object:
        return storage.put("new", (piece for piece in [b"by", b"tes"]))

    @staticmethod
    def put_new(storage: Storage) -> object:
        return storage.put("new", b"bytes", overwrite=False)

    @staticmethod
    def put_parts(storage: Storage) -> object:
        return storage.put("new", LARGE)

    @staticmethod
    def put_new_parts(storage: Storage) -> object:
        return storage.put("new", LARGE, overwrite=False)

    @staticmethod
    def get(storage: Storage) -> object:
        with storage.get("key") as reader:
            return reader.read()

    @staticmethod
    def get_range(storage: Storage) -> object:
        with storage.get("key", start=1, end=3) as reader:
            return reader.read()

    @staticmethod
    def head(storage: Storage) -> object:
        return storage.head("key")

    @staticmethod
    def exists(storage: Storage) -> object:
        return storage.exists("key")

    @staticmethod
    def delete(storage: Storage) -> object:
        return storage.delete("key")

    @staticmethod
    def list(storage: Storage) -> object:
        return list(storage.list())

    @staticmethod
    def ping(storage: Storage) -> object:
        return storage.ping(30)


REQUESTS = {
    "put": [("PUT", 0)],
    "put_stream": [("PUT", 0)],
    "put_new": [("PUT", 0)],
    "put_parts": [("POST", 0), ("PUT", 0), ("PUT", 1), ("POST", 1)],
    "put_new_parts": [("POST", 0), ("PUT", 1), ("POST", 1)],
    "get": [("GET", 0)],
    "get_range": [("GET", 0)],
    "head": [("HEAD", 0)],
    "exists": [("HEAD", 0)],
    "delete": [("DELETE", 0)],
    "list": [("GET", 0)],
    "ping": [("HEAD", 0)],
}
CASES = [
    pytest.param(getattr(Operations, name), method, skip, id=f"{name}-{method}{skip}")
    for name, requests in REQUESTS.items()
    for method, skip in requests
]
# The answers that are not the vendor's.
ODD = {
    "a page": Answer(200, PAGE, dict(HTML)),
    "a page with all headers": Answer(200, PAGE, {**HTML, "Last-Modified": DATE}),
    "a redirect": Answer(302, PAGE, {**HTML, "Location": "http://127.0.0.1:1/login"}),
    "a lasting redirect": Answer(308, b"", {"Location": "/elsewhere"}),
    "a redirect to nowhere": Answer(302, b"", {"Location": "http://["}),
    "no content": Answer(204),
    "nothing": Answer(200),
    "partial nothing": Answer(206, b"", {"Content-Range": "bytes 1-2/9"}),
    "another document": Answer(200, b"<Other><Key>a</Key></Other>", {"ETag": '"a"'}),
    "a document cut short": Answer(200, b"<?xml versi"),
    "compressed": Answer(200, gzip.compress(PAGE), {"Content-Encoding": "gzip"}),
    "not found": Answer(404, PAGE, dict(HTML)),
    "forbidden": Answer(403, PAGE, dict(HTML)),
    "conflict": Answer(409),
    "login": Answer(511 - 104, PAGE, dict(HTML)),
}


@pytest.fixture
def filled(server: ObjectServer, remote: Storage) -> Storage:
    """A storage with one object, whose server still counts no request."""
    remote.put("key", b"0123456789")
    server.requests.clear()
    return remote


def count(server: ObjectServer, method: str) -> int:
    return [each for each, _ in server.requests].count(method)


@pytest.mark.parametrize(("operation", "method", "skip"), CASES)
def test_odd_answers_are_believed_by_no_operation(
    server, filled, operation, method, skip
):
    """An answer that is not the vendor's is an error and changes nothing."""
    for name, answer in ODD.items():
        server.requests.clear()
        server.fault("reply", answer, method=method, skip=skip, times=9)

        with pytest.raises((UnexpectedAnswer, StorageUnavailable)) as raised:
            operation(filled)

        error = raised.value
        # A ping has one error for everything.
        assert isinstance(error, UnexpectedAnswer) or operation is Operations.ping
        assert f"it answered {answer.status}" in error.reason, name
        assert "secret-of-the-page" not in f"{error!r}{error}", name
        assert count(server, method) == skip + 1, name
        server.heal()
    assert Operations.get(filled) == b"0123456789"
    assert not filled.exists("new")


@pytest.mark.parametrize(("operation", "method", "skip"), CASES)
def test_odd_answers_in_the_vendors_name(server, filled, operation, method, skip):
    """A document with a wrong root and without an ETag is refused from the vendor too.

    A ping and a deletion have neither: a right status with the vendor's headers is all
    that they can show, so they are given another status.
    """
    headers = {f"{server.prefix}request-id": "1", "Content-Type": "application/xml"}
    status = 202 if method in {"DELETE", "HEAD"} else 200
    body = b"" if method == "HEAD" else b"<Other></Other>"
    server.fault("reply", Answer(status, body, headers), method=method, skip=skip)

    with pytest.raises((UnexpectedAnswer, StorageUnavailable), match="it answered 20"):
        operation(filled)

    assert count(server, method) == skip + 1


@pytest.mark.parametrize(("operation", "method", "skip"), CASES)
def test_busy_vendor_is_asked_again(server, filled, operation, method, skip):
    """A 503 with Retry-After is waited for by everything but a ping."""
    answer = Answer(503, PAGE, {**HTML, "Retry-After": "0"})
    server.fault("reply", answer, method=method, skip=skip)

    if operation is Operations.ping:
        with pytest.raises(StorageUnavailable, match="it answered 503"):
            operation(filled)
    else:
        operation(filled)
        assert count(server, method) > skip + 1


@pytest.mark.parametrize(("operation", "method", "skip"), CASES)
def test_busy_vendor_that_asks_for_too_long(server, filled, operation, method, skip):
    """A Retry-After beyond the deadline ends the operation at once, not earlier."""
    answer = Answer(503, b"", {"Retry-After": "3600"})
    server.fault("reply", answer, method=method, skip=skip)

    with pytest.raises(StorageUnavailable) as raised:
        operation(filled)

    assert operation is Operations.ping or raised.value.retry_after == 3600
    assert count(server, method) == skip + 1


@pytest.mark.parametrize(
    ("operation", "method", "skip"),
    [case for case in CASES if case.values[1] != "HEAD" and "delete" not in case.id],
)
def test_flipped_byte(server, filled, operation, method, skip):
    """One flipped byte of what is sent or received is noticed, or mended."""
    server.fault("corrupt", method=method, skip=skip)
    fine = False

    try:
        result = operation(filled)
        fine = True
    except StorageError:
        result = None

    if method == "PUT":
        assert fine
        with filled.get("new") as reader:
            assert reader.read() in {b"bytes", LARGE}
    elif operation is Operations.get_range:
        # No vendor sends a checksum of a range.
        assert result != b"12"
    else:
        assert not fine


def test_missing_etag(server, filled):
    """No version is known without an etag: put, get and head need it."""
    gone = {"ETag": None}
    for operation, method in (
        (Operations.put, "PUT"),
        (Operations.put_parts, "PUT"),
        (Operations.get, "GET"),
        (Operations.get_range, "GET"),
        (Operations.head, "HEAD"),
    ):
        server.fault("headers", gone, method=method)
        with pytest.raises(UnexpectedAnswer, match=r"not 20.* etag"):
            operation(filled)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Content-Length", "ten"),
        ("Last-Modified", "yesterday"),
        ("Content-Range", "bytes 2-3/10"),
        ("Content-Range", "bytes 1-2/*"),
    ],
)
def test_odd_headers_of_a_range(server, filled, header, value):
    """A header that can't be read, or speaks of other bytes, is an odd answer."""
    server.fault("headers", {header: value}, method="GET", times=3)

    with pytest.raises((UnexpectedAnswer, StorageUnavailable)):
        filled.get("key", start=1, end=3)


def test_text_of_an_odd_answer(server, filled):
    """The error says operation, place, status, type and what was expected."""
    server.fault("reply", ODD["a page"], method="GET")

    with pytest.raises(UnexpectedAnswer) as raised:
        list(filled.list("a/"))

    prefix = server.prefix
    assert str(raised.value) == (
        f'{filled.vendor} bucket {server.bucket} did not list "a/": it answered 200 '
        f"text/html, not 200 with {prefix} headers and <ListBucketResult>.\n"
        f"  fix      {CHECK_PROXY}"
    )


def test_odd_answer_ends_a_resumed_read(server, filled):
    """A read that broke is not resumed with the bytes of a login page."""
    server.fault("truncate", 3, method="GET")
    server.fault("reply", ODD["a page with all headers"], method="GET", skip=1)

    with filled.get("key") as reader, pytest.raises(UnexpectedAnswer):
        reader.read()


def test_listing_that_goes_round_in_circles(server, filled, monkeypatch):
    """A page that leads to itself ends the listing instead of repeating it."""
    name = "NextMarker" if filled.vendor == "cos" else "NextContinuationToken"
    entry = (
        "<Contents><Key>a</Key><Size>1</Size><ETag>e</ETag><Type>Normal</Type>"
        "<StorageClass>Standard</StorageClass>"
        "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
    )
    page = (
        f"<ListBucketResult><IsTruncated>true</IsTruncated><{name}>a</{name}>"
        f"{entry}</ListBucketResult>"
    )
    monkeypatch.setattr(
        "modern_flask.testing.objects.server.make_listing", lambda *_: page.encode()
    )

    with pytest.raises(UnexpectedAnswer, match="leads to the same page again"):
        list(filled.list())


def test_blanks_before_a_document(server, filled):
    """COS sends blanks until a large object is joined, and then the document."""
    document = (
        b"   \n <?xml version='1.0' encoding='utf-8'?>"
        b'<CompleteMultipartUploadResult><ETag>"5f-2"</ETag>'
        b"</CompleteMultipartUploadResult>"
    )
    answer = Answer(200, document, {f"{server.prefix}request-id": "1"})
    server.fault("answer", answer, method="POST", skip=1)

    info = filled.put("new", LARGE)

    assert info.etag == "5f-2"


def test_ping_of_an_old_oss(oss_server, open_vendor):
    """A 404 without a code does not show that the bucket is there."""
    headers = {"x-oss-request-id": "1"}
    oss_server.fault("reply", Answer(404, b"", headers), method="HEAD")
    with open_vendor(oss_server) as storage, pytest.raises(StorageUnavailable):
        storage.ping(30)


def test_raw_client_is_left_alone(server, filled):
    """The user's own requests are judged by the SDK, as they always were."""
    server.fault("reply", ODD["nothing"], times=2)

    if filled.vendor == "cos":
        filled.raw.delete_object(Bucket=server.bucket, Key="key")
    else:
        filled.raw.delete_object("key")


def test_answer_without_an_end(server, filled, monkeypatch):
    """A document that is too large is not read to its end."""
    monkeypatch.setattr("modern_flask.storage.buckets.exchange._LARGEST", 1000)
    server.fault("reply", Answer(200, b" " * 2000), method="GET", times=3)

    with pytest.raises(StorageUnavailable):
        list(filled.list())


def test_plain_file_is_sent_in_its_place(server, remote, tmp_path):
    """A file is read twice where it lies, from its position, and left open."""
    path = tmp_path / "body"
    path.write_bytes(b"skipped" + LARGE)
    with path.open("rb") as file:
        file.seek(7)
        server.fault("corrupt", method="PUT", times=2, skip=1)
        remote.put("new", file)

        assert not file.closed
    with remote.get("new") as reader:
        assert reader.read() == LARGE


def test_compressed_file_is_stored_as_it_reads(remote):
    """A file that decompresses is read once, and its content is stored."""
    packed = io.BytesIO(gzip.compress(LARGE))
    with closing(gzip.GzipFile(fileobj=packed)) as file:
        remote.put("new", file)

    with remote.get("new") as reader:
        assert reader.read() == LARGE
