"""COS: its settings, and the faults of its SDK that must not be ours."""

import gc
import inspect
import logging
from contextlib import contextmanager

import pytest
import requests
from qcloud_cos import CosClientError, CosConfig, CosS3Client, CosServiceError

from modern_flask.config.values import Origin, Values
from modern_flask.errors import ConfigurationError, MissingExtra, UnknownSetting
from modern_flask.storage import (
    InvalidKey,
    InvalidSetting,
    MissingSettings,
    NoBucket,
    ObjectChanged,
    PermissionDenied,
    StorageUnavailable,
    UnexpectedAnswer,
    Unsupported,
    open_cos,
)
from modern_flask.storage.buckets.sdk_logs import SDK_FILTER
from modern_flask.storage.cos import snake_case
from modern_flask.testing.cos import CosServer

MIB = 1024 * 1024


def section(**keys):
    """Settings as the container gives them, each with its origin."""
    names = {f"STORAGE_{name.upper()}": value for name, value in keys.items()}
    origins = {name: Origin("config.py", line) for line, name in enumerate(names, 1)}
    return Values(names, origins).section("STORAGE_")


def make_storage(**keys):
    with contextmanager(open_cos)(section(**keys)) as storage:
        return storage


GIVEN = {"vendor": "cos", "secret_id": "i", "secret_key": "k", "region": "ap-test"}

# Settings.


def test_every_keyword_of_the_sdk_is_a_setting():
    """Each keyword of CosConfig can be set under its name in snake case."""
    names = {snake_case(name) for name in inspect.signature(CosConfig).parameters}

    assert {
        "ssl_cert",
        "verify_ssl",
        "pool_max_size",
        "ip",
        "ua",
        "endpoint_ci",
    } < names
    for name in names - {"scheme", "timeout", "pool_connections", "pool_max_size"}:
        make_storage(**{**GIVEN, "vendor": "cos", name: GIVEN.get(name, "x")})


def test_settings_reach_the_sdk():
    """What is set is what the client has; the old names of the secrets work too."""
    storage = make_storage(
        access_id="i",
        access_key="k",
        endpoint="cos.example.com",
        appid="125",
        scheme="http",
        ua="agent",
        port=8080,
        ip="10.0.0.1",
    )

    conf = storage.raw.get_conf()
    assert (conf._secret_id, conf._secret_key, conf._appid) == ("i", "k", "125")
    assert (conf._endpoint, conf._scheme, conf._ua) == (
        "cos.example.com",
        "http",
        "agent",
    )
    assert (conf._ip, conf._port) == ("10.0.0.1", 8080)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, (3.0, 30.0)),
        (5, (5.0, 5.0)),
        ("2.5", (2.5, 2.5)),
        ([1, "9"], (1.0, 9.0)),
    ],
)
def test_timeout(given, expected):
    """A timeout is a number, its text or a pair; without one it is 3 and 30 seconds."""
    settings = GIVEN if given is None else {**GIVEN, "timeout": given}

    assert make_storage(**settings).raw.get_conf()._timeout == expected


@pytest.mark.parametrize("value", ["soon", 0, -1, (1,), (1, 2, 3), "nan", "inf"])
def test_timeout_that_is_none(value):
    """A timeout that would fail at the first request fails at the start."""
    with pytest.raises(InvalidSetting) as raised:
        make_storage(**GIVEN, timeout=value)

    assert str(raised.value) == (
        "STORAGE_TIMEOUT can't be used: it must be a number of seconds above zero, "
        "or a pair of them.\n  set in   config.py, line 5"
    )


def test_part_size_that_cos_refuses():
    """Parts below 1 MiB are refused at the start."""
    with pytest.raises(InvalidSetting, match="at least 1048576 bytes"):
        make_storage(**GIVEN, part_size=1000)


def test_unknown_setting():
    """A key that COS does not have is an error with its origin and the nearest ones."""
    with pytest.raises(UnknownSetting) as raised:
        make_storage(**GIVEN, secret_ky="x")

    assert str(raised.value) == (
        "STORAGE_SECRET_KY is not a known setting.\n"
        "  set in   config.py, line 5\n"
        "  did you mean  STORAGE_SECRET_KEY or STORAGE_SECRET_ID"
    )


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({}, ["STORAGE_SECRET_ID", "STORAGE_SECRET_KEY", "REGION"]),
        ({"secret_id": "i", "region": "r1"}, ["STORAGE_SECRET_KEY"]),
        ({"secret_id": "i", "secret_key": "k"}, ["REGION"]),
        ({"anonymous": True}, ["REGION"]),
    ],
)
def test_missing_settings(settings, keys):
    """All keys that are missing are named at once."""
    region = "STORAGE_REGION (or STORAGE_ENDPOINT)"
    with pytest.raises(MissingSettings) as raised:
        make_storage(vendor="cos", **settings)

    assert raised.value.keys == [region if key == "REGION" else key for key in keys]


