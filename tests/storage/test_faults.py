"""What goes wrong between us and a vendor, and how it is reported."""

import logging
import socket
import time
import traceback
from dataclasses import replace

import pytest
import requests

from modern_flask.storage import (
    BucketNotFound,
    IntegrityError,
    ObjectArchived,
    ObjectChanged,
    ObjectExists,
    ObjectLocked,
    ObjectNotFound,
    OutcomeUnknown,
    PermissionDenied,
    StorageUnavailable,
    UnexpectedAnswer,
)
from modern_flask.storage.bodies import Source
from modern_flask.storage.checksums import load_crc64
from modern_flask.storage.errors import CHECK_ACCESS, CHECK_BUCKET, COMPARE
from modern_flask.storage.retries import BACKOFF
from modern_flask.testing.cos import CosServer
from modern_flask.testing.objects import Answer
from modern_flask.testing.objects.buckets import Entry
from modern_flask.waiting import Deadline

MIB = 1024 * 1024
LARGE = bytes(range(251)) * 12_600  # 3 MB and a bit: four parts of 1 MiB


@pytest.fixture(autouse=True)
def prompt(monkeypatch):
    """Retries wait no time; how long they would is tested with the retries."""
    at_once = replace(BACKOFF, first=0.0)
    monkeypatch.setattr("modern_flask.storage.retries.BACKOFF", at_once)


def content(storage, key: str) -> bytes:
    with storage.get(key) as reader:
        return reader.read()


@pytest.mark.parametrize("kind", ["drop", "status"])
def test_every_operation_survives_two_failures(server, remote, kind):
    """Put, get, head, list and delete are tried three times."""
    remote.put("key", b"x")
    for operation in (
        lambda: remote.put("key", (piece for piece in [b"o", b"k"])),
        lambda: remote.put("large", LARGE),
        lambda: content(remote, "key"),
        lambda: remote.head("key"),
        lambda: list(remote.list()),
        lambda: remote.delete("gone"),
    ):
        server.fault(kind, 503, times=2)
        operation()

    assert content(remote, "key") == b"ok"
    assert content(remote, "large") == LARGE


def test_third_failure_is_raised(server, remote):
    """After three attempts the storage is unavailable; the text says where and why."""
    server.fault("status", (503, "SlowDown"), times=3)

    with pytest.raises(StorageUnavailable) as raised:
        remote.put("key", b"x")

    assert str(raised.value).splitlines()[0] == (
        f'{remote.vendor} bucket {server.bucket} could not put "key": '
        "it answered 503 SlowDown."
    )
    assert raised.value.request
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_refusals_are_not_repeated(server, remote, status):
    """A refusal is not repeated: the vendor would refuse again."""
    server.fault("status", (status, "Whatever"), times=5)

    with pytest.raises(
        (UnexpectedAnswer, PermissionDenied, ObjectNotFound, ObjectExists)
    ):
        remote.put("key", b"x")

    assert len(server.requests) == 1


def test_nobody_listens(server, open_vendor):
    """A closed port is StorageUnavailable with the kind of error, not its text."""
    with open_vendor(server) as storage:
        server.__exit__()
        try:
            with pytest.raises(StorageUnavailable) as raised:
                storage.head("key")
            with pytest.raises(StorageUnavailable):
                storage.ping(1)
        finally:
            server.__enter__()

    assert "ConnectionError" in raised.value.reason or "Proxy" in raised.value.reason


def test_slow_server(server, open_vendor):
    """A server that does not answer costs the read timeout, no more."""
    with open_vendor(server, timeout=(1, 0.05)) as storage:
        server.fault("delay", 30, times=3)
        began = time.monotonic()

        with pytest.raises(StorageUnavailable, match=r"ReadTimeout|ConnectionError"):
            storage.head("key")

        assert time.monotonic() - began < 20


