"""``STORAGE_ENDPOINT``, ``STORAGE_BUCKET`` and secrets, as people write them."""

import sys
from contextlib import contextmanager

import pytest

from modern_flask.config.values import Origin, Values
from modern_flask.errors import BrokenPackage, MissingExtra
from modern_flask.storage import InvalidSetting, open_cos, open_oss

COS = {"secret_id": "i", "secret_key": "k"}
OSS = {"access_key_id": "i", "access_key_secret": "k"}


def section(**keys):
    """Settings as the container gives them, each with its origin."""
    names = {f"STORAGE_{name.upper()}": value for name, value in keys.items()}
    origins = {name: Origin("config.py", line) for line, name in enumerate(names, 1)}
    return Values(names, origins).section("STORAGE_")


def open_url(open_storage, **keys) -> str:
    """Where a presigned URL of the configured storage leads to."""
    with contextmanager(open_storage)(section(**keys)) as storage:
        return storage.url("key").partition("?")[0]


@pytest.mark.parametrize(
    "endpoint",
    [
        "cos.ap-guangzhou.myqcloud.com",
        "cos.ap-guangzhou.myqcloud.com/",
        "https://cos.ap-guangzhou.myqcloud.com",
        "https://files-125.cos.ap-guangzhou.myqcloud.com/",
        "files-125.cos.ap-guangzhou.myqcloud.com",
        "HTTPS://cos.ap-guangzhou.myqcloud.com/files-125/",
    ],
)
@pytest.mark.parametrize(
    "named",
    [{"bucket": "files-125"}, {"bucket": "files", "appid": "125"}],
    ids=["name", "appid"],
)
def test_endpoint_of_cos(endpoint, named):
    """A scheme, a slash and the bucket in the endpoint are understood."""
    url = open_url(open_cos, **COS, endpoint=endpoint, **named)

    assert url == "https://files-125.cos.ap-guangzhou.myqcloud.com/key"


@pytest.mark.parametrize(
    ("endpoint", "scheme"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", "http"),
        ("https://oss-cn-hangzhou.aliyuncs.com/", "https"),
        ("https://files.oss-cn-hangzhou.aliyuncs.com/", "https"),
        ("files.oss-cn-hangzhou.aliyuncs.com", "http"),
        ("http://oss-cn-hangzhou.aliyuncs.com/files", "http"),
    ],
)
def test_endpoint_of_oss(endpoint, scheme):
    """A scheme, a slash and the bucket in the endpoint are understood."""
    url = open_url(open_oss, **OSS, endpoint=endpoint, bucket="files")

    assert url == f"{scheme}://files.oss-cn-hangzhou.aliyuncs.com/key"


def test_endpoint_alone_names_the_bucket():
    """The bucket in the endpoint needs no second setting."""
    oss = "files.oss-cn-hangzhou.aliyuncs.com"
    cos = "files-125.cos.ap-guangzhou.myqcloud.com"

    assert open_url(open_oss, **OSS, endpoint=oss) == f"http://{oss}/key"
    assert open_url(open_cos, **COS, endpoint=cos) == f"https://{cos}/key"


@pytest.mark.parametrize("endpoint", ["files.example.com", "https://files.example.com"])
def test_own_domain_of_an_oss_bucket_stays(endpoint):
    """With ``is_cname`` the endpoint is the bucket's own domain, and stays as it is."""
    url = open_url(
        open_oss, **OSS, endpoint=endpoint, bucket="files", is_cname=True, region="r"
    )

    assert url.endswith("://files.example.com/key")


def test_endpoint_of_a_private_cloud():
    """A host name that is not Tencent's own needs no appid in the bucket's name."""
    url = open_url(open_cos, **COS, endpoint="http://s3.internal:8080", bucket="files")

    assert url == "http://files.s3.internal:8080/key"


