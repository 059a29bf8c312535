"""Keywords that SQLAlchemy accepts, has removed, or never had."""

import logging
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from modern_flask.config.values import Section
from modern_flask.database import (
    LegacyMode,
    UnfitSetting,
    make_session_factory,
    open_engine,
)
from modern_flask.errors import UnknownSetting

Sections = Callable[..., Section]


@pytest.fixture
def unused() -> Engine:
    return create_engine("sqlite://")


def test_unknown_engine_keyword(section: Sections) -> None:
    """The error about an unknown engine keyword has the nearest keys."""
    with pytest.raises(UnknownSetting) as fault:
        next(open_engine(section(url="sqlite://", pol_recycle=60)))

    assert str(fault.value) == (
        "DATABASE_ENGINE_POL_RECYCLE is not a known setting.\n"
        "  set in   config.py, line 2\n"
        "  did you mean  DATABASE_ENGINE_POOL_RECYCLE"
    )


def test_unknown_session_keyword(section: Sections, unused: Engine) -> None:
    """The error about an unknown session keyword has the nearest keys."""
    settings = section("DATABASE_SESSION_", autoflash=False)

    with pytest.raises(UnknownSetting) as fault:
        make_session_factory(unused, settings)

    assert str(fault.value) == (
        "DATABASE_SESSION_AUTOFLASH is not a known setting.\n"
        "  set in   config.py, line 1\n"
        "  did you mean  DATABASE_SESSION_AUTOFLUSH"
    )


def test_another_dialects_keyword_is_unknown(section: Sections) -> None:
    """A keyword counts as known for the dialect in use only."""
    with pytest.raises(UnknownSetting, match="NATIVE_INET_TYPES is not a known"):
        next(open_engine(section(url="sqlite://", native_inet_types=True)))


def test_every_kind_of_engine_keyword_is_taken(
    engine_of: Callable[..., Engine],
) -> None:
    """Keywords of the function, the dialect, the pool and the engine all pass."""
    engine = engine_of(
        url="postgresql+psycopg://shop@db/orders",
        future=True,
        echo=False,
        echo_pool=False,
        hide_parameters=True,
        use_native_hstore=False,
        pool_size=2,
        pool_use_lifo=True,
        pool_logging_name="orders",
    )

    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.size() == 2
    assert engine.hide_parameters


def test_session_keywords_are_taken(unused: Engine) -> None:
    """Keywords of Session and of sessionmaker reach the session."""
    factory = make_session_factory(
        unused, {"autoflush": False, "expire_on_commit": False, "future": True}
    )

    with factory() as session:
        assert not session.autoflush
        assert not session.expire_on_commit


def test_retired_engine_keywords_are_dropped(
    section: Sections, caplog: pytest.LogCaptureFixture
) -> None:
    """A keyword of SQLAlchemy 1.x has no effect, and the log says so."""
    settings = section(url="sqlite://", encoding="utf-8", convert_unicode=True)
    opened = open_engine(settings)

    with caplog.at_level(logging.WARNING):
        next(opened)
    opened.close()

    assert [message.partition(":")[0] for message in caplog.messages] == [
        "DATABASE_ENGINE_CONVERT_UNICODE has no effect",
        "DATABASE_ENGINE_ENCODING has no effect",
    ]


def test_retired_session_keyword_is_dropped(
    section: Sections, unused: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """``autocommit=False`` has no effect, and the log says so."""
    settings = section("DATABASE_SESSION_", autocommit=False)

    with caplog.at_level(logging.WARNING):
        make_session_factory(unused, settings)

    assert [message.partition(":")[0] for message in caplog.messages] == [
        "DATABASE_SESSION_AUTOCOMMIT has no effect"
    ]


def test_legacy_engine_is_refused(section: Sections) -> None:
    """``future=False`` is not possible with SQLAlchemy 2."""
    with pytest.raises(LegacyMode) as fault:
        next(open_engine(section(url="sqlite://", future=False)))

    assert str(fault.value) == (
        "DATABASE_ENGINE_FUTURE = False is not possible with SQLAlchemy 2.\n"
        "  set in   config.py, line 2\n"
        "  fix      remove it: SQLAlchemy 2 always uses True"
    )


def test_legacy_session_is_refused(section: Sections, unused: Engine) -> None:
    """``autocommit=True`` is not possible with SQLAlchemy 2."""
    with pytest.raises(LegacyMode) as fault:
        make_session_factory(unused, section("DATABASE_SESSION_", autocommit=True))

    assert str(fault.value) == (
        "DATABASE_SESSION_AUTOCOMMIT = True is not possible with SQLAlchemy 2.\n"
        "  set in   config.py, line 1\n"
        "  fix      remove it: SQLAlchemy 2 always uses False"
    )


def test_pool_keyword_and_pool_class_that_do_not_fit(section: Sections) -> None:
    """The error names a pool setting that does not fit the pool class."""
    settings = section(url="sqlite://", poolclass=NullPool, pool_timeout=2)

    with pytest.raises(UnfitSetting) as fault:
        next(open_engine(settings))

    assert str(fault.value) == (
        "DATABASE_ENGINE_POOL_TIMEOUT does not fit the pool class NullPool.\n"
        "  set in   config.py, line 3\n"
        "  fix      remove it, or set DATABASE_ENGINE_POOLCLASS to QueuePool"
    )


@pytest.mark.parametrize("pool_class", [NullPool, StaticPool, QueuePool])
def test_defaults_follow_the_pool_class(
    engine_of: Callable[..., Engine], pool_class: type
) -> None:
    """The kit's defaults have no key that the pool class refuses."""
    engine = engine_of(url="postgresql://shop@db/orders", poolclass=pool_class)

    assert type(engine.pool) is pool_class