def test_ping_is_bounded(server, remote):
    """A ping ends in time though the storage's own timeout is thirty seconds."""
    server.fault("delay", 30)
    began = time.monotonic()

    with pytest.raises(StorageUnavailable, match="could not answer a ping"):
        remote.ping(0.2)

    assert time.monotonic() - began < 20


def test_ping_that_nothing_can_interrupt(remote, monkeypatch):
    """A resolver that hangs holds one thread, and later pings fail at once."""
    release = socket.socketpair()
    monkeypatch.setattr(remote.client, "ping", lambda timeout: release[0].recv(1))

    with pytest.raises(StorageUnavailable, match=r"no answer in 0\.01 s"):
        remote.ping(0.01)
    with pytest.raises(StorageUnavailable, match="an earlier ping is still waiting"):
        remote.ping(10)

    release[1].send(b"x")
    remote._last_ping.result(30)
    for end in release:
        end.close()


def test_ping_reports_a_wrong_secret(server, open_vendor):
    """A ping fails with the vendor's code when the secret is wrong."""
    wrong = {"secret_key": "no"} if server.prefix == "x-cos-" else {}
    wrong = wrong or {"access_key_secret": "no"}
    with (
        open_vendor(server, **wrong) as storage,
        pytest.raises(StorageUnavailable) as raised,
    ):
        storage.ping(30)

    assert isinstance(raised.value.__cause__, PermissionDenied)


def test_ping_reports_a_missing_bucket(server, open_vendor):
    """A bucket that is not there is not healthy."""
    with (
        open_vendor(server, bucket="nobody-1") as storage,
        pytest.raises(StorageUnavailable),
    ):
        storage.ping(30)


def test_missing_bucket(server, open_vendor):
    """A bucket that is not there is BucketNotFound, and a delete in it fails too."""
    with open_vendor(server, bucket="nobody-1") as storage:
        for operation in (
            storage.get,
            storage.delete,
            lambda key: storage.put(key, b""),
        ):
            with pytest.raises(BucketNotFound) as raised:
                operation("key")

    assert str(raised.value).startswith(
        f"{storage.vendor} bucket nobody-1 does not exist.\n  code     NoSuchBucket\n"
    )


def test_wrong_secret(server, open_vendor):
    """A wrong secret is PermissionDenied in every operation, and is not in the text."""
    name = "secret_key" if isinstance(server, CosServer) else "access_key_secret"
    with open_vendor(server, **{name: "wrong-Secret"}) as storage:
        for operation in (
            storage.get,
            storage.head,
            storage.delete,
            lambda key: storage.put(key, LARGE),
            lambda key: list(storage.list(key)),
        ):
            with pytest.raises(PermissionDenied) as raised:
                operation("key")
            assert "wrong-Secret" not in str(raised.value)

    assert server.buckets[server.bucket].objects == {}


def test_text_of_a_refusal(server, remote):
    """A refusal says who refused what, the vendor's code, and what to check."""
    server.fault("status", (403, "AccessDenied"))

    with pytest.raises(PermissionDenied) as raised:
        remote.get("a/b")

    assert str(raised.value) == (
        f'{remote.vendor} bucket {server.bucket} refused to get "a/b".\n'
        "  code     AccessDenied\n"
        f"  request  {raised.value.request}\n"
        f"  fix      {CHECK_ACCESS}"
    )


# Bodies.


