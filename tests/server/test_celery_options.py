"""The options that ``celery worker`` is started with."""

import os

import pytest

from modern_flask.server.celery_options import complete_options


def name_of(options: list[str]) -> str:
    return options[options.index("--hostname") + 1]


def test_node_is_called_after_service_and_pod():
    """In a cluster the node name contains the pod's: no two workers have the same."""
    options = complete_options([], "orders", {"POD_NAME": "orders-7f-x2x"})

    assert name_of(options) == "orders@orders-7f-x2x"


def test_node_has_its_process_elsewhere():
    """Two workers on one machine differ by their process IDs."""
    options = complete_options([], "orders", {})

    assert name_of(options) == f"orders-{os.getpid()}@%h"


def test_variable_names_the_service():
    """``SERVICE_NAME`` wins, as in spans; Celery's special characters are replaced."""
    options = complete_options([], "app", {"SERVICE_NAME": "a@b%h", "POD_NAME": "p"})

    assert name_of(options) == "a-b-h@p"


@pytest.mark.parametrize(
    "own", [["-n", "mine@%h"], ["-nmine@%h"], ["--hostname", "x"], ["--hostname=x"]]
)
def test_own_name_wins(own):
    """The user's name is the only one."""
    assert complete_options([*own, "-lINFO"], "orders", {}) == [*own, "-lINFO"]


def test_level_is_the_log_s():
    """Without an option of the user, the level is that of the root logger."""
    options = complete_options(["-n", "x"], "orders", {})
    own = complete_options(["-n", "x", "-l", "DEBUG"], "orders", {})

    assert options[2] == "--loglevel"
    assert own[2:] == ["-l", "DEBUG"]
