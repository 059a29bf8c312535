"""The faults of a storage, one class for each.

``place`` is where it went wrong, as the storage's ``repr`` shows it: ``cos bucket
files-1250000000``, ``local folder /srv/files``, ``memory``.
"""

from collections.abc import Sequence

from ..errors import ConfigurationError, Fault, join_names, set_key

__all__ = [
    "CHECK_ACCESS",
    "CHECK_BUCKET",
    "CHECK_KEY",
    "CHECK_PROXY",
    "COMPARE",
    "RESTORE",
    "USE_RAW",
    "WAIT_FOR_LOCK",
    "BucketNotFound",
    "IntegrityError",
    "InvalidKey",
    "InvalidMetadata",
    "InvalidRange",
    "InvalidSetting",
    "MissingSettings",
    "NoBucket",
    "ObjectArchived",
    "ObjectChanged",
    "ObjectExists",
    "ObjectLocked",
    "ObjectNotFound",
    "OutcomeUnknown",
    "PermissionDenied",
    "StorageError",
    "StorageUnavailable",
    "UnexpectedAnswer",
    "Unsupported",
    "set_keys",
]

CHECK_ACCESS = "check the access key, its policy and this machine's clock"
CHECK_BUCKET = "check the bucket's name and its region"
CHECK_KEY = "use 1 to 850 bytes of UTF-8, with single slashes between the segments"
CHECK_PROXY = "look for a proxy or a login page between this machine and the storage"
COMPARE = "compare the object with yours, and ask who else writes this key"
RESTORE = "restore the object, and repeat this once it is restored"
WAIT_FOR_LOCK = "wait until its retention ends, or use another key"
USE_RAW = "or name the bucket in calls of the vendor's own client, storage.raw"


class StorageError(Fault):
    """An operation on a storage failed."""


class ObjectNotFound(StorageError):
    """No object has this key."""

    def __init__(self, key: str, place: str, request: str = "") -> None:
        self.key, self.place, self.request = key, place, request
        super().__init__(f'{place} has no object "{key}".', ("request", request))


class ObjectExists(StorageError):
    """``put(..., overwrite=False)`` found an object of the same key."""

    def __init__(self, key: str, place: str, request: str = "") -> None:
        self.key, self.place, self.request = key, place, request
        super().__init__(
            f'{place} has an object "{key}" already, and overwrite is False.',
            ("request", request),
        )


class BucketNotFound(StorageError):
    """The vendor has no bucket of this name."""

    def __init__(self, place: str, code: str = "", request: str = "") -> None:
        self.place, self.code, self.request = place, code, request
        super().__init__(
            f"{place} does not exist.",
            ("code", code),
            ("request", request),
            ("fix", CHECK_BUCKET),
        )