def test_corrupt_download(server, remote):
    """A body with a flipped bit raises before its last chunk is given out."""
    remote.put("key", LARGE)
    server.fault("corrupt", method="GET")
    received = []

    with (
        remote.get("key") as reader,
        pytest.raises(IntegrityError, match="their checksum is"),
    ):
        received.extend(reader)

    assert len(b"".join(received)) < len(LARGE)


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["one", "parts"])
def test_corrupt_upload_is_sent_again(server, remote, body):
    """Bytes that changed on the way are refused by their MD5, and sent again."""
    server.fault("corrupt", method="PUT", times=2)

    remote.put("key", body)

    assert content(remote, "key") == body
    assert server.buckets[server.bucket].uploads == {}


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("body", [b"small", LARGE], ids=["one", "parts"])
def test_corrupt_upload_replaces_nothing(server, remote, body, overwrite):
    """An upload that is corrupt each time leaves the good object, and no part."""
    key = "key" if overwrite else "new"
    remote.put("key", b"good")
    server.fault("corrupt", method="PUT", times=3)

    with pytest.raises(IntegrityError, match="they changed on the way"):
        remote.put(key, body, overwrite=overwrite)

    assert content(remote, "key") == b"good"
    assert list(server.buckets[server.bucket].objects) == ["key"]
    assert server.buckets[server.bucket].uploads == {}


def test_corrupt_upload_without_a_check_by_the_vendor(server, remote, monkeypatch):
    """What a vendor stored with another checksum is replaced by the right bytes."""
    monkeypatch.setattr(type(server), "checks_digests", False)
    server.fault("corrupt", method="PUT", times=2)
    remote.put("key", b"small")
    server.fault("corrupt", method="PUT", times=2, skip=1)
    remote.put("large", LARGE)

    assert content(remote, "key") == b"small"
    assert content(remote, "large") == LARGE


def test_failing_upload_leaves_no_parts(server, remote):
    """When a part can't be sent, or the body raises, the upload is aborted."""

    def body():
        yield LARGE
        raise KeyboardInterrupt

    server.fault("status", 500, method="PUT", times=3)
    with pytest.raises(StorageUnavailable):
        remote.put("key", LARGE)
    with pytest.raises(KeyboardInterrupt):
        remote.put("key", body())

    assert server.buckets[server.bucket].uploads == {}


def test_parts_that_stay_behind_are_logged(server, remote, caplog):
    """When even the abort fails, the log says that parts cost money somewhere."""
    server.fault("status", 500, method="PUT", times=3)
    server.fault("status", 500, method="DELETE", times=3)

    with pytest.raises(StorageUnavailable):
        remote.put("key", LARGE)

    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "parts of an upload stay behind" in caplog.text


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["one", "parts"])
def test_lost_answer(server, remote, body):
    """A put whose answer is lost succeeds: the second attempt finds its work done."""
    server.fault("lose", method="PUT")
    # The first POST begins an upload, the second one completes it.
    server.fault("lose", method="POST", skip=1)

    remote.put("key", body)

    assert content(remote, "key") == body
    assert server.buckets[server.bucket].uploads == {}


def test_lost_completion_beside_another_object(server, remote):
    """A completion that failed is not taken for done because some object is there."""
    remote.put("key", b"another")
    server.fault("status", (404, "NoSuchUpload"), method="POST", skip=1)

    with pytest.raises(UnexpectedAnswer, match="it answered 404 NoSuchUpload"):
        remote.put("key", LARGE)

    assert content(remote, "key") == b"another"


def test_abort_is_repeated(server, remote):
    """An abort that fails is repeated, so that no parts stay behind."""
    server.fault("status", 500, method="PUT", times=3)
    server.fault("drop", method="DELETE", times=2)

    with pytest.raises(StorageUnavailable):
        remote.put("key", LARGE)

    assert server.buckets[server.bucket].uploads == {}


# A put that must not overwrite.


@pytest.mark.parametrize("body", [b"small", LARGE], ids=["one", "parts"])
@pytest.mark.parametrize("status", [(503, "SlowDown"), (429, "TooManyRequests")])
def test_new_object_is_sent_again_where_nothing_happened(server, remote, body, status):
    """An answer that says that nothing was stored is followed by another attempt."""
    server.fault("status", status, method="PUT", times=2)

    remote.put("key", body, overwrite=False)

    assert content(remote, "key") == body
    assert "HEAD" not in [method for method, _ in server.requests]