def test_value_that_the_sdk_refuses():
    """What CosConfig refuses is a mistake of the configuration, without the secret."""
    with pytest.raises(ConfigurationError) as raised:
        make_storage(**{**GIVEN, "secret_key": "secret\n "})

    assert "cannot contain spaces" in str(raised.value)
    assert "secret\n" not in str(raised.value)


def test_missing_package(monkeypatch):
    """Without the SDK the error names the extra to install."""
    monkeypatch.setitem(__import__("sys").modules, "qcloud_cos", None)

    with pytest.raises(MissingExtra, match="cos-python-sdk-v5"):
        make_storage(**GIVEN)


def test_each_client_has_its_connections():
    """Two storages share no pool, unlike two clients of the SDK."""
    one, other = make_storage(**GIVEN), make_storage(**GIVEN)

    assert one.raw._session is not other.raw._session
    assert one.raw._session is one.client.bucket._client._session


def test_without_a_bucket(cos_server):
    """Without a bucket the raw client works; our operations name the missing key."""
    settings = cos_server.settings
    del settings["bucket"]
    with contextmanager(open_cos)(section(**settings)) as storage:
        storage.ping(5)
        found = storage.raw.list_buckets()["Buckets"]["Bucket"][0]["Name"]
        for operation in (
            storage.get,
            storage.url,
            storage.delete,
            lambda key: storage.put(key, b""),
            lambda key: list(storage.list(key)),
        ):
            with pytest.raises(NoBucket) as raised:
                operation("key")

    assert found == cos_server.bucket
    assert raised.value.key == "STORAGE_BUCKET"
    assert repr(storage) == "<CosStorage: cos>"


def test_ping_without_a_bucket(cos_server):
    """Being denied the list of buckets is an answer; a wrong secret is not healthy."""
    settings = {**cos_server.settings, "bucket": ""}
    with contextmanager(open_cos)(settings) as storage:
        cos_server.fault("status", (403, "AccessDenied"))
        storage.ping(5)
        cos_server.fault("status", (403, "SignatureDoesNotMatch"))
        with pytest.raises(StorageUnavailable, match="SignatureDoesNotMatch"):
            storage.ping(5)


def test_anonymous_signs_no_urls():
    """An anonymous client says that it can't presign."""
    storage = make_storage(vendor="cos", anonymous=True, region="ap-test", bucket="b-1")

    with pytest.raises(Unsupported, match="opened anonymously and signs no URLs"):
        storage.url("key")


def test_repr_shows_no_secret():
    """A storage shows its bucket and nothing of its credentials."""
    storage = make_storage(
        **{**GIVEN, "secret_key": "very-secret", "bucket": "files-1"}
    )

    assert repr(storage) == "<CosStorage: cos bucket files-1>"
    assert "very-secret" not in repr(vars(storage))


# Faults of the SDK.


@pytest.fixture
def cos(cos_server, open_vendor):
    with open_vendor(cos_server) as storage:
        yield storage


def test_deleting_a_slash_deletes_no_bucket(cos, cos_server):
    """The SDK takes the key ``/`` for the bucket; ours never reaches the wire."""
    cos_server.requests.clear()
    for operation in (cos.delete, lambda key: cos.put(key, b"x")):
        with pytest.raises(InvalidKey):
            operation("/")
    assert not cos_server.requests

    cos.raw.delete_object(Bucket=cos_server.bucket, Key="/")
    assert cos_server.buckets == {}


def test_generator_survives_a_dropped_connection(cos, cos_server):
    """The SDK fails with an UnboundLocalError where ours sends the body again."""

    def body():
        yield b"bo"
        yield b"dy"

    cos_server.fault("drop")
    with pytest.raises(UnboundLocalError):
        cos.raw.put_object(Bucket=cos_server.bucket, Key="key", Body=body())

    cos_server.fault("drop")
    cos.put("key", body())
    assert cos.get("key").read() == b"body"


# The SDK leaves the connection of an answer that it does not understand open.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_answers_that_the_sdk_does_not_expect(cos, cos_server):
    """A 304, raised as OSError by the SDK, and a HEAD's 403 are errors of ours."""
    cos.put("key", b"x")

    cos_server.fault("status", 304, method="GET", times=2)
    with pytest.raises(OSError, match="StreamBody"):
        cos.raw.get_object(Bucket=cos_server.bucket, Key="key")
    with pytest.raises(UnexpectedAnswer, match="it answered 304"):
        cos.get("key")
    cos_server.fault("status", (403, "AccessDenied"), method="HEAD", times=2)
    with pytest.raises(CosServiceError) as raised:
        cos.raw.head_object(Bucket=cos_server.bucket, Key="key")
    assert raised.value.get_error_code() == "Unknown"
    with pytest.raises(PermissionDenied):
        cos.head("key")
    gc.collect()


