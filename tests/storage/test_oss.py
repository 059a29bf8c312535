"""OSS: its settings and its signatures."""

import logging
from contextlib import contextmanager

import oss2
import pytest
import requests

from modern_flask.config.values import Origin, Values
from modern_flask.errors import ConfigurationError, MissingExtra
from modern_flask.storage import (
    MissingSettings,
    NoBucket,
    StorageUnavailable,
    Unsupported,
    open_oss,
)
from modern_flask.storage.errors import set_keys
from modern_flask.storage.oss import find_region
from modern_flask.testing.oss import OssServer

DAY = 24 * 3600
GIVEN = {
    "access_key_id": "i",
    "access_key_secret": "very-secret",
    "endpoint": "oss-cn-hangzhou.aliyuncs.com",
}


def section(**keys):
    """Settings as the container gives them, each with its origin."""
    names = {f"STORAGE_{name.upper()}": value for name, value in keys.items()}
    origins = {name: Origin("config.py", line) for line, name in enumerate(names, 1)}
    return Values(names, origins).section("STORAGE_")


def make_storage(**keys):
    with contextmanager(open_oss)(section(**keys)) as storage:
        return storage


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", "cn-hangzhou"),
        ("https://oss-cn-hangzhou-internal.aliyuncs.com", "cn-hangzhou"),
        ("http://oss-ap-southeast-1.aliyuncs.com:80/", "ap-southeast-1"),
        ("cn-hangzhou.oss.aliyuncs.com", "cn-hangzhou"),
        ("files.oss-cn-beijing.aliyuncs.com", "cn-beijing"),
        ("oss-accelerate.aliyuncs.com", None),
        ("oss-accelerate-overseas.aliyuncs.com", None),
        ("https://files.example.com", None),
        ("http://127.0.0.1:9000", None),
    ],
)
def test_find_region_an_endpoint(endpoint, region, caplog):
    """The region is read off the endpoint; one that has none gets a warning."""
    assert find_region({"endpoint": endpoint}) == region
    assert bool(caplog.records) == (region is None)


def test_text_of_the_warning_for_version_1(caplog):
    """The warning names the keys, once."""
    make_storage(**{**GIVEN, "endpoint": "http://127.0.0.1:9"})

    assert caplog.messages == [
        "STORAGE_ENDPOINT contains no region, so requests are signed by version 1, "
        "which new accounts and buckets refuse; set STORAGE_REGION."
    ]


def test_auth():
    """The version of the signature follows the region, the kind follows the token."""
    nowhere = {**GIVEN, "endpoint": "http://127.0.0.1:9"}
    cases = [
        ({}, oss2.AuthV4, "v4"),
        ({"security_token": "t"}, oss2.StsAuth, "v4"),
    ]
    for more, kind, version in cases:
        auth = make_storage(**GIVEN, **more, bucket="files").raw.auth
        assert isinstance(auth, kind)
        assert auth.auth_version() == version
    assert make_storage(**nowhere).raw.auth.auth_version() == "v1"
    assert make_storage(**nowhere, region="oss-cn-test").raw.auth.auth_version() == "v4"


@pytest.mark.parametrize("token", ["", "temporary"])
def test_version_1(token, monkeypatch):
    """Without a region everything works by signatures of version 1, URLs too."""
    with OssServer(token=token) as server:
        settings = {**server.settings, "region": None}
        with contextmanager(open_oss)(settings) as storage:
            storage.put("中文/a?b&c", b"x" * 200_000, metadata={"a": "1"})
            keys = [info.key for info in storage.list("中")]
            assert storage.get("中文/a?b&c", start=199_999).read() == b"x"
            url = storage.url("中文/a?b&c", expires=30 * DAY)
            storage.ping(5)
        with requests.Session() as session:
            good = session.get(url)
            bad = session.get(url.replace("Signature=", "Signature=A"))

    assert keys == ["中文/a?b&c"]
    assert "OSSAccessKeyId" in url
    assert (good.status_code, len(good.content), bad.status_code) == (200, 200_000, 403)


def test_version_1_takes_a_key_that_begins_with_a_question_mark():
    """oss2 refuses such keys under version 1; the interface knows no such rule."""
    with OssServer() as server:
        settings = {**server.settings, "region": None}
        with contextmanager(open_oss)(settings) as storage:
            storage.put("?a", b"x")
            assert storage.get("?a").read() == b"x"


