"""A real Prometheus, which scrapes a test's servers, and ``promtool``."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import requests

from modern_flask.server.parent_death import tether
from tests.servers.missing import find_binary
from tests.servers.server import Server

__all__ = ["Prometheus", "check_metrics"]

PACKAGE = "prometheus"
EVERY = "1s"  # also the timeout of a scrape: a busy machine needs it
LONG = "1h"  # longer than any test: every scraped value


class Prometheus(Server):
    """Prometheus with exemplars.

    Args:
        targets: ``HOST:PORT`` of each server that it scrapes, every second.
    """

    name = "prometheus"
    variable = ""
    ready = "Server is ready to receive web requests"

    binary: Path

    def __init__(self, *targets: str) -> None:
        super().__init__()
        self.targets = targets

    def prepare(self) -> None:
        self.binary = find_binary("prometheus", self.name, PACKAGE)
        scraped = {
            "job_name": "service",
            "scrape_interval": EVERY,
            "scrape_timeout": EVERY,
            "static_configs": [{"targets": self.targets}],
        }
        # JSON is valid YAML.
        (self.folder / "prometheus.yml").write_text(
            json.dumps({"scrape_configs": [scraped]})
        )

    def command(self) -> list[str]:
        return tether(
            [
                self.binary,
                f"--config.file={self.folder}/prometheus.yml",
                f"--storage.tsdb.path={self.folder}/data",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--enable-feature=exemplar-storage",
            ]
        )

    def own_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def ask(self, page: str, **parameters: str) -> Any:
        """The data of a response of its HTTP API (prometheus.io/docs, querying/api)."""
        answer = requests.get(f"{self.url}/{page}", params=parameters, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[float]:
        """The current values of ``expression``, one for each series."""
        found = self.ask("query", query=expression)["result"]
        return [float(series["value"][1]) for series in found]

    def history(self, series: str) -> list[list[float]]:
        """Every scraped value in order, one list for each series."""
        found = self.ask("query", query=f"{series}[{LONG}]")["result"]
        return [[float(value) for _, value in each["values"]] for each in found]

    def exemplars(self, series: str) -> list[dict[str, str]]:
        """The labels of every exemplar of ``series``."""
        now = time.time()
        found = self.ask(
            "query_exemplars", query=series, start=str(now - 3600), end=str(now + 60)
        )
        return [exemplar["labels"] for each in found for exemplar in each["exemplars"]]


def check_metrics(text: str) -> str:
    """What ``promtool check metrics`` reports about an exposition; empty if valid.

    Raises:
        CannotRun: There is no promtool.
    """
    promtool = find_binary("promtool", "prometheus", PACKAGE)
    ran = subprocess.run(
        [promtool, "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return f"{ran.stdout}{ran.stderr}" or ("" if ran.returncode == 0 else "refused")
