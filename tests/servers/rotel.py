"""A real OTLP collector from PyPI: rotel, which prints the spans that it receives."""

import os
import re
import socket
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from modern_flask.server.parent_death import tether
from tests.servers.eventually import eventually
from tests.servers.missing import CannotRun
from tests.servers.processes import Died, free_port
from tests.servers.server import Server

FIELDS = {
    "Trace ID": "trace_id",
    "Parent ID": "parent_id",
    "ID": "span_id",
    "Name": "name",
    "Kind": "kind",
    "Status code": "status",
    "Status message": "message",
}
PREFIXES = re.compile("^(SPAN_KIND|STATUS_CODE)_")
PAIR = re.compile(r"^ +-> ([^:]+): (?:\w+\()?(.*?)\)?$")


class Rotel(Server):
    """Rotel, which receives OTLP over HTTP and gRPC and sends nothing on.

    Args:
        printed: The signals that it prints: traces, metrics or logs.
    """

    name = "rotel"
    variable = ""
    ready = "Starting Rotel"

    binary: Path
    grpc_port = 0

    def __init__(self, *printed: str) -> None:
        super().__init__()
        self.printed = printed or ("traces",)

    def prepare(self) -> None:
        spec = find_spec("rotel")
        for package in (spec and spec.submodule_search_locations) or ():
            self.binary = Path(package, "rotel-agent")
            if os.access(self.binary, os.X_OK):
                self._check_loads()
                return
        raise CannotRun(self.name, "rotel is not installed; pip install rotel")

    def _check_loads(self) -> None:
        """Rotel needs the shared library of its Python, which not every build has."""
        done = subprocess.run(
            [self.binary, "version"],
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise CannotRun(self.name, done.stderr.strip().rpartition(": error ")[2])

    def environment(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR") or ""}

    def command(self) -> list[str]:
        self.grpc_port = free_port()
        return tether(
            [
                *(self.binary, "start", "--exporter", "blackhole"),
                *("--otlp-http-endpoint", f"127.0.0.1:{self.port}"),
                *("--otlp-grpc-endpoint", f"127.0.0.1:{self.grpc_port}"),
                *(word for name in self.printed for word in ("--debug-log", name)),
                *("--debug-log-verbosity", "detailed"),
            ]
        )

    def start(self) -> None:
        super().start()
        process = self.process
        assert process is not None

        # It prints the line before it listens.
        def answers_or_left() -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return True
            return process.returncode is not None

        eventually(answers_or_left)
        if process.returncode is not None:
            raise Died(process, "a port that answers")

    def own_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    @property
    def spans(self) -> list[dict[str, Any]]:
        """The printed spans: the fields of FIELDS, attributes, resource; all text."""
        return list(read_spans(self.process.output)) if self.process else []

    def wait_for(self, number: int, timeout: float = 30) -> list[dict[str, Any]]:
        """Wait until it has printed so many spans."""
        eventually(lambda: len(self.spans) >= number, timeout)
        return self.spans


def read_spans(text: str) -> Iterator[dict[str, Any]]:
    """The spans in rotel's detailed debug log."""
    # A span is complete once its status is printed; attributes and events follow.
    for of_resource in re.split(r"^ResourceSpans #\d+\n", text, flags=re.MULTILINE)[1:]:
        head, *bodies = re.split(r"^Span #\d+\n", of_resource, flags=re.MULTILINE)
        resource = pairs(head.partition("Resource attributes:\n")[2])
        for body in bodies:
            if "Status message" in body:
                yield {**read_span(body), "resource": resource}


def read_span(body: str) -> dict[str, Any]:
    """The fields and attributes of one span."""
    span: dict[str, Any] = {}
    for line in body.splitlines():
        label, _, value = line.strip().partition(":")
        if name := FIELDS.get(label.strip()):
            span.setdefault(name, PREFIXES.sub("", value.strip()))
    return {**span, "attributes": pairs(body.partition("\nAttributes:\n")[2])}


def pairs(text: str) -> dict[str, str]:
    """The leading lines ``-> key: Type(value)`` as key -> value."""
    found = {}
    for line in text.splitlines():
        match = PAIR.match(line)
        if match is None:
            break
        found[match[1]] = match[2]
    return found
