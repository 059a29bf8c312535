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


def test_whole_key_of_an_inner_container() -> None:
    """A setting inside a mapping is named as the user must write it."""

    class Whole(containers.DeclarativeContainer):
        config = providers.Configuration()
        store = providers.Container(Store, config=config.SHOPS.first)

    container = Whole()
    origins = {"SHOPS": Origin("config.py", 3)}
    shops = {"first": {"MAIL_PORT": 25, "STORAGE_VENDOR": "s3"}}
    container.config.override(Values({"SHOPS": shops}, origins, ["config.py"]))

    settings = container.store.mail.args[0]
    with pytest.raises(UnknownChoice) as choice:
        container.store.storage()

    lack = settings.find_lack()
    assert str(lack) == (
        'mail is not configured: SHOPS["first"]["MAIL_HOST"] is not set, but '
        'SHOPS["first"]["MAIL_PORT"] (config.py, line 3) is.\n'
        "  looked in  config.py\n"
        '  fix      set SHOPS["first"]["MAIL_HOST"] in the configuration, or '
        "FLASK_SHOPS__first__MAIL_HOST in the environment"
    )
    assert settings() == {"port": 25}
    assert settings().key("port") == 'SHOPS["first"]["MAIL_PORT"]'
    assert settings().origin("port") == Origin("config.py", 3)
    assert str(choice.value) == (
        'SHOPS["first"]["STORAGE_VENDOR"] = "s3" names no storage.\n'
        "  set in   config.py, line 3\n"
        "  fix      use disk or memory"
    )


def test_inner_container_with_the_whole_configuration() -> None:
    """If an inner container gets the whole configuration, its keys are plain."""

    class Whole(containers.DeclarativeContainer):
        config = providers.Configuration()
        store = providers.Container(Store, config=config)

    container = Whole()
    container.config.override(Values({"MAIL_PORT": 25}, {}, []))

    assert container.store.mail.args[0].find_lack().key == "MAIL_HOST"


@pytest.mark.parametrize(
    ("required", "values", "lacks"),
    [
        ("URL", {"MAIL_SENDR": "a"}, True),
        ("URL", {"MAIL_URL": "a", "MAIL_SENDR": "a"}, False),
        ("URL", {"MAIL_URL": None}, False),
        ("URL", {}, False),
        (None, {"MAIL_SENDR": "a"}, False),
        (("URL", "HOST"), {"MAIL_HOST": "a"}, False),
        (("URL", "HOST"), {"MAIL_SENDR": "a"}, True),
    ],
)
def test_required_key(required: Any, values: Any, lacks: bool) -> None:
    """A key is lacking if other keys are set, and none of the required ones."""
    settings = section(Store.config, "MAIL_", required)
    with Store.config.override(Values(values)):
        lack = settings.find_lack()

    assert (lack is not None) == lacks
    assert lack is None or lack.key == "MAIL_URL"


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
