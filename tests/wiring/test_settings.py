"""Sections of the configuration, choices, and which providers are configured."""

from typing import Any

import pytest
from dependency_injector import containers, providers

from modern_flask.config.values import Origin, Values
from modern_flask.errors import NotConfigured, UnknownChoice, set_key
from modern_flask.wiring import Choice, Opened, is_configured, section


class Store(containers.DeclarativeContainer):
    """A component with a section, and a choice of two."""

    config = providers.Configuration()
    mail = Opened(dict, section(config, "MAIL_", "HOST"))
    letter = providers.Factory(list, mail)
    storage = Choice(
        config.STORAGE_VENDOR, memory=Opened(list), disk=Opened("nowhere.open_disk")
    )


def store(**values: Any) -> Store:
    container = Store()
    origin = Origin("config.py", 12)
    known = Values(values, dict.fromkeys(values, origin), ["config.py", "FLASK_*"])
    container.config.override(known)
    return container


def test_section() -> None:
    """A component receives the keys of its prefix, in lower case."""
    assert store(MAIL_HOST="mx", MAIL_PORT=25, OTHER=1).mail() == {
        "host": "mx",
        "port": 25,
    }


def test_section_that_is_not_set() -> None:
    """The error names the required key and the places that were read."""
    with pytest.raises(NotConfigured) as fault:
        store().mail()

    assert str(fault.value) == (
        "mail is not configured: MAIL_HOST is not set.\n"
        "  looked in  config.py and FLASK_*\n"
        f"  fix      {set_key('MAIL_HOST')}"
    )


def test_configured() -> None:
    """A provider is configured if all its dependencies are."""
    assert not is_configured(store().mail)
    assert not is_configured(store().letter)
    assert not is_configured(store().storage)
    assert is_configured(store(MAIL_PORT=25).letter)
    assert is_configured(store(STORAGE_VENDOR="memory").storage)


def test_override_is_configured() -> None:
    """A provider that is overridden is configured."""
    container = store()
    with container.mail.override({}):
        assert is_configured(container.letter)


def test_choice() -> None:
    """The branch that the key names is opened, and no other."""
    container = store(STORAGE_VENDOR="memory")

    assert container.storage() == []
    assert not container.storage.disk.initialized


def test_choice_not_set() -> None:
    """A choice whose key is not set raises an error that names the key."""
    with pytest.raises(NotConfigured) as fault:
        store().storage()

    assert (fault.value.component, fault.value.key) == ("storage", "STORAGE_VENDOR")


@pytest.mark.parametrize("vendor", ["s3", "", 7, ["memory"]])
def test_unknown_choice(vendor: Any) -> None:
    """A value that names no branch is an error with its origin and the choices."""
    with pytest.raises(UnknownChoice) as fault:
        store(STORAGE_VENDOR=vendor).storage()

    assert str(fault.value) == (
        f'STORAGE_VENDOR = "{vendor}" names no storage.\n'
        "  set in   config.py, line 12\n"
        "  fix      use disk or memory"
    )
