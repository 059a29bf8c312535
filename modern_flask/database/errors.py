"""What can be wrong with a database's configuration, and with a transaction."""

from ..errors import ConfigurationError, Fault

_SHAPE = "dialect+driver://user:password@host:port/database"
_ESCAPES = "in a password, @ is %40, : is %3A, / is %2F"


class BadDatabaseUrl(ConfigurationError):
    """The URL can't be read. It is not repeated: it may hold a password."""

    def __init__(self, key: str, origin: object) -> None:
        self.key, self.origin = key, origin
        super().__init__(
            f"{key} is no database URL.",
            ("set in", origin or ""),
            ("write", _SHAPE),
            ("note", _ESCAPES),
        )


class UnknownDialect(ConfigurationError):
    """The URL begins with a dialect or driver for which nothing is installed."""

    def __init__(self, key: str, name: str, origin: object) -> None:
        self.key, self.name, self.origin = key, name, origin
        super().__init__(
            f'{key} begins with "{name}", for which SQLAlchemy has no dialect.',
            ("set in", origin or ""),
            ("choose", "postgresql, mysql or sqlite, or install the dialect's package"),
        )


class MissingDriver(ConfigurationError):
    """The URL asks for a driver that is not installed, and is not one of our extras."""

    def __init__(self, key: str, driver: str, instead: str, origin: object) -> None:
        self.key, self.driver, self.instead = key, driver, instead
        self.origin = origin
        ours = f", or begin the URL with {instead}://" if instead else ""
        super().__init__(
            f"{key} asks for the driver {driver}, which is not installed.",
            ("set in", origin or ""),
            ("do", f"install the package that brings it{ours}"),
        )


class TablesNotMade(Fault):
    """The database was not reached, or does not let us make the tables.

    Args:
        place: The key that names the database, and where it was set.
        why: The first line of what the driver says; it has no password.
    """

    def __init__(self, place: str, why: str) -> None:
        self.place, self.why = place, why
        super().__init__(
            f"The tables can't be made: {why.rstrip('.')}.",
            ("in", place),
            ("check", "that the database is there, and lets this user make tables"),
        )


class LegacyMode(ConfigurationError):
    """A key asks for the 1.x behaviour that SQLAlchemy 2 has taken out."""

    def __init__(self, key: str, value: bool, origin: object) -> None:
        self.key, self.value, self.origin = key, value, origin
        super().__init__(
            f"{key} = {value} asks for a mode that SQLAlchemy 2 does not have.",
            ("set in", origin or ""),
            ("do", f"remove it: it is {not value} for good"),
        )


class UnfitSetting(ConfigurationError):
    """A pool's key, and a pool class that does not take it."""

    def __init__(self, key: str, pool: str, pool_key: str, origin: object) -> None:
        self.key, self.pool, self.origin = key, pool, origin
        super().__init__(
            f"{key} does not go with the pool class {pool}.",
            ("set in", origin or ""),
            ("do", f"remove it, or set {pool_key} to QueuePool"),
        )


class InnerTransactionFailed(Fault):
    """A joined transaction failed, its error was caught, and then all should commit."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(
            f"A transaction inside this one failed with {type(error).__name__}, "
            "so this one was rolled back.",
            ("do", "let it through, or use session.begin_nested() for what may fail"),
        )


class NoTransaction(Fault):
    """Something waits for a commit that nobody is going to make."""

    def __init__(self, waiting: str) -> None:
        self.waiting = waiting
        super().__init__(
            f"on_commit({waiting}) is called where no transaction runs.",
            ("do", "put @transactional over the view or task that calls it"),
        )


class GeneratorTransaction(Fault):
    """``transactional`` stands over a generator: it runs after the call has returned.

    Args:
        function: The generator function.
    """

    def __init__(self, function: str) -> None:
        self.function = function
        super().__init__(
            f"@transactional would commit before {function} has begun: it is a "
            "generator.",
            ("do", "put @transactional over a function that the generator calls"),
        )