def test_download_mixes_no_versions(cos, cos_server, tmp_path):
    """The SDK joins ranges of two versions into one file; a reader never does."""
    old, new = b"o" * 2 * MIB, b"n" * 2 * MIB
    cos.put("key", old)
    read = cos_server._read

    def read_and_replace(request, entry):
        answer = read(request, entry)
        if request.method == "GET":
            entry.body = new
        return answer

    cos_server._read = read_and_replace
    cos.raw.download_file(
        Bucket=cos_server.bucket,
        Key="key",
        DestFilePath=str(tmp_path / "mixed"),
        PartSize=1,
        MAXThread=1,
    )
    assert set((tmp_path / "mixed").read_bytes()) == set(b"on")

    cos.put("key", old)
    cos_server.fault("truncate", MIB, method="GET")
    with cos.get("key") as reader:
        cos.put("key", new)
        with pytest.raises(ObjectChanged):
            reader.read()


def test_presigned_url_keeps_the_security_token():
    """The SDK drops the token of temporary credentials from its URLs; ours carry it."""
    with CosServer(token="temporary") as server:
        with contextmanager(open_cos)(server.settings) as storage:
            storage.put("key", b"x")
            theirs = storage.raw.get_presigned_url(server.bucket, "key", "GET")
            ours = storage.url("key")
        with requests.Session() as session:
            answers = [
                session.get(url, proxies=server.proxies).status_code
                for url in (theirs, ours)
            ]

    assert answers == [403, 200]


def test_token_of_renewing_credentials():
    """Credentials that renew themselves are read for their token at each URL."""

    class Credentials:
        secret_id, secret_key, token = "i", "k", "first"

    credentials = Credentials()
    storage = make_storage(
        region="ap-test", bucket="b-1", credential_instance=credentials
    )

    assert "x-cos-security-token=first" in storage.url("key")
    credentials.token = "second"
    assert "x-cos-security-token=second" in storage.url("key")


# Logs.

SECRETS = (CosServer.secret, "q-signature", "sign_key", "Authorization", "temporary")


def use_all(storage, bucket):
    storage.put("key", b"x")
    storage.raw.put_object(Bucket=bucket, Key="other", Body=b"x")
    storage.raw.head_object(Bucket=bucket, Key="other")
    storage.url("key")


def test_log_holds_no_signing_key(caplog, monkeypatch):
    """The SDK prints its signing key at DEBUG; our filter lets nothing of it out."""
    caplog.set_level(logging.DEBUG)
    with (
        CosServer(token="temporary") as server,
        contextmanager(open_cos)(server.settings) as storage,
    ):
        with monkeypatch.context() as patch:
            patch.setattr(SDK_FILTER, "filter", lambda record: True)
            use_all(storage, server.bucket)
            assert all(word in caplog.text for word in ("sign_key", "temporary"))
        caplog.clear()
        use_all(storage, server.bucket)

    assert not [word for word in SECRETS if word in caplog.text]


def test_expected_miss_is_no_error_in_the_log(cos, cos_server, caplog):
    """A missing object is raised and not logged, by the raw client too."""
    assert not cos.exists("key")
    for read in (cos.raw.head_object, cos.raw.get_object):
        with pytest.raises(CosServiceError):
            read(Bucket=cos_server.bucket, Key="key")

    assert caplog.records == []


def test_other_failures_of_the_raw_client_are_logged(cos, cos_server, caplog):
    """The raw client's own errors stay in the log; ours are raised and not logged."""
    cos_server.fault("status", (400, "InvalidArgument"), times=2)
    with pytest.raises(UnexpectedAnswer, match="InvalidArgument"):
        cos.get("key")
    assert caplog.records == []

    with pytest.raises(CosServiceError):
        cos.raw.get_object(Bucket=cos_server.bucket, Key="key")
    assert "InvalidArgument" in caplog.text


def test_refusals_of_the_raw_client_hide_the_token(caplog):
    """COS sends the signed text back, and the SDK logs it; the token stays out."""
    with CosServer(token="temporary") as server:
        settings = {**server.settings, "secret_key": "wrong"}
        with (
            contextmanager(open_cos)(settings) as storage,
            pytest.raises(CosServiceError),
        ):
            storage.raw.get_object(server.bucket, "key")

    assert caplog.messages == ["(an SDK's message that holds a signature)"]


def test_raw_client_is_the_sdk_s(cos):
    """``raw`` is the client of the SDK, with few retries."""
    assert isinstance(cos.raw, CosS3Client)
    assert cos.raw._retry == 2
    with pytest.raises(CosClientError):
        cos.raw.put_object(Bucket="bad_name!", Key="key", Body=b"")