def test_new_object_is_sent_again_where_none_is_found(server, remote):
    """After a lost answer the object is looked for; if none is there, it is sent."""
    server.fault("drop", method="PUT")

    remote.put("key", b"x", overwrite=False)

    assert [method for method, _ in server.requests] == ["HEAD", "PUT"]
    assert content(remote, "key") == b"x"


def test_new_object_that_may_be_another_writers(server, remote):
    """The same bytes after a lost answer may be ours or not: the outcome is unknown."""
    server.fault("lose", method="PUT")

    with pytest.raises(OutcomeUnknown) as raised:
        remote.put("key", b"x", overwrite=False)

    assert [method for method, _ in server.requests] == ["PUT", "HEAD"]
    assert isinstance(raised.value, StorageUnavailable)
    assert raised.value.reason.endswith(
        ": connection lost, and an object with the same bytes is there"
    )
    assert str(raised.value) == (
        f'{remote.vendor} bucket {server.bucket} may or may not have put "key": '
        f"{raised.value.reason}.\n  fix      {COMPARE}"
    )


@pytest.mark.parametrize("status", [500, 502, 504])
def test_new_object_after_an_error_of_the_server(server, remote, status):
    """An error of the server may come after the object was stored; it is looked for."""
    server.fault("answer", Answer(status), method="PUT")

    with pytest.raises(OutcomeUnknown):
        remote.put("key", b"x", overwrite=False)

    assert [method for method, _ in server.requests] == ["PUT", "HEAD"]


def test_new_object_that_lost_to_another(server, remote):
    """Other bytes after a lost answer are another writer's: the object exists."""
    remote.put("key", b"another")
    server.fault("lose", method="PUT")

    with pytest.raises(ObjectExists):
        remote.put("key", b"x", overwrite=False)

    assert content(remote, "key") == b"another"


def test_new_object_that_can_not_be_looked_for(server, remote):
    """If the object can't be looked for after a lost answer, the outcome is unknown."""
    server.fault("lose", method="PUT")
    server.fault("status", (403, "AccessDenied"), method="HEAD")

    with pytest.raises(OutcomeUnknown, match="what is there could not be found out"):
        remote.put("key", b"x", overwrite=False)


def test_new_object_whose_answers_are_all_lost(server, remote):
    """If each answer is lost and no object is there, the outcome is still unknown."""
    server.fault("drop", method="PUT", times=3)

    with pytest.raises(OutcomeUnknown, match="no object was there shortly afterwards"):
        remote.put("key", b"x", overwrite=False)


def test_new_object_that_was_never_sent(server, open_vendor):
    """A closed port is no doubt about the outcome: nothing has been sent."""
    with open_vendor(server) as storage:
        server.__exit__()
        try:
            with pytest.raises(StorageUnavailable) as raised:
                storage.put("key", b"x", overwrite=False)
        finally:
            server.__enter__()

    assert not isinstance(raised.value, OutcomeUnknown)
    assert not raised.value.maybe_done


def test_new_object_in_parts_with_a_lost_answer(server, remote):
    """An upload can be completed once, so a completion may be sent again."""
    server.fault("lose", method="POST", skip=1)

    remote.put("key", LARGE, overwrite=False)

    assert content(remote, "key") == LARGE
    assert server.buckets[server.bucket].uploads == {}


@pytest.mark.parametrize("cut", [0, 1, 65_536, 1_000_000])
def test_broken_download_is_resumed(server, remote, cut):
    """A body that ends early is taken up where it broke, and its checksum holds."""
    remote.put("key", LARGE)
    server.fault("truncate", cut, method="GET", times=3)

    assert content(remote, "key") == LARGE


def test_broken_range_is_resumed(server, remote):
    """A range is taken up within itself."""
    remote.put("key", LARGE)
    server.fault("truncate", 100_000, method="GET")

    with remote.get("key", start=7, end=300_007) as reader:
        assert reader.read() == LARGE[7:300_007]


