"""Errors of the server's address and of the embedded Redis.

See :mod:`modern_flask.errors` for the base class and the labels.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigurationError, Fault

__all__ = [
    "CHOOSE_ADDRESS",
    "INSTALL_REDIS",
    "USE_ANOTHER_REDIS",
    "AddressUnusable",
    "BadLimit",
    "BadOption",
    "ClientGone",
    "DelayTooLong",
    "FileUnreadable",
    "FolderUnusable",
    "NotMonitored",
    "RedisDidNotStart",
    "RedisNotFound",
    "RequestCut",
    "YamlMissing",
    "describe_os_error",
]

CHOOSE_ADDRESS = (
    "stop the program that listens there, or choose another HOST:PORT; "
    "port 0 takes any free port"
)
"""The remedy for an address at which the server can't listen."""

USE_ANOTHER_REDIS = "set REDIS_URL and CELERY_BROKER_URL to a Redis that runs"
"""The remedy for an embedded Redis that does not start."""

INSTALL_REDIS = (
    "install redis-server, or pip install 'modern-flask[dev]' if it has a Redis for "
    f"this version of Python, or {USE_ANOTHER_REDIS}"
)
"""The remedy for a missing redis-server."""


class AddressUnusable(Fault):
    """The server can't listen at an address.

    Args:
        address: The value of ``--bind``.
        reason: The reason; if the system refused the address, the system's own text.
    """

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(
            f"The server can't listen at {address}: {reason}.",
            ("set in", "--bind"),
            ("fix", CHOOSE_ADDRESS),
        )


class BadLimit(ConfigurationError):
    """A limit of the worker is not a number of 0 or more."""

    def __init__(self, key: str, value: object, origin: object = None) -> None:
        self.key, self.value, self.origin = key, value, origin
        super().__init__(
            f'{key} = "{value}" is not a number of 0 or more.',
            ("set in", origin or ""),
            ("fix", "use a number of seconds or bytes, or remove the key"),
        )


class BadOption(Fault):
    """An option that is neither the command's nor gunicorn's, or has a wrong value.

    Args:
        message: What gunicorn's parser says.
        source: Where the option stands.
    """

    def __init__(self, message: str, source: str) -> None:
        self.message, self.source = message, source
        super().__init__(
            f"gunicorn can't read its options: {message}.",
            ("set in", source),
            ("fix", "see `gunicorn --help`; the app is named by --app"),
        )


class ClientGone(ConnectionError):
    """A client closed its connection before its request or its response was complete.

    The app gets it where it reads the rest of the request or writes the response.
    """

    def __init__(self) -> None:
        super().__init__("The client has closed the connection.")


class DelayTooLong(ConfigurationError):
    """A worker would be killed before it finishes its requests.

    Args:
        delay: ``SERVER_SHUTDOWN_DELAY``, in seconds.
        timeout: Gunicorn's graceful timeout, in seconds.
    """

    def __init__(self, delay: float, timeout: float) -> None:
        self.delay, self.timeout = delay, timeout
        super().__init__(
            f"SERVER_SHUTDOWN_DELAY = {delay:g} leaves no time for the requests under "
            f"way: gunicorn kills a worker {timeout:g} s after SIGTERM.",
            ("fix", f"set it to less than {timeout - 1:g}, such as 5"),
        )


class NotMonitored(ConfigurationError):
    """A ServiceMonitor is wanted, but the service has no page of metrics."""

    def __init__(self) -> None:
        super().__init__(
            "A ServiceMonitor has nothing to read: METRICS_PATH is None, and "
            "METRICS_PORT is not set.",
            ("fix", "set METRICS_PORT or METRICS_PATH, or omit --service-monitor"),
        )


class YamlMissing(Fault):
    """Manifests can't be read, because there is no library for YAML."""

    def __init__(self) -> None:
        super().__init__(
            "Manifests can't be read, because the package PyYAML is not installed.",
            ("fix", "pip install 'modern-flask[kubernetes]'"),
        )


class FileUnreadable(Fault):
    """A file of manifests can't be read.

    Args:
        file: The name of the file.
        reason: Why.
        fix: What to do.
    """

    def __init__(self, file: str, reason: str, fix: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{file} can't be read: {reason}.", ("fix", fix))


class RequestCut(Exception):
    """A call of the app did not end in time, so its worker ends.

    Args:
        seconds: The duration of the call until now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"The call of the app was cut after {seconds:.1f} s.")


class RedisNotFound(Fault):
    """There is no redis-server binary for the embedded Redis.

    Args:
        packages: The packages that were searched for it, before ``PATH``.
    """

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages
        names = " and ".join(package.replace("_", "-") for package in packages)
        super().__init__(
            "The embedded Redis needs a redis-server, but none is installed.",
            ("looked in", f"the packages {names}, then PATH"),
            ("fix", INSTALL_REDIS),
        )


class RedisDidNotStart(Fault):
    """The redis-server binary was started, but the server was not ready in time.

    Args:
        binary: The program.
        output: The output of the program; the message shows its last five lines.
    """

    def __init__(self, binary: Path, output: str) -> None:
        self.binary, self.output = binary, output
        last = [line for line in output.splitlines() if line.strip()][-5:]
        super().__init__(
            "The embedded Redis did not start.",
            ("in", binary),
            *(("printed", line) for line in last),
            ("fix", USE_ANOTHER_REDIS),
        )


class FolderUnusable(Fault):
    """The embedded Redis can't keep its data in its folder.

    Args:
        folder: The folder.
        reason: The reason; if the system refused an operation, the system's own text.
    """

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder, self.reason = folder, reason
        super().__init__(
            f"The embedded Redis can't keep its data in {folder}: {reason}.",
            (
                "fix",
                "stop the other Redis, let this user write to the folder, "
                f"or {USE_ANOTHER_REDIS}",
            ),
        )


def describe_os_error(error: OSError) -> str:
    """Return the system's text for an error, such as ``address already in use``.

    :data:`modern_flask.failures.REASONS` lacks most errors of a developer's machine,
    and the texts of the system contain no secret.
    """
    return (error.strerror or type(error).__name__).lower()
