"""The grammar of CONFIG_SOURCE."""

import pytest

from modern_flask.config.errors import CONFIG_FORMS, MalformedSource, UnknownScheme
from modern_flask.config.source import (
    KubernetesKey,
    LocalFile,
    RemoteFile,
    parse_source,
)

PIN = "ab" * 32
KUBERNETES = "kubernetes://[NAMESPACE/](configmaps|secrets)/NAME/KEY"
REMOTE = "https://HOST/PATH, with #sha256=<64 hexadecimal digits> to pin it"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("config.py", LocalFile("config.py")),
        ("/etc/orders/production", LocalFile("/etc/orders/production")),
        (
            "kubernetes://configmaps/orders/config.py",
            KubernetesKey(None, "configmaps", "orders", "config.py"),
        ),
        (
            "kubernetes://shop/secrets/orders/config.py",
            KubernetesKey("shop", "secrets", "orders", "config.py"),
        ),
        (
            "kubernetes://configmap/orders.v1/Config.py",
            KubernetesKey(None, "configmaps", "orders.v1", "Config.py"),
        ),
        (
            "kubernetes://secrets/secret/secrets/x",
            KubernetesKey("secrets", "secrets", "secrets", "x"),
        ),
        (
            "kubernetes://configmaps/configmaps/x",
            KubernetesKey(None, "configmaps", "configmaps", "x"),
        ),
        ("http://git/x.py", RemoteFile("http://git/x.py")),
        ("HTTPS://git/x.py?a=1", RemoteFile("HTTPS://git/x.py?a=1")),
        ("https://git/x.py#", RemoteFile("https://git/x.py")),
        (f"https://git/x#sha256={PIN.upper()}", RemoteFile("https://git/x", PIN)),
    ],
)
def test_sources(text, source):
    """A path, a Kubernetes key and a URL are distinguished; old spellings work."""
    assert parse_source(text) == source


@pytest.mark.parametrize(
    ("text", "why", "form"),
    [
        (
            "kubernetes://orders/config.py",
            "2 parts follow the scheme, not 3 or 4",
            KUBERNETES,
        ),
        (
            "kubernetes://a/b/configmaps/orders/config.py",
            "5 parts follow the scheme, not 3 or 4",
            KUBERNETES,
        ),
        ("kubernetes://configmaps/orders/", "one of its parts is empty", KUBERNETES),
        ("kubernetes:///configmaps/orders/x", "one of its parts is empty", KUBERNETES),
        ("kubernetes://", "one of its parts is empty", KUBERNETES),
        (
            "kubernetes://pods/orders/config.py",
            '"pods" is neither configmaps nor secrets',
            KUBERNETES,
        ),
        (
            "kubernetes://Shop/configmaps/orders/x",
            '"Shop" is not a valid name of a namespace',
            KUBERNETES,
        ),
        (
            "kubernetes://configmaps/../x",
            '".." is not a valid name of an object',
            KUBERNETES,
        ),
        ("kubernetes://configmaps/orders/a?b", '"a?b" is not a valid key', KUBERNETES),
        ("kubernetes://configmaps/orders/..", '".." is not a valid key', KUBERNETES),
        ("https:///x.py", "it has no host", REMOTE),
        ("https://git:port/x.py", "its host or port is malformed", REMOTE),
        ("https://git:0/x.py", "its port is 0", REMOTE),
        ("https://git/a b.py", "it has a space or a control character", REMOTE),
    ],
)
def test_malformed_sources(text, why, form):
    """The error about a malformed source has the correct form."""
    with pytest.raises(MalformedSource) as caught:
        parse_source(text)

    shown = text.replace("git:port", "git:******")
    assert (
        str(caught.value) == f'CONFIG_SOURCE = "{shown}": {why}.\n  fix      use {form}'
    )


def test_malformed_pin_is_not_repeated():
    """A fragment that is not a pin may be a token, so it is masked."""
    with pytest.raises(MalformedSource) as caught:
        parse_source("https://git/x.py#hunter2")

    assert str(caught.value) == (
        'CONFIG_SOURCE = "https://git/x.py#******": '
        "the text after # is not a SHA-256 pin.\n"
        f"  fix      use {REMOTE}"
    )


def test_unknown_scheme():
    """The error about an unknown scheme lists the known ones."""
    with pytest.raises(UnknownScheme) as caught:
        parse_source("ftp://u:hunter2@files/x.py")

    assert str(caught.value) == (
        'CONFIG_SOURCE = "ftp://u:******@files/x.py": '
        "ftp:// is not a known scheme.\n"
        f"  fix      {CONFIG_FORMS}"
    )


@pytest.mark.parametrize(
    "text",
    [
        "https://u:hunter2@git/x.py?token=hunter2",
        f"https://hunter2@git/x.py#sha256={PIN}",
        "https://u:hun/hunter2@git/x.py",
        "https://u:hunter2@git:x/x.py",
        "https://git/x.py?hunter2#hunter2",
    ],
)
def test_secrets_are_never_shown(text):
    """A remote source and its errors show no account, query or token."""
    try:
        shown = parse_source(text)
    except MalformedSource as error:
        shown = error

    assert "hunter2" not in str(shown) + repr(shown)


def test_sources_read_as_they_are_written():
    """The text of a source is its redacted name."""
    assert str(parse_source("config.py")) == "config.py"
    assert (
        str(parse_source("kubernetes://configmap/a/b")) == "kubernetes://configmaps/a/b"
    )
    assert (
        str(parse_source("kubernetes://n/secret/a/b")) == "kubernetes://n/secrets/a/b"
    )
    assert str(parse_source("https://u@git/x?a=b")) == "https://******@git/x?a=******"
