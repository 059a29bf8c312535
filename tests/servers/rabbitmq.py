"""A private RabbitMQ, with a private name server (epmd)."""

import socket
from contextlib import suppress
from pathlib import Path

from modern_flask.server.parent_death import tether
from tests.servers.eventually import eventually
from tests.servers.missing import find_binary
from tests.servers.processes import Process, free_port
from tests.servers.server import Server

CONFIGURATION = """\
log.console = true
log.console.level = info
log.file = false
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 1MB
"""


class RabbitMQ(Server):
    """RabbitMQ without plugins; a restart keeps durable queues and messages."""

    name = "rabbitmq"
    variable = "TEST_RABBITMQ_URL"
    ready = r"Server startup complete"
    start_deadline = 120.0
    stop_deadline = 60.0

    script: Path
    epmd: Process | None = None

    def prepare(self) -> None:
        found = find_binary("rabbitmq-server", "rabbitmq", "rabbitmq-server")
        # Debian's is a wrapper that requires its own user; the real one is beside it.
        self.script = found.resolve().with_name("rabbitmq-server")
        self._link_plugins()
        self.epmd_port = self._start_epmd(
            find_binary("epmd", "rabbitmq", "erlang-base")
        )
        (self.folder / "rabbitmq.conf").write_text(CONFIGURATION)
        (self.folder / "enabled_plugins").write_text("[].\n")

    def _link_plugins(self) -> None:
        """Link the core only: reading every plugin in the folder takes seconds."""
        (self.folder / "plugins").mkdir()
        home = self.script.resolve().parent.parent
        for core in home.glob("plugins/rabbit-*"):
            (self.folder / "plugins" / core.name).symlink_to(core)

    def _start_epmd(self, binary: Path) -> int:
        """Start an epmd: a node would use the machine's, or start one that stays."""

        def answers_or_left() -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return epmd.returncode is not None

        while True:
            port = free_port()
            command = [str(binary), "-port", str(port), "-address", "127.0.0.1"]
            log = self.folder / "epmd.log"
            epmd = Process(*tether(command), log=log, cwd=self.folder)
            self.epmd = epmd
            eventually(answers_or_left)
            if epmd.returncode is None:
                return port
            if "in use" not in epmd.output:
                raise RuntimeError(f"epmd did not start.\n{epmd.output}")

    def command(self) -> list[str]:
        return tether([self.script])

    def environment(self) -> dict[str, str | None]:
        folder = str(self.folder)
        return {
            "HOME": folder,  # for the cookie
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_PLUGINS_DIR": f"{folder}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1}"
            ),
            # The script becomes the server; otherwise it would wait for it.
            "RUNNING_UNDER_SYSTEMD": "true",
            "NOTIFY_SOCKET": None,
        }

    def own_url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def close(self) -> None:
        super().close()
        if self.epmd is not None:
            self.epmd.kill()
