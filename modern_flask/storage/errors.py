"""What can go wrong in a storage, one class for each fault.

``place`` is where it went wrong, as the storage's ``repr`` shows it: ``cos bucket
files-1250000000``, ``local folder /srv/files``, ``memory``.
"""

from collections.abc import Sequence

from ..errors import ConfigurationError, Fault, join_names

__all__ = [
    "BucketNotFound",
    "IntegrityError",
    "InvalidKey",
    "InvalidMetadata",
    "InvalidRange",
    "InvalidSetting",
    "MissingSettings",
    "NoBucket",
    "ObjectChanged",
    "ObjectExists",
    "ObjectNotFound",
    "PermissionDenied",
    "StorageError",
    "StorageUnavailable",
    "UnexpectedAnswer",
    "Unsupported",
]


class StorageError(Fault):
    """An operation on a storage failed."""


class ObjectNotFound(StorageError):
    """No object has this key."""

    def __init__(self, key: str, place: str, request: str = "") -> None:
        self.key, self.place, self.request = key, place, request
        super().__init__(f'{place} has no object "{key}".', ("request", request))


class ObjectExists(StorageError):
    """``put(..., overwrite=False)`` met an object of the same key."""

    def __init__(self, key: str, place: str, request: str = "") -> None:
        self.key, self.place, self.request = key, place, request
        super().__init__(
            f'{place} has an object "{key}" already, and overwrite=False was asked.',
            ("request", request),
        )


class BucketNotFound(StorageError):
    """The vendor knows no bucket of this name."""

    def __init__(self, place: str, code: str = "", request: str = "") -> None:
        self.place, self.code, self.request = place, code, request
        super().__init__(
            f"{place} does not exist.",
            ("code", code),
            ("request", request),
            ("check", "the bucket's name and its region"),
        )


class InvalidKey(StorageError):
    """A key that some vendor would refuse, change or misread."""

    def __init__(self, key: object, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(
            f"{key!r} is no portable key: {reason}.",
            ("use", "1 to 850 bytes of UTF-8, segments parted by single slashes"),
        )


class InvalidMetadata(StorageError):
    """Metadata that does not fit into the headers of every vendor."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"The metadata {name!r} can't be stored: {reason}.")


class InvalidRange(StorageError):
    """A range that begins behind the object's end, or ends before it begins."""

    def __init__(self, key: str, start: int, end: int | None, reason: str) -> None:
        self.key, self.start, self.end, self.reason = key, start, end, reason
        span = f"[{start}:{'' if end is None else end}]"
        super().__init__(f'"{key}" has no bytes {span}: {reason}.')


class PermissionDenied(StorageError):
    """The vendor refused who we are, or what we may do."""

    def __init__(
        self, operation: str, key: str, place: str, code: str, request: str = ""
    ) -> None:
        self.operation, self.key, self.place = operation, key, place
        self.code, self.request = code, request
        super().__init__(
            f"{place} refused to {_phrase(operation, key)}.",
            ("code", code),
            ("request", request),
            ("check", "the access key, its policy and this machine's clock"),
        )


class _Unanswered(StorageError):
    """An operation did not come to what it is for.

    Args:
        operation: Such as ``put``.
        key: Of the object; empty where there is none.
        place: Where it went wrong.
        reason: Why, in a few words, none of them secret.
        request: The vendor's name for the request, for its support.
    """

    did_not = "did not"

    def __init__(
        self, operation: str, key: str, place: str, reason: str, request: str = ""
    ) -> None:
        self.operation, self.key, self.place = operation, key, place
        self.reason, self.request = reason, request
        super().__init__(
            f"{place} {self.did_not} {_phrase(operation, key)}: {reason}.",
            ("request", request),
        )


class StorageUnavailable(_Unanswered):
    """No answer, or none that helps: network, deadline, 429 or 5xx."""

    did_not = "could not"


class UnexpectedAnswer(_Unanswered):
    """The vendor refused the request for a reason that has no class of its own."""


class IntegrityError(StorageError):
    """The bytes are not those that were promised."""

    def __init__(self, key: str, place: str, reason: str) -> None:
        self.key, self.place, self.reason = key, place, reason
        super().__init__(f'The bytes of "{key}" in {place} are wrong: {reason}.')


class ObjectChanged(IntegrityError):
    """The object was replaced or deleted while it was being read."""

    def __init__(self, key: str, place: str) -> None:
        super().__init__(key, place, "the object changed while it was being read")


class NoBucket(StorageError):
    """A neutral operation on a vendor whose bucket was not configured."""

    def __init__(self, vendor: str, key: str) -> None:
        self.vendor, self.key = vendor, key
        super().__init__(
            f"The storage {vendor} has no bucket to work on: {key} is not set.",
            ("set", key),
            ("or use", "the vendor's own client, .raw, and name the bucket there"),
        )


class Unsupported(StorageError):
    """The vendor has no such operation."""

    def __init__(self, vendor: str, what: str, remedy: str = "") -> None:
        self.vendor, self.what_is_missing = vendor, what
        super().__init__(f"The storage {vendor} {what}.", ("instead", remedy))


class MissingSettings(ConfigurationError):
    """A vendor is chosen, and keys that it can't do without are not set."""

    def __init__(self, vendor: str, keys: Sequence[str]) -> None:
        self.vendor, self.keys = vendor, list(keys)
        one = len(self.keys) == 1
        lacking, them = join_names(self.keys), "it" if one else "them"
        super().__init__(
            f"The storage {vendor} can't be opened: {lacking} "
            f"{'is' if one else 'are'} not set.",
            ("set", f"{them} in the configuration, or as FLASK_... in the environment"),
        )


class InvalidSetting(ConfigurationError):
    """A setting whose value can't be used. The value itself is not shown."""

    def __init__(self, key: str, origin: object, reason: str, remedy: str = "") -> None:
        self.key, self.origin, self.reason = key, origin, reason
        self.remedy = remedy
        super().__init__(
            f"{key} can't be used: {reason}.", ("set in", origin or ""), ("do", remedy)
        )


def _phrase(operation: str, key: str) -> str:
    return f'{operation} "{key}"' if key else operation