def test_download_that_breaks_for_good(server, remote):
    """A body that ends early again and again is an error, not a shorter body."""
    remote.put("key", LARGE)
    server.fault("truncate", 1000, method="GET", times=100)

    with (
        pytest.raises(StorageUnavailable, match="it ended after 4000 of"),
        remote.get("key") as reader,
    ):
        reader.read()


def test_resumed_download_keeps_its_version(server, remote):
    """A read that broke is not taken up in another version of the object."""
    remote.put("key", LARGE)
    server.fault("truncate", 100_000, method="GET")

    with remote.get("key") as reader:
        remote.put("key", b"y" * len(LARGE))
        with pytest.raises(ObjectChanged) as raised:
            reader.read()

    assert str(raised.value) == (
        f'The bytes of "key" in {remote.vendor} bucket {server.bucket} are wrong: '
        "the object changed while it was being read."
    )


def test_resumed_download_of_what_is_gone(server, remote):
    """A broken read raises ObjectChanged if the object was deleted meanwhile."""
    remote.put("key", LARGE)
    server.fault("truncate", 100_000, method="GET")

    with remote.get("key") as reader:
        remote.delete("key")
        with pytest.raises(ObjectChanged):
            reader.read()


def test_answer_that_is_no_xml(server, remote, monkeypatch):
    """A login page in place of a listing is UnexpectedAnswer."""
    monkeypatch.setattr(
        "modern_flask.testing.objects.server.make_listing", lambda *args: b"<html><br>"
    )

    with pytest.raises(UnexpectedAnswer, match=r"not 200 with .* <ListBucketResult>"):
        list(remote.list())


# Presigned URLs.


def fetch(server, method: str, url: str, **options) -> requests.Response:
    proxies = getattr(server, "proxies", None)
    with requests.Session() as session:
        return session.request(method, url, proxies=proxies, timeout=30, **options)


def test_presigned_url(server, remote):
    """Whoever has the URL gets the object, and nothing else."""
    remote.put("中文/a b.txt", b"text")
    url = remote.url("中文/a b.txt", expires=60)

    assert fetch(server, "GET", url).content == b"text"
    assert fetch(server, "DELETE", url).status_code == 403
    assert fetch(server, "GET", url.replace("a%20b", "other")).status_code == 403
    assert fetch(server, "GET", url[:-1] + "!").status_code == 403
    assert fetch(server, "GET", url.partition("?")[0]).status_code == 403


def test_presigned_url_expires(server, remote):
    """After its time the URL is refused, and a moment before it is not."""
    remote.put("key", b"text")
    url = remote.url("key", expires=60)

    server.clock = lambda: time.time() + 55
    assert fetch(server, "GET", url).status_code == 200
    server.clock = lambda: time.time() + 65
    assert fetch(server, "GET", url).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "HEAD", "DELETE"])
def test_presigned_url_of_other_methods(server, remote, method):
    """A URL can be made for upload, head and delete."""
    remote.put("key", b"old")

    answer = fetch(
        server,
        method,
        remote.url("key", method=method),
        data=b"new" if method == "PUT" else None,
    )

    assert answer.ok
    expected = {"PUT": [b"new"], "HEAD": [b"old"], "DELETE": []}[method]
    assert [content(remote, info.key) for info in remote.list()] == expected


def test_presigned_url_of_nonsense(remote):
    """A method without presigned URLs and a time of nothing are the caller's errors."""
    with pytest.raises(
        ValueError, match="method must be one of GET, HEAD, PUT, DELETE"
    ):
        remote.url("key", method="POST")
    with pytest.raises(ValueError, match="expires must be at least 1 second, it is 0"):
        remote.url("key", expires=0)


