"""What holds for every vendor alike."""

import io
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from modern_flask.storage import (
    InvalidKey,
    InvalidMetadata,
    InvalidRange,
    ObjectExists,
    ObjectNotFound,
    Unsupported,
)

LARGE = bytes(range(251)) * 20_900  # 5 MB and a bit, no part like another
BODIES = {"nothing": b"", "a byte": b"x", "5 MB": LARGE}
KEYS = ["a", "a/b/c.txt", "中文/报告 二.pdf", "%41 +&=?#'\"<>", "..a/b..", "a./b", "é"]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bytes_come_back(storage, body):
    """What was put is got, byte for byte, and its size is known."""
    info = storage.put("key", body)

    with storage.get("key") as reader:
        assert reader.read() == body
    assert info.size == storage.head("key").size == len(body)
    assert info.etag == storage.head("key").etag == reader.info.etag


@pytest.mark.parametrize("size", [1, 65_536, 1_048_576, 1_048_577, 3_145_728])
def test_sizes_around_a_part(storage, size):
    """A body that ends on, before or behind a chunk or a part loses nothing."""
    storage.put("key", LARGE[:size])

    assert storage.get("key").read() == LARGE[:size]


def test_generator_is_stored(storage):
    """A body may be a generator, with empty pieces and pieces of any size."""
    pieces = [b"", LARGE[:1], LARGE[1:100_000], b"", LARGE[100_000:]]

    storage.put("key", (piece for piece in pieces))

    assert storage.get("key").read() == LARGE


def test_file_is_stored_from_where_it_stands(storage):
    """A file is read from its position to its end."""
    file = io.BytesIO(b"skipped" + LARGE)
    file.seek(7)

    storage.put("key", file)

    assert storage.get("key").read() == LARGE


def test_mutable_bytes_are_copied(storage):
    """A bytearray may be changed after it was put."""
    body = bytearray(b"before")

    storage.put("key", body)
    body[:] = b"behind"

    assert storage.get("key").read() == b"before"


@pytest.mark.parametrize("body", ["text", io.StringIO("text"), ["text"]])
def test_text_is_refused(storage, body):
    """Text is refused: its bytes would depend on an encoding that is not given."""
    with pytest.raises(TypeError, match=r"bytes, not text|bytes-like"):
        storage.put("key", body)

    assert not storage.exists("key")


def test_failing_body_stores_nothing(storage):
    """When the body raises half way, its error comes through and no object is there."""

    def body():
        yield LARGE
        raise OSError("the disk of the caller")

    with pytest.raises(OSError, match="the disk of the caller"):
        storage.put("key", body())

    assert not storage.exists("key")


@pytest.mark.parametrize("key", KEYS)
def test_keys_come_back(storage, key):
    """A portable key is stored, listed and deleted under its very name."""
    storage.put(key, b"x")

    assert [info.key for info in storage.list()] == [key]
    assert storage.get(key).read() == b"x"
    storage.delete(key)
    assert list(storage.list()) == []


def test_key_of_the_longest_kind(storage):
    """850 bytes of key are stored, in one segment too."""
    for key in ("中" * 283, "k" * 850, "k" * 200 + "../" + "b" * 200 + "/c"):
        storage.put(key, b"x")

        assert [info.key for info in storage.list(key[:5])] == [key]
        storage.delete(key)


def test_object_beside_folder_of_its_name(storage):
    """``a`` and ``a/b`` are two objects."""
    storage.put("a", b"1")
    storage.put("a/b", b"2")

    assert storage.get("a").read() == b"1"
    storage.delete("a")
    assert storage.get("a/b").read() == b"2"


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 1, b"0"),
        (3, 7, b"3456"),
        (3, None, b"3456789"),
        (9, 10, b"9"),
        (8, 99, b"89"),
        (0, 10, b"0123456789"),
        (4, 4, b""),
    ],
)
def test_ranges(storage, start, end, expected):
    """A range is cut as a slice is, and its info is the whole object's."""
    storage.put("key", b"0123456789")

    with storage.get("key", start=start, end=end) as reader:
        assert reader.read() == expected
        assert reader.info.size == 10


@pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 4), (10, None), (11, 20)])
def test_ranges_that_are_none(storage, start, end):
    """A range that begins behind the last byte or ends before its start is an error."""
    storage.put("key", b"0123456789")

    with pytest.raises(InvalidRange) as raised:
        storage.get("key", start=start, end=end)

    assert (raised.value.start, raised.value.end) == (start, end)


