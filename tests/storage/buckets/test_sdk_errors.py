"""The errors of SDKs as this package's errors."""

import pytest
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, SSLError

from modern_flask.storage import StorageUnavailable, UnexpectedAnswer
from modern_flask.storage.buckets.sdk_errors import (
    describe_lost_answer,
    make_unknown_error,
)


def wrap(reason: Exception) -> requests.ConnectionError:
    return requests.ConnectionError(MaxRetryError(None, "/secret?token=t", reason))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            wrap(NewConnectionError(None, "[Errno 111] Connection refused")),
            "ConnectionError: connection refused",
        ),
        (wrap(SSLError("odd")), "ConnectionError: SSLError"),
        (requests.ReadTimeout("secret"), "ReadTimeout: timed out"),
        (ValueError("secret"), "ValueError"),
    ],
)
def test_lost_answers(error, text):
    """A lost answer is described by its class and its reason, never by its text."""
    assert describe_lost_answer(error) == text


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionResetError(), StorageUnavailable),
        (UnboundLocalError(), StorageUnavailable),
        (KeyError("Contents"), UnexpectedAnswer),
    ],
)
def test_errors_from_below(error, kind):
    """A lost connection may be repeated, an answer that can't be parsed may not."""
    assert type(make_unknown_error(error, "get", "a", "cos")) is kind
