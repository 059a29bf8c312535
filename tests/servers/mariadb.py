"""A private MariaDB."""

import os
import subprocess
from pathlib import Path
from uuid import uuid4

from modern_flask.server.parent_death import tether
from tests.servers.missing import find_binary
from tests.servers.server import Server

PACKAGE = "mariadb-server"

SMALL_AND_FAST = [
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--skip-log-bin",
]


class MariaDB(Server):
    """MariaDB; ``root`` without a password on loopback."""

    name = "mariadb"
    variable = "TEST_MARIADB_URL"
    ready = "ready for connections"

    binary: Path

    def __init__(self) -> None:
        super().__init__()
        self._databases: list[str] = []

    def prepare(self) -> None:
        self.binary = find_binary("mariadbd", self.name, PACKAGE)
        install = find_binary("mariadb-install-db", self.name, PACKAGE)
        done = subprocess.run(
            [
                *(install, "--no-defaults", f"--datadir={self.folder}/data"),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
                *(*as_root(), *SMALL_AND_FAST),
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"{install} failed.\n{done.stdout}{done.stderr}")

    def command(self) -> list[str]:
        return tether(
            [
                *(self.binary, "--no-defaults", f"--datadir={self.folder}/data"),
                *(f"--port={self.port}", "--bind-address=127.0.0.1"),
                *(f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid"),
                *("--skip-name-resolve", *as_root(), *SMALL_AND_FAST),
            ]
        )

    def own_url(self) -> str:
        return f"mysql+pymysql://root@127.0.0.1:{self.port}/mysql"

    def database(self) -> str:
        """Create an empty database and return its URL."""
        from sqlalchemy import make_url

        name = f"test_{uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        self._databases.append(name)
        url = make_url(self.url).set(database=name)
        return url.render_as_string(hide_password=False)

    def drop(self) -> None:
        for name in self._databases:
            self.execute(f"DROP DATABASE IF EXISTS `{name}`")
        self._databases.clear()

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        from pymysql import connect
        from sqlalchemy import make_url

        url = make_url(self.url)
        connection = connect(
            host=url.host,
            port=url.port or 3306,
            user=url.username,
            password=url.password or "",
            autocommit=True,
            connect_timeout=5,
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)


def as_root() -> list[str]:
    """Root must name the user that MariaDB runs as; another user must not."""
    return ["--user=root"] if os.geteuid() == 0 else []
