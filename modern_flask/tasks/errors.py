"""The errors of the Celery settings."""

from collections.abc import Sequence

from ..errors import ESCAPE_PASSWORD, ConfigurationError, join_names, set_key

__all__ = [
    "GIVE_BROKER",
    "USE_BACKEND",
    "USE_BROKER",
    "BadBackend",
    "BadBroker",
    "TaskWithoutApp",
]

GIVE_BROKER = (
    f"{set_key('CELERY_BROKER_URL')}; or make a Celery app of your own and call its "
    "set_default()"
)

USE_BROKER = "use redis://user:password@host:6379/0, or amqp:// for RabbitMQ"
USE_BACKEND = (
    "use redis://user:password@host:6379/1, or rpc:// for the broker, or remove the "
    "key if no task needs its result"
)


class BadBroker(ConfigurationError):
    """Celery can't use the URL of a broker.

    The error leaves the URL out: it may hold a password.

    Args:
        key: The key with its prefix.
        origin: Where the key was set, if that is known.
        near: The schemes that are most similar to that of the URL.
        package: The missing package that a broker with this scheme needs.
    """

    def __init__(
        self, key: str, origin: object, near: Sequence[str], package: str = ""
    ) -> None:
        self.key, self.origin, self.nearest = key, origin, list(near)
        self.package = package
        reason = f": the package {package} is not installed" if package else ""
        super().__init__(
            f"{key} is not a broker URL that the installed Celery can use{reason}.",
            ("set in", origin or ""),
            ("did you mean", join_names([f"{name}://" for name in near], "or")),
            ("fix", USE_BROKER if package else f"{USE_BROKER}; {ESCAPE_PASSWORD}"),
        )


class BadBackend(ConfigurationError):
    """Celery can't use the result backend. The error leaves its URL out.

    Args:
        key: The key with its prefix.
        origin: Where the key was set, if that is known.
        reason: Celery's message, if it can't hold a part of the URL.
        near: The schemes that are most similar to that of the URL.
    """

    def __init__(
        self, key: str, origin: object, reason: str, near: Sequence[str]
    ) -> None:
        self.key, self.origin, self.nearest = key, origin, list(near)
        self.reason = reason
        super().__init__(
            f"{key} is not a result backend that the installed Celery can use"
            f"{': ' if reason else ''}{reason}.",
            ("set in", origin or ""),
            ("did you mean", join_names([f"{name}://" for name in near], "or")),
            ("fix", USE_BACKEND if reason else f"{USE_BACKEND}; {ESCAPE_PASSWORD}"),
        )


class TaskWithoutApp(ConfigurationError):
    """A shared task of the service has no Celery app, except Celery's implicit one.

    Args:
        task: The name of the task.
        place: The file and line of its function.
    """

    def __init__(self, task: str, place: str) -> None:
        self.task, self.place = task, place
        super().__init__(
            f"Task {task} has no Celery app: no CELERY_ key is set, so delay() would "
            "send it to amqp://guest@localhost.",
            ("in", place),
            ("fix", GIVE_BROKER),
        )