def test_range_of_an_empty_object(storage):
    """The first bytes of an empty object are no bytes, not an error."""
    storage.put("key", b"")

    assert storage.get("key", end=5).read() == b""


def test_reader_is_a_file(storage):
    """A reader returns the bytes, then none, and raises once it is closed."""
    storage.put("key", LARGE)

    reader = storage.get("key")
    assert reader.read(3) == LARGE[:3]
    assert reader.read(200_000) == LARGE[3:200_003]
    assert max(map(len, reader)) <= 65_536
    assert reader.read() == reader.read(5) == b""
    reader.close()
    reader.close()
    with pytest.raises(ValueError, match='The reader of "key" is closed'):
        reader.read(1)


def test_reader_keeps_its_version(storage):
    """An open reader continues with its own version of the object."""
    storage.put("key", b"old")

    with storage.get("key") as reader:
        storage.put("key", b"new")
        assert reader.read() == b"old"


def test_put_without_overwrite(storage):
    """``overwrite=False`` stores a new object and leaves one that is there alone."""
    storage.put("key", b"first", overwrite=False)

    for body in (b"second", LARGE):
        with pytest.raises(ObjectExists) as raised:
            storage.put("key", body, overwrite=False)
        assert raised.value.key == "key"
    assert storage.get("key").read() == b"first"
    storage.put("new", LARGE, overwrite=False)
    assert storage.head("new").size == len(LARGE)


