"""The database: the engine, sessions and transactions."""

from .after_commit import on_commit
from .connection import ping
from .engine import open_engine
from .errors import (
    BadDatabaseUrl,
    InnerTransactionFailed,
    LegacyMode,
    MissingDriver,
    NoTransaction,
    ReadOnlyViolation,
    UncommittedWrites,
    UnfitSetting,
    UnknownDialect,
)
from .session import (
    ModelBase,
    create_tables,
    make_session_factory,
    model_registry,
    open_session,
    transaction,
)

__all__ = [
    "BadDatabaseUrl",
    "InnerTransactionFailed",
    "LegacyMode",
    "MissingDriver",
    "ModelBase",
    "NoTransaction",
    "ReadOnlyViolation",
    "UncommittedWrites",
    "UnfitSetting",
    "UnknownDialect",
    "create_tables",
    "make_session_factory",
    "model_registry",
    "on_commit",
    "open_engine",
    "open_session",
    "ping",
    "transaction",
]