def test_url_that_lasts_too_long(oss_server, open_vendor):
    """Version 4 presigns for seven days at most, and more is refused at once."""
    with open_vendor(oss_server) as storage:
        assert "x-oss-expires=604800" in storage.url("key", expires=7 * DAY)
        with pytest.raises(Unsupported) as raised:
            storage.url("key", expires=7 * DAY + 1)

    assert str(raised.value) == (
        "The storage oss presigns for 604800 seconds at most, not for 604801.\n"
        "  fix      make the URL again when it is needed"
    )


def test_unknown_setting_is_a_warning(caplog):
    """A key that OSS does not have is warned of with the nearest ones, and ignored."""
    make_storage(**GIVEN, buckte="files")

    assert caplog.messages == [
        "STORAGE_BUCKTE is not a known setting.\n"
        "  set in   config.py, line 4\n"
        "  did you mean  STORAGE_BUCKET"
    ]


def test_missing_settings():
    """All keys that are missing are named at once."""
    with pytest.raises(MissingSettings) as raised:
        make_storage(vendor="oss", endpoint="oss-cn-hangzhou.aliyuncs.com")

    assert str(raised.value) == (
        "The storage oss can't be opened: STORAGE_ACCESS_KEY_ID and "
        "STORAGE_ACCESS_KEY_SECRET are not set.\n"
        f"  fix      {set_keys(raised.value.keys)}"
    )


def test_value_that_the_sdk_refuses():
    """What oss2 refuses is a mistake of the configuration."""
    with pytest.raises(ConfigurationError, match="The storage oss can't be opened"):
        make_storage(**{**GIVEN, "region": "cn-test", "endpoint": "not an endpoint"})


def test_missing_package(monkeypatch):
    """Without the SDK the error names the extra to install."""
    monkeypatch.setitem(__import__("sys").modules, "oss2", None)

    with pytest.raises(MissingExtra, match=r"modern-flask\[oss\]"):
        make_storage(**GIVEN)


def test_timeouts_and_pool():
    """Every wait has a deadline; the pool has a connection for each thread."""
    storage = make_storage(**GIVEN, bucket="files", timeout="7", pool_size="5")

    assert storage.raw.timeout == (7.0, 7.0)
    assert make_storage(**GIVEN).raw.timeout == (3.0, 30.0)
    assert storage.service.session is storage.raw.session
    assert storage.raw.session.session.get_adapter("https://x")._pool_maxsize == 5


def test_without_a_bucket(oss_server):
    """Without a bucket ``raw`` is the service, and our operations name the key."""
    settings = oss_server.settings
    del settings["bucket"]
    with contextmanager(open_oss)(section(**settings)) as storage:
        storage.ping(5)
        names = [bucket.name for bucket in storage.raw.list_buckets().buckets]
        for operation in (storage.get, storage.url, lambda key: storage.put(key, b"")):
            with pytest.raises(NoBucket) as raised:
                operation("key")
        oss_server.fault("status", (403, "AccessDenied"))
        storage.ping(5)
        oss_server.fault("status", (403, "InvalidAccessKeyId"))
        with pytest.raises(StorageUnavailable, match="InvalidAccessKeyId"):
            storage.ping(5)

    assert names == [oss_server.bucket]
    assert raised.value.key == "STORAGE_BUCKET"
    assert storage.raw is storage.service
    assert repr(storage) == "<OssStorage: oss>"


def test_raw_is_a_bucket(oss_server, open_vendor):
    """With a bucket ``raw`` is an oss2.Bucket that checks its own checksums."""
    with open_vendor(oss_server) as storage:
        storage.raw.put_object("key", "text")

        assert storage.raw.enable_crc
        assert storage.get("key").read() == b"text"
        assert isinstance(storage.service, oss2.Service)


def test_repr_shows_no_secret():
    """A storage shows its bucket and nothing of its credentials."""
    storage = make_storage(**GIVEN, bucket="files")

    assert repr(storage) == "<OssStorage: oss bucket files>"
    assert "very-secret" not in repr(vars(storage))


def test_log_holds_no_token(caplog):
    """At DEBUG oss2 prints headers with the token; with our filter it says nothing."""
    caplog.set_level(logging.DEBUG)
    with (
        OssServer(token="temporary") as server,
        contextmanager(open_oss)(server.settings) as storage,
    ):
        storage.put("key", b"x")
        storage.raw.put_object("key", b"x")
        with pytest.raises(oss2.exceptions.NoSuchKey):
            storage.raw.get_object("other")

    assert not [word for word in ("temporary", "Signature=") if word in caplog.text]