def test_one_of_many_wins_without_overwrite(storage):
    """Of several threads that put the same new key, one succeeds."""
    outcomes = []

    def put(body: bytes) -> None:
        try:
            storage.put("key", body, overwrite=False)
        except ObjectExists:
            return
        outcomes.append(body)

    threads = [threading.Thread(target=put, args=(bytes([n]),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outcomes == [storage.get("key").read()]


def test_overwriting(storage):
    """A put replaces bytes, content type and metadata, not only some of them."""
    storage.put("key", b"old", content_type="text/plain", metadata={"a": "1"})

    old = storage.head("key")
    storage.put("key", b"newer", content_type="text/html")

    new = storage.head("key")
    assert storage.get("key").read() == b"newer"
    assert (new.size, new.content_type, new.metadata) == (5, "text/html", {})
    assert new.etag != old.etag


def test_metadata_comes_back(storage):
    """Metadata of any language, with blanks and percent signs, comes back as it was."""
    metadata = {
        "name": "报告 二.pdf",
        "note": "  100% a%20b  ",
        "empty": "",
        "x-1": "é",
    }

    info = storage.put("key", b"x", metadata=metadata)

    assert info.metadata == metadata
    assert storage.head("key").metadata == metadata
    with storage.get("key") as reader:
        assert reader.info.metadata == metadata


@pytest.mark.parametrize(
    "metadata",
    [{"Name": "x"}, {"a_b": "x"}, {"": "x"}, {"a": "x\r\nb: y"}, {"a": "x" * 2048}],
)
def test_metadata_that_some_vendor_refuses(storage, metadata):
    """What one vendor's headers can't carry is refused by all, and nothing is sent."""
    with pytest.raises(InvalidMetadata):
        storage.put("key", b"x", metadata=metadata)
    assert not storage.exists("key")


def test_content_type(storage):
    """The content type is the one given, or the one of the key's ending."""
    storage.put("a.png", b"x")
    storage.put("b", b"x")
    storage.put("c.png", b"x", content_type="text/plain; charset=utf-8")

    types = [storage.head(key).content_type for key in ("a.png", "b", "c.png")]
    assert types == [
        "image/png",
        "application/octet-stream",
        "text/plain; charset=utf-8",
    ]
    with pytest.raises(InvalidMetadata):
        storage.put("d", b"x", content_type="text/plain\r\nX: y")


def test_last_modified(storage):
    """The time of the last change is aware and close to now."""
    before = datetime.now(UTC) - timedelta(seconds=2)

    put = storage.put("key", b"x").last_modified

    listed = next(storage.list()).last_modified
    for moment in (put, storage.head("key").last_modified, listed):
        assert before <= moment <= datetime.now(UTC) + timedelta(seconds=2)


def test_what_is_not_there(storage):
    """A missing object is ObjectNotFound with its key, and ``exists`` is false."""
    for operation in (storage.get, storage.head):
        with pytest.raises(ObjectNotFound) as raised:
            operation("no/such key")
        assert raised.value.key == "no/such key"
    assert not storage.exists("no/such key")


def test_delete_is_idempotent(storage):
    """Deleting what is not there is no error."""
    storage.put("key", b"x")

    storage.delete("key")
    storage.delete("key")

    assert not storage.exists("key")


def test_listing_is_ordered_and_prefixed(storage):
    """Objects are listed by the bytes of their keys, below any beginning of a key."""
    keys = ["b", "a/2", "a.b", "a", "a/1/x", "ab", "中/1", "a%o", "é"]
    for key in keys:
        storage.put(key, key.encode())

    def list_keys(prefix: str) -> list[str]:
        return [info.key for info in storage.list(prefix)]

    assert list_keys("") == sorted(keys, key=str.encode)
    assert list_keys("a/") == ["a/1/x", "a/2"]
    assert list_keys("a/1") == ["a/1/x"]
    assert list_keys("中") == ["中/1"]
    assert list_keys("nothing/of/this") == []
    info = next(storage.list("中"))
    assert (info.size, info.etag) == (5, storage.head("中/1").etag)


def test_listing_pages(storage, monkeypatch):
    """More objects than fit into one page are listed, each once, up to the limit."""
    monkeypatch.setattr(storage.client, "page_size", 10)
    expected = [f"n/{number:02}" for number in range(25)]
    for key in expected:
        storage.put(key, b"")

    for limit in (None, 0, 1, 10, 12, 20, 25, 26):
        keys = [info.key for info in storage.list("n/", limit=limit)]
        assert keys == expected[:limit]


@pytest.mark.parametrize("prefix", ["/", "\\a", "a\nb", "x" * 851])
def test_prefixes_that_no_key_has(storage, prefix):
    """A prefix that no portable key has is refused at the call, not later."""
    with pytest.raises(InvalidKey):
        storage.list(prefix)


def test_negative_limit(storage):
    """A limit below zero is an error of the caller."""
    with pytest.raises(ValueError, match="limit must not be negative, it is -1"):
        storage.list(limit=-1)


@pytest.mark.parametrize("key", ["/", "", "../x", "a//b"])
def test_keys_are_checked_everywhere(storage, key):
    """No operation takes a key that is not portable."""
    operations = [storage.get, storage.head, storage.exists, storage.delete]
    for operation in [*operations, lambda key: storage.put(key, b"x")]:
        with pytest.raises(InvalidKey):
            operation(key)
    if storage.vendor in {"cos", "oss"}:
        with pytest.raises(InvalidKey):
            storage.url(key)


def test_ping(storage):
    """A storage that is there answers a ping and keeps nothing of it."""
    storage.ping(30)

    assert list(storage.list()) == []


def test_urls_of_vendors_that_have_none(storage):
    """Memory and folder raise Unsupported, since they make no URLs."""
    if storage.vendor in {"cos", "oss"}:
        assert storage.url("a").startswith("http://")
        assert storage.url("a", "PUT", content_type="a/b").startswith("http://")
        return
    with pytest.raises(Unsupported) as raised:
        storage.url("a", "PUT", content_type="a/b")
    assert str(raised.value) == (
        f"The storage {storage.vendor} makes no presigned URLs.\n"
        "  fix      serve the object from a view"
    )


def test_operations_are_observed(storage):
    """Every transfer goes through the one hook, and failures show in it."""
    seen = []

    @contextmanager
    def observe(operation, key):
        try:
            yield
        except Exception as error:
            seen.append((operation, key, type(error).__name__))
            raise
        seen.append((operation, key, ""))

    storage.observe = observe
    storage.put("a", b"x")
    storage.get("a").close()
    storage.head("a")
    list(storage.list("a"))
    storage.delete("a")
    storage.exists("a")
    with pytest.raises(ObjectNotFound):
        storage.get("a")

    assert [name for name, _, _ in seen[:3]] == ["put", "get", "head"]
    assert ("list", "a", "") in seen
    assert seen[-3:] == [
        ("delete", "a", ""),
        ("head", "a", ""),
        ("get", "a", "ObjectNotFound"),
    ]


def test_threads_share_a_storage(storage):
    """Several threads put and get through one storage without mixing anything up."""
    faults = []

    def work(number: int) -> None:
        body = bytes([number]) * 100_000
        try:
            for turn in range(3):
                storage.put(f"{number}/{turn}", body)
                assert storage.get(f"{number}/{turn}").read() == body
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert len(list(storage.list())) == 18