@pytest.mark.parametrize("region", ["given", None], ids=["newest", "version 1"])
def test_presigned_upload_of_a_content_type(server, open_vendor, region):
    """An upload with the signed type is taken and keeps it; another one is refused."""
    changes = {"region": None} if region is None and server.prefix == "x-oss-" else {}
    sent = {"Content-Type": "image/png"}
    with open_vendor(server, **changes) as storage:
        url = storage.url("a b", "PUT", content_type="image/png")

        wrong = {"Content-Type": "text/html"}
        assert fetch(server, "PUT", url, data=b"x", headers=wrong).status_code == 403
        assert fetch(server, "PUT", url, data=b"x").status_code == 403
        assert fetch(server, "PUT", url, data=b"x", headers=sent).status_code == 200
        assert storage.head("a b").content_type == "image/png"


def test_presigned_upload_without_a_content_type(server, remote):
    """Without a signed type, every vendor takes an upload that sends none."""
    assert fetch(server, "PUT", remote.url("key", "PUT"), data=b"x").status_code == 200


def test_security_token(server, open_vendor):
    """Temporary credentials work in requests and in presigned URLs."""
    server.token = "the-security-token"
    with open_vendor(server) as storage:
        storage.put("key", LARGE)

        assert content(storage, "key") == LARGE
        assert fetch(server, "GET", storage.url("key")).content == LARGE


def test_refusal_does_not_repeat_the_token(server, open_vendor, caplog):
    """Vendors send the signed text back, with the token in it; no error shows it."""
    caplog.set_level(logging.DEBUG)
    name = "secret_key" if isinstance(server, CosServer) else "access_key_secret"
    server.token = "the-security-token"
    with open_vendor(server, **{name: "wrong"}) as storage:
        for operation in (storage.get, storage.head, storage.delete):
            with pytest.raises(PermissionDenied) as raised:
                operation("key")
            report = "".join(traceback.format_exception(raised.value))
            assert "SignatureDoesNotMatch" in report or storage.vendor == "cos"
            assert server.token not in report + caplog.text


def test_expired_token(server, open_vendor):
    """A security token that is not the one is PermissionDenied."""
    server.token = "the-security-token"
    name = "token" if isinstance(server, CosServer) else "security_token"
    with (
        open_vendor(server, **{name: "expired"}) as storage,
        pytest.raises(PermissionDenied),
    ):
        storage.head("key")


# What a refusal is about.


def test_head_tells_a_missing_bucket_from_a_missing_object(server, open_vendor):
    """HEAD has no body; a missing bucket is still not a missing object."""
    with open_vendor(server, bucket="nobody-1") as storage:
        for operation in (storage.head, storage.exists):
            with pytest.raises(BucketNotFound) as raised:
                operation("key")

    assert CHECK_BUCKET in str(raised.value)


def test_missing_objects_cost_one_request_each(server, remote):
    """Once the bucket was seen, an object that is missing costs a single request."""
    assert not remote.exists("a")
    server.requests.clear()

    assert not remote.exists("b")
    assert not remote.exists("c")

    assert len(server.requests) == 2


def test_bucket_that_may_not_be_requested(cos_server, open_vendor):
    """Without the permission to request the bucket, a missing object is just that."""
    with open_vendor(cos_server) as storage:
        cos_server.fault("status", (403, "AccessDenied"), method="HEAD", skip=1)

        assert not storage.exists("key")


@pytest.mark.parametrize("status", [403, 409])
@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        ("InvalidObjectState", ObjectArchived, "the object is archived"),
        ("FileImmutable", ObjectLocked, "a retention policy protects the object"),
        ("ObjectLocked", ObjectLocked, "a retention policy protects the object"),
    ],
)
def test_archived_and_locked_objects(server, remote, status, code, kind, text):
    """An archived or a locked object is not just denied, and never "exists already"."""
    for name, operation in (
        ("get", remote.get),
        ("delete", remote.delete),
        ("put", lambda key: remote.put(key, b"x")),
        ("put", lambda key: remote.put(key, b"x", overwrite=False)),
    ):
        server.fault("status", (status, code))
        with pytest.raises(kind) as raised:
            operation("a")

        assert str(raised.value) == (
            f'{remote.vendor} bucket {server.bucket} refused to {name} "a": {text}.\n'
            f"  code     {code}\n"
            f"  request  {raised.value.request}\n"
            f"  fix      {kind.remedy}"
        )
        assert isinstance(raised.value, PermissionDenied)


