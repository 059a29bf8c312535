"""The texts of the errors, to the letter."""

import inspect

import pytest

from modern_flask.errors import ConfigurationError, set_key
from modern_flask.storage import errors

TEXTS = [
    (
        errors.ObjectNotFound("a/b", "cos bucket files-1", "5F3A"),
        'cos bucket files-1 has no object "a/b".\n  request  5F3A',
    ),
    (
        errors.ObjectExists("a", "local folder /srv"),
        'local folder /srv has an object "a" already, and overwrite is False.',
    ),
    (
        errors.BucketNotFound("oss bucket files", "NoSuchBucket"),
        "oss bucket files does not exist.\n"
        "  code     NoSuchBucket\n"
        f"  fix      {errors.CHECK_BUCKET}",
    ),
    (
        errors.InvalidMetadata("A", "names consist of a-z, 0-9 and -"),
        "The metadata 'A' can't be stored: names consist of a-z, 0-9 and -.",
    ),
    (
        errors.InvalidRange("a", 5, None, "the object is shorter"),
        '"a" has no bytes [5:]: the object is shorter.',
    ),
    (
        errors.StorageUnavailable("get", "a", "cos bucket b", "ReadTimeout"),
        'cos bucket b could not get "a": ReadTimeout.',
    ),
    (
        errors.UnexpectedAnswer("list", "", "cos bucket b", "it answered 400 X", "1"),
        "cos bucket b did not list: it answered 400 X.\n  request  1",
    ),
    (
        errors.OutcomeUnknown("put", "a", "cos bucket b", "its answer was lost"),
        'cos bucket b may or may not have put "a": its answer was lost.\n'
        f"  fix      {errors.COMPARE}",
    ),
    (
        errors.ObjectArchived("get", "a", "oss bucket b", "InvalidObjectState", "1"),
        'oss bucket b refused to get "a": the object is archived.\n'
        "  code     InvalidObjectState\n"
        "  request  1\n"
        f"  fix      {errors.RESTORE}",
    ),
    (
        errors.ObjectLocked("delete", "a", "oss bucket b", "FileImmutable"),
        'oss bucket b refused to delete "a": a retention policy protects the object.\n'
        "  code     FileImmutable\n"
        f"  fix      {errors.WAIT_FOR_LOCK}",
    ),
    (
        errors.IntegrityError("a", "memory", "reason"),
        'The bytes of "a" in memory are wrong: reason.',
    ),
    (
        errors.NoBucket("cos", "STORAGE_BUCKET"),
        "The storage cos has no bucket: STORAGE_BUCKET is not set.\n"
        f"  fix      {set_key('STORAGE_BUCKET')}; {errors.USE_RAW}",
    ),
    (
        errors.MissingSettings("cos", ["STORAGE_SECRET_ID", "STORAGE_SECRET_KEY"]),
        "The storage cos can't be opened: "
        "STORAGE_SECRET_ID and STORAGE_SECRET_KEY are not set.\n"
        "  fix      set them in the configuration, "
        "or with the prefix FLASK_ in the environment",
    ),
    (
        errors.MissingSettings("local", ["STORAGE_FOLDER"]),
        "The storage local can't be opened: STORAGE_FOLDER is not set.\n"
        f"  fix      {set_key('STORAGE_FOLDER')}",
    ),
    (
        errors.InvalidSetting("STORAGE_TIMEOUT", "config.py, line 3", "it is odd"),
        "STORAGE_TIMEOUT can't be used: it is odd.\n  set in   config.py, line 3",
    ),
]


@pytest.mark.parametrize(
    ("error", "text"), TEXTS, ids=lambda value: type(value).__name__
)
def test_texts(error, text):
    """An error says what happened, where, and what to do."""
    assert str(error) == text


def test_tree():
    """A failed operation is a StorageError, a fault of the settings is not."""
    of_settings = (errors.MissingSettings, errors.InvalidSetting)

    exported = [getattr(errors, name) for name in errors.__all__]
    for kind in filter(inspect.isclass, exported):
        root = ConfigurationError if kind in of_settings else errors.StorageError
        assert issubclass(kind, root)
