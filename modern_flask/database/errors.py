"""The errors of the database settings, of sessions and of transactions."""

from ..errors import ESCAPE_PASSWORD, ConfigurationError, Fault

__all__ = [
    "CHECK_DATABASE",
    "CHOOSE_DIALECT",
    "COMMIT_WRITES",
    "INJECT_SESSION",
    "USE_SAVEPOINT",
    "WRITE_URL",
    "BadDatabaseUrl",
    "GeneratorTransaction",
    "InnerTransactionFailed",
    "LegacyMode",
    "MissingDriver",
    "NoTransaction",
    "ReadOnlyViolation",
    "TablesNotMade",
    "UncommittedWrites",
    "UnfitSetting",
    "UnknownDialect",
]

CHECK_DATABASE = "start the database, and allow its user to create tables"
CHOOSE_DIALECT = "use postgresql, mysql or sqlite, or install the dialect's package"
COMMIT_WRITES = (
    "put @transactional on the function, or call session.commit(); to drop them on "
    "purpose, call session.rollback()"
)
INJECT_SESSION = "inject SessionDep instead, in a function under @transactional"
USE_SAVEPOINT = "let the error through, or use session.begin_nested() for that part"
WRITE_URL = f"use dialect+driver://user:password@host:port/database; {ESCAPE_PASSWORD}"


class BadDatabaseUrl(ConfigurationError):
    """The URL can't be parsed. The error leaves it out: it may hold a password."""

    def __init__(self, key: str, origin: object) -> None:
        self.key, self.origin = key, origin
        super().__init__(
            f"{key} is not a database URL.",
            ("set in", origin or ""),
            ("fix", WRITE_URL),
        )


class UnknownDialect(ConfigurationError):
    """The URL begins with a dialect that is not installed."""

    def __init__(self, key: str, name: str, origin: object) -> None:
        self.key, self.name, self.origin = key, name, origin
        super().__init__(
            f'{key} begins with "{name}", and SQLAlchemy has no such dialect.',
            ("set in", origin or ""),
            ("fix", CHOOSE_DIALECT),
        )


class MissingDriver(ConfigurationError):
    """The URL names a driver that is not installed and that no extra installs.

    Args:
        driver: The name of the driver.
        instead: The beginning of a URL whose driver an extra installs; empty if there
            is none.
    """

    def __init__(self, key: str, driver: str, instead: str, origin: object) -> None:
        self.key, self.driver, self.instead = key, driver, instead
        self.origin = origin
        other = f", or begin the URL with {instead}://" if instead else ""
        super().__init__(
            f"{key} names the driver {driver}, which is not installed.",
            ("set in", origin or ""),
            ("fix", f"install the package of the driver{other}"),
        )


class TablesNotMade(Fault):
    """The database can't be reached, or does not allow its user to create tables.

    Args:
        place: The key that names the database, and its origin.
        reason: The first line of the driver's message, which holds no password.
    """

    def __init__(self, place: str, reason: str) -> None:
        self.place, self.reason = place, reason
        super().__init__(
            f"The tables can't be created: {reason.rstrip('.')}.",
            ("in", place),
            ("fix", CHECK_DATABASE),
        )


class LegacyMode(ConfigurationError):
    """The key turns on a mode of SQLAlchemy 1 that SQLAlchemy 2 does not have."""

    def __init__(self, key: str, value: bool, origin: object) -> None:
        self.key, self.value, self.origin = key, value, origin
        super().__init__(
            f"{key} = {value} is not possible with SQLAlchemy 2.",
            ("set in", origin or ""),
            ("fix", f"remove it: SQLAlchemy 2 always uses {not value}"),
        )


class UnfitSetting(ConfigurationError):
    """A setting of the connection pool does not fit the class of the pool."""

    def __init__(self, key: str, pool: str, pool_key: str, origin: object) -> None:
        self.key, self.pool, self.origin = key, pool, origin
        super().__init__(
            f"{key} does not fit the pool class {pool}.",
            ("set in", origin or ""),
            ("fix", f"remove it, or set {pool_key} to QueuePool"),
        )


class InnerTransactionFailed(Fault):
    """An inner transaction failed, but the outer one caught the error and continued."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(
            f"A transaction inside this one failed with {type(error).__name__}, "
            "so this one was rolled back.",
            ("fix", USE_SAVEPOINT),
        )


class UncommittedWrites(Fault):
    """A view, task or command wrote, and ended without a commit or a rollback.

    Args:
        writer: The name of the view, task or command.
        by_handler: Whether it failed before, so that its error handler wrote.
    """

    def __init__(self, writer: str, by_handler: bool = False) -> None:
        self.writer, self.by_handler = writer, by_handler
        whose = "An error handler after the failure of " if by_handler else ""
        super().__init__(
            f"{whose}{writer} changed the database and did not commit, so its changes "
            "were rolled back.",
            ("fix", COMMIT_WRITES),
        )


class NoTransaction(Fault):
    """A callback waits for a commit, but no transaction is running.

    Args:
        callback: The name of the callback.
    """

    def __init__(self, callback: str) -> None:
        self.callback = callback
        super().__init__(
            f"on_commit({callback}) is called outside of a transaction.",
            ("fix", "put @transactional on the view or task that calls it"),
        )


class GeneratorTransaction(Fault):
    """``transactional`` decorates a generator, which runs after the call has returned.

    Args:
        function: The generator function.
    """

    def __init__(self, function: str) -> None:
        self.function = function
        super().__init__(
            f"@transactional would commit before {function} begins: it is a generator.",
            ("fix", "put @transactional on a function that the generator calls"),
        )


class ReadOnlyViolation(Fault):
    """The read-only session flushed a change, or executed a statement that writes.

    Args:
        violation: A sentence that says what the session would write.
    """

    def __init__(self, violation: str) -> None:
        self.violation = violation
        super().__init__(
            f"The read-only session can't write: {violation}.", ("fix", INJECT_SESSION)
        )
