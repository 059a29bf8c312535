"""The COS and OSS servers answer the real SDKs, and refuse what the vendors refuse."""

import socket
import time

import oss2
import pytest
import requests
from qcloud_cos import CosServiceError

from modern_flask.storage import BucketNotFound

MIB = 1024 * 1024


@pytest.fixture
def client(cos_server, open_vendor):
    with open_vendor(cos_server) as storage:
        yield storage.raw


@pytest.fixture
def bucket(oss_server, open_vendor):
    with open_vendor(oss_server) as storage:
        yield storage.raw


# COS.


def test_cos_buckets(client, cos_server):
    """Buckets are made, listed, found and deleted when they are empty."""
    client.create_bucket("other-1")
    client.put_object("other-1", b"x", "key")

    names = [each["Name"] for each in client.list_buckets()["Buckets"]["Bucket"]]
    assert names == [cos_server.bucket, "other-1"]
    assert client.bucket_exists("other-1")
    assert not client.bucket_exists("third-1")
    with pytest.raises(CosServiceError, match="BucketNotEmpty"):
        client.delete_bucket("other-1")
    client.delete_object("other-1", "key")
    client.delete_bucket("other-1")
    assert list(cos_server.buckets) == [cos_server.bucket]


def test_cos_listing(client, cos_server):
    """Listing knows prefixes, delimiters and markers."""
    for key in ("a/1", "a/2", "b", "c/1", "d"):
        client.put_object(cos_server.bucket, b"x", key)

    page = client.list_objects(cos_server.bucket, Delimiter="/", MaxKeys=2)
    rest = client.list_objects(
        cos_server.bucket, Delimiter="/", Marker=page["NextMarker"]
    )

    assert [each["Prefix"] for each in page["CommonPrefixes"]] == ["a/"]
    assert [each["Key"] for each in page["Contents"]] == ["b"]
    assert [each["Prefix"] for each in rest["CommonPrefixes"]] == ["c/"]
    assert [each["Key"] for each in rest["Contents"]] == ["d"]
    assert (page["IsTruncated"], rest["IsTruncated"]) == ("true", "false")


def test_cos_copies_and_deletes_many(client, cos_server):
    """Objects are copied, with their headers or with new ones, and deleted together."""
    name = cos_server.bucket
    client.put_object(name, b"text", "a", Metadata={"x-cos-meta-a": "1"})
    source = {"Bucket": name, "Key": "a", "Region": "ap-test"}

    client.copy_object(name, "b", source)
    new = {"x-cos-meta-b": "2"}
    client.copy_object(name, "c", source, CopyStatus="Replaced", Metadata=new)

    assert client.head_object(name, "b")["x-cos-meta-a"] == "1"
    assert "x-cos-meta-a" not in client.head_object(name, "c")
    assert client.get_object(name, "c")["Body"].read(10) == b"text"
    keys = {"Object": [{"Key": "a"}, {"Key": "b"}, {"Key": "none"}]}
    deleted = client.delete_objects(name, keys)["Deleted"]
    assert [each["Key"] for each in deleted] == ["a", "b", "none"]
    assert list(cos_server.buckets[name].objects) == ["c"]


def test_cos_uploads_in_parts(client, cos_server):
    """Parts are sent, copied, listed and joined; small ones are refused."""
    name = cos_server.bucket
    client.put_object(name, b"s" * 2 * MIB, "source")
    upload = client.create_multipart_upload(name, "key")["UploadId"]
    source = {"Bucket": name, "Key": "source", "Region": "ap-test"}

    client.upload_part(name, "key", b"p" * 10, 1, upload)
    client.upload_part_copy(name, "key", 2, upload, source, f"bytes=0-{MIB - 1}")
    client.upload_part(name, "key", b"z", 3, upload, EnableMD5=True)
    parts = client.list_parts(name, "key", upload)["Part"]

    assert [each["Size"] for each in parts] == ["10", str(MIB), "1"]
    uploads = client.list_multipart_uploads(name)["Upload"]
    assert [each["UploadId"] for each in uploads] == [upload]

    def complete():
        chosen = [{k: each[k] for k in ("PartNumber", "ETag")} for each in parts]
        client.complete_multipart_upload(name, "key", upload, {"Part": chosen})

    with pytest.raises(CosServiceError, match="EntityTooSmall"):
        complete()
    del parts[0]
    complete()
    assert cos_server.buckets[name].objects["key"].body == b"s" * MIB + b"z"
    assert cos_server.buckets[name].objects["key"].etag.endswith("-2")
    with pytest.raises(CosServiceError, match="NoSuchUpload"):
        client.list_parts(name, "key", upload)