@pytest.mark.parametrize("code", ["NoSuchUpload", "NoSuchWebsite", "Whatever", ""])
def test_other_things_that_are_missing(server, remote, code):
    """A 404 about something else is not a missing object."""
    server.fault("status", (404, code), times=2)

    with pytest.raises(UnexpectedAnswer, match="it answered 404"):
        remote.get("key")
    with pytest.raises(UnexpectedAnswer, match="it answered 404"):
        remote.delete("key")


def test_conflict_that_is_no_existing_object(server, remote):
    """A conflict of a put that may overwrite is not an object that exists."""
    server.fault("status", (409, "PathConflict"))

    with pytest.raises(UnexpectedAnswer, match="it answered 409 PathConflict"):
        remote.put("key", b"x")


# How long an operation may take.


def test_retry_after_is_kept(server, remote, monkeypatch):
    """The next attempt waits as long as the vendor asks for."""
    server.fault("reply", Answer(503, b"", {"Retry-After": "1"}), method="HEAD")
    remote.put("key", b"x")
    began = time.monotonic()

    remote.head("key")

    assert time.monotonic() - began >= 1


def test_deadline_ends_all_attempts(server, open_vendor):
    """An operation ends at its deadline, whatever its timeouts and retries allow."""
    with open_vendor(server, deadline=0.3) as storage:
        server.fault("delay", 30, times=9)
        began = time.monotonic()

        with pytest.raises(StorageUnavailable, match="timed out"):
            storage.head("key")
        with pytest.raises(StorageUnavailable, match="timed out"):
            storage.put("key", b"x")

        assert time.monotonic() - began < 10


def test_deadline_ends_a_body_that_drips(server, open_vendor, monkeypatch):
    """A listing whose bytes come one by one ends at the deadline too."""
    with open_vendor(server, deadline=0.3) as storage:
        server.fault("drip", 0.1, method="GET", times=9)
        began = time.monotonic()

        with pytest.raises(StorageUnavailable):
            list(storage.list())

        assert time.monotonic() - began < 10


def test_deadline_ends_a_body_that_is_sent_slowly(remote, monkeypatch):
    """A body may take a second for each 64 KiB besides the deadline, and no more."""
    with Source(b"x" * 100).read_part(100) as part:
        body = part.content()
        body.deadline = Deadline(0)
        with pytest.raises(TimeoutError):
            body.read(10)


# Listings with keys that are hidden.


def test_hidden_keys_cost_no_request_each(server, remote):
    """Folder markers are skipped by the page, also where few objects are wanted."""
    objects = server.buckets[server.bucket].objects
    for number in range(50):
        objects[f"a/{number:02}/"] = Entry(b"", "0" * 32)
    remote.put("b", b"x")
    server.requests.clear()

    keys = [info.key for info in remote.list(limit=1)]

    assert keys == ["b"]
    assert len(server.requests) == 2


def test_checksums_are_computed_once(server, remote, monkeypatch):
    """No byte goes through the checksum twice, on its way there or back."""
    seen = []
    step = load_crc64()
    monkeypatch.setattr(
        "modern_flask.storage.checksums.load_crc64",
        lambda: lambda data, value: seen.append(len(data)) or step(data, value),
    )
    monkeypatch.setattr(
        type(server), "make_checksum_headers", lambda self, entry: {"ETag": entry.etag}
    )

    remote.put("key", LARGE)
    remote.put("small", iter([b"abc"]))
    assert sum(seen) == len(LARGE) + 3
    seen.clear()
    content(remote, "key")
    assert sum(seen) in {0, len(LARGE)}