@pytest.mark.parametrize(
    ("open_storage", "keys", "text"),
    [
        (
            open_cos,
            {
                **COS,
                "endpoint": "other-125.cos.ap-guangzhou.myqcloud.com",
                "bucket": "files-125",
            },
            "STORAGE_ENDPOINT can't be used: "
            "it names another bucket than STORAGE_BUCKET does.\n"
            "  set in   config.py, line 3\n"
            "  fix      name the bucket once",
        ),
        (
            open_cos,
            {**COS, "endpoint": "https://cos.example.com", "scheme": "http"},
            "STORAGE_ENDPOINT can't be used: its scheme is not that of "
            "STORAGE_SCHEME.\n  set in   config.py, line 3",
        ),
        (
            open_cos,
            {**COS, "endpoint": "https://cos.example.com/a/b", "bucket": "files"},
            "STORAGE_ENDPOINT can't be used: it has a path.\n"
            "  set in   config.py, line 3\n"
            "  fix      use a host name",
        ),
        (
            open_cos,
            {**COS, "region": "ap-guangzhou", "bucket": "files"},
            "STORAGE_BUCKET can't be used: it is not the name of a bucket.\n"
            "  set in   config.py, line 4\n"
            "  fix      add the appid to the name, as in files-1250000000",
        ),
        (
            open_cos,
            {**COS, "region": "ap-guangzhou", "bucket": "my_files-125"},
            "STORAGE_BUCKET can't be used: it is not the name of a bucket.\n"
            "  set in   config.py, line 4\n"
            "  fix      use letters, digits and hyphens",
        ),
        (
            open_oss,
            {**OSS, "endpoint": "oss-cn-hangzhou.aliyuncs.com", "bucket": "My_Files"},
            "STORAGE_BUCKET can't be used: it is not the name of a bucket.\n"
            "  set in   config.py, line 4\n"
            "  fix      use 3 to 63 small letters, digits and hyphens, without one at "
            "either end",
        ),
        (
            open_cos,
            {"secret_id": "i", "secret_key": 1e10, "region": "ap-guangzhou"},
            "STORAGE_SECRET_KEY can't be used: it is of type float, not text.\n"
            "  set in   config.py, line 2\n"
            "  fix      write it in quotes",
        ),
    ],
)
def test_settings_that_can_not_be_right(open_storage, keys, text):
    """What no request could succeed with is a fault at the start."""
    with pytest.raises(InvalidSetting) as raised:
        open_url(open_storage, **keys)

    assert str(raised.value) == text


def test_path_of_an_oss_endpoint_is_left_out(caplog):
    """oss2 has always left a path out; the log says so."""
    endpoint = "https://oss-cn-hangzhou.aliyuncs.com/a"

    url = open_url(open_oss, **OSS, endpoint=endpoint, bucket="files")

    assert url == "https://files.oss-cn-hangzhou.aliyuncs.com/key"
    assert caplog.messages == ["STORAGE_ENDPOINT has a path, which is left out."]


def test_numeric_secrets_are_text(server, open_vendor):
    """A secret, an account, a token or an appid of digits may be a whole number."""
    server.account, server.secret, server.token = "12345678", "87654321", "42"
    names = [name for name in server.settings if "secret" in name or "access" in name]
    numbers = {name: int(server.settings[name]) for name in names}
    token = "token" if "token" in server.settings else "security_token"
    bucket = {}
    if server.prefix == "x-cos-":
        bucket = {"bucket": "test", "appid": 1250000000}
    with open_vendor(server, **numbers, **{token: 42}, **bucket) as storage:
        storage.put("key", b"x")

        assert storage.get("key").read() == b"x"


@pytest.mark.parametrize(
    ("open_storage", "module", "keys"),
    [
        (open_cos, "qcloud_cos", {**COS, "region": "ap-guangzhou"}),
        (open_oss, "oss2", {**OSS, "endpoint": "oss-cn-hangzhou.aliyuncs.com"}),
    ],
)
def test_broken_package_is_not_a_missing_one(
    open_storage, module, keys, monkeypatch, tmp_path
):
    """An SDK that can't be imported says why; only one that is missing is missing."""
    names = [name for name in sys.modules if name.partition(".")[0] == module]
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / f"{module}.py"
    for line, reason in (
        ("import module_of_a_dependency", "No module named 'module_of_a_dependency'"),
        ("raise ImportError('libssl.so.1.1: cannot open')", "libssl.so.1.1"),
    ):
        package.write_text(line)
        with pytest.raises(BrokenPackage) as raised:
            open_url(open_storage, vendor="v", **keys)

        assert f"can't be imported: {reason}" in str(raised.value)
        assert "set in   config.py, line 1" in str(raised.value)
        assert "--force-reinstall" in str(raised.value)
        package.unlink()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra):
        open_url(open_storage, **keys)