def test_cos_conditions_and_digests(client, cos_server):
    """Conditions are kept, and a wrong digest is refused."""
    name = cos_server.bucket
    etag = client.put_object(name, b"text", "key", EnableMD5=True)["ETag"]

    assert client.get_object(name, "key", IfMatch=etag)["Body"].read(9) == b"text"
    with pytest.raises(CosServiceError, match="PreconditionFailed"):
        client.get_object(name, "key", IfMatch='"other"')
    with pytest.raises(CosServiceError, match="InvalidRange"):
        client.get_object(name, "key", Range="bytes=4-")
    assert client.get_object(name, "key", Range="bytes=-2")["Body"].read(9) == b"xt"
    with pytest.raises(CosServiceError, match="BadDigest"):
        client.put_object(name, b"text", "key", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")


def test_cos_by_its_address(cos_server, open_vendor):
    """The SDK's IP and Port lead to the server as well as the proxy does."""
    with open_vendor(
        cos_server, proxies=None, ip="127.0.0.1", port=cos_server.port
    ) as storage:
        storage.put("key", b"text")
        assert storage.get("key").read() == b"text"


def test_cos_signature_covers_the_request(client, cos_server):
    """A signed request is refused when its path, query or signed headers are others."""
    url = f"http://{cos_server.bucket}.cos.ap-test.myqcloud.com/key"
    signed = client.get_auth(
        "PUT", cos_server.bucket, "key", Headers={"x-cos-meta-a": "1"}
    )

    def put(url: str, meta: str = "1") -> int:
        headers = {"Authorization": signed, "x-cos-meta-a": meta}
        with requests.Session() as session:
            session.proxies = cos_server.proxies
            return session.put(url, b"x", headers=headers).status_code

    assert put(url) == 200
    assert put(url + "2") == 403
    assert put(url, "2") == 403
    cos_server.clock = lambda: time.time() + 301
    assert put(url) == 403


# OSS.


def test_oss_buckets(oss_server, open_vendor):
    """Buckets are made, listed and deleted; a HEAD finds a missing one too."""
    with open_vendor(oss_server, bucket="other-bucket") as storage:
        with pytest.raises(BucketNotFound):
            storage.head("key")
        storage.raw.create_bucket()
        names = [each.name for each in storage.service.list_buckets().buckets]
        storage.raw.delete_bucket()

    assert names == [oss_server.bucket, "other-bucket"]
    assert list(oss_server.buckets) == [oss_server.bucket]


def test_oss_listing(bucket):
    """Both versions of listing know prefixes, delimiters and where to go on."""
    for key in ("a/1", "a/2", "b", "c/1", "d"):
        bucket.put_object(key, "x")

    both = [
        [each.key for each in oss2.ObjectIterator(bucket, delimiter="/", max_keys=1)],
        [each.key for each in oss2.ObjectIteratorV2(bucket, delimiter="/", max_keys=1)],
    ]

    assert both == [["a/", "b", "c/", "d"]] * 2
    after = bucket.list_objects_v2(start_after="b").object_list
    assert [each.key for each in after] == ["c/1", "d"]


def test_oss_copies_and_deletes_many(bucket, oss_server):
    """Objects are copied and deleted together."""
    bucket.put_object("a 中", b"text", headers={"x-oss-meta-a": "1"})

    bucket.copy_object(bucket.bucket_name, "a 中", "b")

    assert bucket.head_object("b").headers["x-oss-meta-a"] == "1"
    assert bucket.batch_delete_objects(["a 中", "none"]).deleted_keys == [
        "a 中",
        "none",
    ]
    assert list(oss_server.buckets[oss_server.bucket].objects) == ["b"]


def test_oss_uploads_in_parts(bucket, oss_server):
    """Parts are sent, copied, listed and joined; wrong ones are refused."""
    bucket.put_object("source", b"s" * MIB)
    upload = bucket.init_multipart_upload("key").upload_id

    bucket.upload_part("key", upload, 1, b"p" * 102_400)
    name = bucket.bucket_name
    bucket.upload_part_copy(name, "source", (0, 9), "key", upload, 2)
    parts = bucket.list_parts("key", upload).parts

    assert [(each.part_number, each.size) for each in parts] == [(1, 102_400), (2, 10)]
    assert [each.upload_id for each in bucket.list_multipart_uploads().upload_list] == [
        upload
    ]
    wrong = [oss2.models.PartInfo(1, "0" * 32)]
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidPart"):
        bucket.complete_multipart_upload("key", upload, wrong)
    bucket.complete_multipart_upload("key", upload, parts)
    body = oss_server.buckets[oss_server.bucket].objects["key"].body
    assert body == b"p" * 102_400 + b"s" * 10


def test_oss_ranges(bucket):
    """A range that is not all there gets the whole object by default."""
    bucket.put_object("key", b"0123456789")
    standard = {"x-oss-range-behavior": "standard"}

    assert bucket.get_object("key", (0, 99)).status == 200
    assert bucket.get_object("key", (5, 99), headers=standard).read() == b"56789"
    assert bucket.get_object("key", (None, 2)).read() == b"89"
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidRange"):
        bucket.get_object("key", (10, None), headers=standard)


def test_oss_conditions(bucket):
    """Conditions are kept, and a wrong digest is refused."""
    etag = bucket.put_object("key", b"text").etag

    assert bucket.get_object("key", headers={"If-Match": etag}).read() == b"text"
    with pytest.raises(oss2.exceptions.PreconditionFailed):
        bucket.get_object("key", headers={"If-Match": "other"})
    with pytest.raises(oss2.exceptions.NotModified):
        bucket.get_object("key", headers={"If-None-Match": etag})
    with pytest.raises(oss2.exceptions.ServerError, match="InvalidDigest"):
        bucket.put_object(
            "key", b"x", headers={"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
        )


def test_oss_chunked_body(bucket):
    """A body of unknown length arrives in chunks."""
    bucket.put_object("key", (piece for piece in [b"a" * 10, b"b" * 70_000]))

    assert bucket.get_object("key").read() == b"a" * 10 + b"b" * 70_000


@pytest.mark.parametrize("hours", [-1, 1])
def test_oss_clock(bucket, oss_server, hours):
    """A request signed an hour before or after the server's time is refused."""
    oss_server.clock = lambda: time.time() + hours * 3600

    with pytest.raises(oss2.exceptions.ServerError, match="RequestTimeTooSkewed"):
        bucket.get_object("key")


def test_oss_region(oss_server, open_vendor):
    """A signature for another region is refused."""
    with (
        open_vendor(oss_server, region="cn-beijing") as storage,
        pytest.raises(oss2.exceptions.SignatureDoesNotMatch),
    ):
        storage.raw.get_object("key")


# Both.


def test_unsigned_request(server):
    """A request without a signature is refused."""
    host = "test-1250000000.cos.ap-test.myqcloud.com"
    host = host if server.prefix == "x-cos-" else f"127.0.0.1:{server.port}"
    with requests.Session() as session:
        session.proxies = getattr(server, "proxies", {})
        answer = session.get(f"http://{host}/{server.bucket}/key")

    assert answer.status_code == 403
    assert "<Code>AccessDenied</Code>" in answer.text
    assert answer.headers[f"{server.prefix}request-id"] in answer.text


def test_connections_are_kept(server, remote):
    """Ten requests in a row need one connection."""
    accepted = []
    process = server._http.process_request
    server._http.process_request = lambda *args: (accepted.append(1), process(*args))

    for _ in range(10):
        remote.put("key", b"x")
        remote.exists("key")

    assert len(accepted) == 1


def test_server_that_closed_answers_no_more(server):
    """A server that was closed has given back its port and its connections."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(65_536).endswith(b"\r\n\r\n")
    server.__exit__()
    try:
        assert connection.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1)
    finally:
        connection.close()
        server.__enter__()
