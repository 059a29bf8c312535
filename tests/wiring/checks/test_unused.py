"""Keys without effect: warnings that name the key which has one."""

from typing import Any

import pytest
from dependency_injector import providers

import modern_flask
from modern_flask.app import warnings


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("CELERY", {"broker_url": "redis://"}, "CELERY_BROKER_URL"),
        ("SQLALCHEMY_DATABASE_URI", "sqlite://", "DATABASE_ENGINE_URL"),
        ("SQLALCHEMY_ECHO", True, "DATABASE_ENGINE_ECHO"),
        ("REDIS_URI", "redis://", "REDIS_URL"),
    ],
)
def test_key_of_a_tutorial(
    key: str, value: Any, name: str, tmp_path: Any, monkeypatch: Any
) -> None:
    """A key that Flask's tutorials teach is answered with the key that works here."""
    monkeypatch.chdir(tmp_path)
    app = modern_flask.create_app("unused", config={key: value})

    found = [text for text in warnings(app) if text.startswith(f"{key} ")]

    assert len(found) == 1
    assert f"has no effect: set {name}" in found[0]


class Shop(modern_flask.Container):
    """A container with components that read keys and one another."""

    box = providers.Singleton(dict, a=1)
    shelf = providers.Singleton(list, box)
    till = providers.Singleton(int, modern_flask.Container.config.TILL)


@pytest.fixture
def shop(tmp_path: Any, monkeypatch: Any) -> Any:
    monkeypatch.chdir(tmp_path)
    app = modern_flask.create_app("unused", Shop(), config={"TILL": 1})

    @app.get("/")
    @modern_flask.inject
    def view(limit: Any = modern_flask.Provide["config.LIMIT"]) -> str:
        return str(limit)

    return app


LATE = (
    "{} set in app.config after create_app or init_app, so the container does not see "
    "{them}: pass {them} to create_app(config=...), or set {them} before init_app."
)


def test_keys_that_are_set_too_late(shop: Any) -> None:
    """Keys of sections, options and markers are named if they are set in app.config."""
    shop.config["TILL"] = 2
    shop.config.from_mapping(DATABASE_ENGINE_URL="sqlite://", STORAGE_VENDOR="memory")
    shop.config.update(LIMIT=5)

    assert warnings(shop) == [
        LATE.format(
            "DATABASE_ENGINE_URL, LIMIT, STORAGE_VENDOR and TILL were", them="them"
        )
    ]


def test_secret_that_is_set_too_late_is_not_shown(shop: Any) -> None:
    """The warning has the key and no value."""
    shop.config["REDIS_PASSWORD"] = "hunter2"

    assert warnings(shop) == [LATE.format("REDIS_PASSWORD was", them="it")]


def test_late_keys_that_the_container_does_not_read(shop: Any) -> None:
    """Flask and its extensions read their keys late; the same value is no change."""
    shop.config.update(SECRET_KEY="x", TESTING=True, MAX_CONTENT_LENGTH=5, TILL=1)
    shop.config.from_mapping(SQLALCHEMY_ECHO=True, RATELIMIT_ENABLED=False)

    assert warnings(shop) == []


def test_key_that_is_changed_in_both_places(shop: Any) -> None:
    """A value that the container sees as well is not too late."""
    shop.container.config.from_dict({"TILL": 2})
    shop.config["TILL"] = 2

    assert warnings(shop) == []


def test_value_that_is_changed_in_the_container(shop: Any) -> None:
    """A test may change the container's value alone."""
    shop.container.config.from_dict({"TILL": 2})

    assert warnings(shop) == []


@pytest.mark.parametrize("by", ["set_provider", "attribute"])
def test_provider_that_is_replaced_for_some(shop: Any, by: str) -> None:
    """A provider that still uses what ``set_provider`` has replaced is named."""
    new = providers.Singleton(dict, b=2)
    if by == "attribute":
        shop.container.box = new
    else:
        shop.container.set_provider("box", new)

    assert warnings(shop) == [
        "box was replaced by set_provider, but shelf still uses the declared one: "
        "call container.box.override(...) instead."
    ]


def test_provider_that_is_replaced_for_all(shop: Any) -> None:
    """There is no warning if nothing else uses it, or if all are replaced."""
    new = providers.Singleton(dict, b=2)
    shop.container.set_provider("box", new)
    shop.container.set_provider("shelf", providers.Singleton(list, new))
    shop.container.set_provider("till", providers.Object(3))
    shop.container.set_provider("added", providers.Object(3))

    assert warnings(shop) == []


def test_key_that_an_extension_reads(tmp_path: Any, monkeypatch: Any) -> None:
    """Flask-SQLAlchemy reads its own keys: where it is set up, there is no warning."""
    monkeypatch.chdir(tmp_path)
    config = {"SQLALCHEMY_DATABASE_URI": "sqlite://"}
    app = modern_flask.create_app("unused", config=config)
    app.extensions["sqlalchemy"] = object()

    assert warnings(app) == []