class InvalidKey(StorageError):
    """A key that at least one vendor would refuse, change or misread."""

    def __init__(self, key: object, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(
            f"{key!r} is not a portable key: {reason}.",
            ("fix", CHECK_KEY),
        )


class InvalidMetadata(StorageError):
    """Metadata that does not fit into the headers of every vendor."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(f"The metadata {name!r} can't be stored: {reason}.")


class InvalidRange(StorageError):
    """A range that begins after the object's end, or ends before its start."""

    def __init__(self, key: str, start: int, end: int | None, reason: str) -> None:
        self.key, self.start, self.end, self.reason = key, start, end, reason
        span = f"[{start}:{'' if end is None else end}]"
        super().__init__(f'"{key}" has no bytes {span}: {reason}.')


class PermissionDenied(StorageError):
    """The vendor refused our credentials, or an operation that they do not allow."""

    explanation, remedy = "", CHECK_ACCESS

    def __init__(
        self, operation: str, key: str, place: str, code: str, request: str = ""
    ) -> None:
        self.operation, self.key, self.place = operation, key, place
        self.code, self.request = code, request
        super().__init__(
            f"{place} refused to {_phrase(operation, key)}{self.explanation}.",
            ("code", code),
            ("request", request),
            ("fix", self.remedy),
        )


class ObjectArchived(PermissionDenied):
    """The object is in an archive, and its bytes must be restored before a read."""

    explanation, remedy = ": the object is archived", RESTORE


class ObjectLocked(PermissionDenied):
    """A retention policy keeps the object as it is."""

    explanation, remedy = ": a retention policy protects the object", WAIT_FOR_LOCK


class _OperationFailed(StorageError):
    """An operation failed; ``did_not`` begins the explanation.

    Args:
        operation: Such as ``put``.
        key: The object's key; empty if there is none.
        place: Where the operation failed.
        reason: Why it failed, in a few words, none of them secret.
        request: The vendor's id of the request, for its support.
        remedy: What to do.
    """

    did_not = "did not"

    def __init__(
        self,
        operation: str,
        key: str,
        place: str,
        reason: str,
        request: str = "",
        remedy: str = "",
    ) -> None:
        self.operation, self.key, self.place = operation, key, place
        self.reason, self.request = reason, request
        super().__init__(
            f"{place} {self.did_not} {_phrase(operation, key)}: {reason}.",
            ("request", request),
            ("fix", remedy),
        )


class StorageUnavailable(_OperationFailed):
    """There was no answer, or a temporary one: network, deadline, 429 or 5xx.

    Attributes:
        maybe_done: Whether the request may have been executed all the same.
        retry_after: The seconds that the vendor asks to wait; 0 if it does not say.
    """

    did_not = "could not"
    maybe_done = False
    retry_after = 0.0


class OutcomeUnknown(StorageUnavailable):
    """``put(..., overwrite=False)`` may have stored the object, or may not have.

    The answer was lost. Either the same bytes are there now, and they may be another
    writer's, or it could not be found out what is there.
    """

    did_not = "may or may not have"
    maybe_done = True

    def __init__(
        self, operation: str, key: str, place: str, reason: str, request: str = ""
    ) -> None:
        super().__init__(operation, key, place, reason, request, COMPARE)


class UnexpectedAnswer(_OperationFailed):
    """An answer that the operation does not expect, or a refusal without a class here.

    It may come from the vendor, or from a proxy or a login page on the way.
    """


class IntegrityError(StorageError):
    """The bytes are not those that were stored or sent."""

    def __init__(self, key: str, place: str, reason: str) -> None:
        self.key, self.place, self.reason = key, place, reason
        super().__init__(f'The bytes of "{key}" in {place} are wrong: {reason}.')


class ObjectChanged(IntegrityError):
    """The object was replaced or deleted while it was being read."""

    def __init__(self, key: str, place: str) -> None:
        super().__init__(key, place, "the object changed while it was being read")


class NoBucket(StorageError):
    """An operation needs a bucket, and none is configured."""

    def __init__(self, vendor: str, key: str) -> None:
        self.vendor, self.key = vendor, key
        super().__init__(
            f"The storage {vendor} has no bucket: {key} is not set.",
            ("fix", f"{set_key(key)}; {USE_RAW}"),
        )


class Unsupported(StorageError):
    """The vendor has no such operation."""

    def __init__(self, vendor: str, what: str, remedy: str = "") -> None:
        self.vendor, self.what_is_missing = vendor, what
        super().__init__(f"The storage {vendor} {what}.", ("fix", remedy))


class MissingSettings(ConfigurationError):
    """A vendor is configured, and keys that it needs are not set."""

    def __init__(self, vendor: str, keys: Sequence[str]) -> None:
        self.vendor, self.keys = vendor, list(keys)
        absent = (
            f"{join_names(self.keys)} {'is' if len(self.keys) == 1 else 'are'} not set"
        )
        super().__init__(
            f"The storage {vendor} can't be opened: {absent}.",
            ("fix", set_keys(self.keys)),
        )


class InvalidSetting(ConfigurationError):
    """A setting whose value can't be used. The value itself is not shown."""

    def __init__(self, key: str, origin: object, reason: str, remedy: str = "") -> None:
        self.key, self.origin, self.reason = key, origin, reason
        self.remedy = remedy
        super().__init__(
            f"{key} can't be used: {reason}.",
            ("set in", origin or ""),
            ("fix", remedy),
        )


def set_keys(keys: Sequence[str]) -> str:
    """The remedy for keys that are not set."""
    if len(keys) == 1:
        return set_key(keys[0])
    return "set them in the configuration, or with the prefix FLASK_ in the environment"


def _phrase(operation: str, key: str) -> str:
    return f'{operation} "{key}"' if key else operation
