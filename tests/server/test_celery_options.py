"""The words that a worker is started with."""

import os

import pytest

from modern_flask.server.worker import worker_words


def name_of(words: list[str]) -> str:
    return words[words.index("--hostname") + 1]


def test_node_is_called_after_service_and_pod():
    """In a cluster no two workers have one name: it is the pod's."""
    words = worker_words([], "orders", {"POD_NAME": "orders-7f-x2x"})

    assert name_of(words) == "orders@orders-7f-x2x"


def test_node_has_its_process_elsewhere():
    """Two workers on one machine differ by their process."""
    words = worker_words([], "orders", {})

    assert name_of(words) == f"orders-{os.getpid()}@%h"


def test_variable_names_the_service():
    """``SERVICE_NAME`` wins, as in spans; what Celery would read is replaced."""
    words = worker_words([], "app", {"SERVICE_NAME": "a@b%h", "POD_NAME": "p"})

    assert name_of(words) == "a-b-h@p"


@pytest.mark.parametrize(
    "own", [["-n", "mine@%h"], ["-nmine@%h"], ["--hostname", "x"], ["--hostname=x"]]
)
def test_own_name_wins(own):
    """A name that the user gives is the only one."""
    assert worker_words([*own, "-lINFO"], "orders", {}) == [*own, "-lINFO"]


def test_level_is_the_log_s():
    """The level is that of our own log, where the user gives none."""
    words = worker_words(["-n", "x"], "orders", {})

    assert words[2] == "--loglevel"
    assert worker_words(["-n", "x", "-l", "DEBUG"], "orders", {})[2:] == ["-l", "DEBUG"]
