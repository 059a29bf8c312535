"""A service, its manifests, and what a check of changed manifests finds."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import modern_flask
from modern_flask.cli import cli
from modern_flask.server.deploy.check import check_documents
from modern_flask.server.deploy.documents import Document
from modern_flask.server.deploy.image import read_image
from modern_flask.server.deploy.manifests import PARTS, write_manifests
from modern_flask.server.deploy.plan import Plan
from modern_flask.server.deploy.service import Service
from modern_flask.server.deploy.settings import read_settings

__all__ = ["SOURCE", "Orders", "find", "set_field"]

SOURCE = "kubernetes://secrets/orders/config.py"


class Orders:
    """The service ``orders`` with a configuration.

    Args:
        folder: An empty folder for files.
        **config: Keys of the configuration.
    """

    def __init__(self, folder: Path, **config: Any) -> None:
        self.folder = folder
        self.app = modern_flask.create_app("orders", root_path=folder, config=config)
        self.app.get("/alive")(lambda: "alive")
        self.values = self.app.container.config()

    def plan(self, **options: Any) -> Plan:
        given: dict[str, Any] = {
            "service": "orders",
            "app": "orders",
            "image": "registry.example/orders:1",
            "namespace": "shop",
            "replicas": 2,
            "settings": read_settings(self.values),
            "source": SOURCE,
            "has_worker": True,
        }
        return Plan(**{**given, **options})

    def write(self, **options: Any) -> str:
        """The text of every part."""
        return write_manifests(self.plan(**options), PARTS)

    def documents(self, **options: Any) -> list[dict[str, Any]]:
        """Every document."""
        return list(yaml.safe_load_all(self.write(**options)))

    def check(
        self, documents: list[Any], source: str = "", dockerfile: str = ""
    ) -> list[str]:
        """Each line that the check prints."""
        service = Service.read(self.app, "orders", source, cli.commands)
        found = [Document("orders.yaml", each) for each in documents]
        images = [read_image("Dockerfile", dockerfile)] if dockerfile else []
        return [str(each) for each in check_documents(service, found, images)]


@pytest.fixture
def make_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Orders]:
    """``make_orders(KEY=value)``: the service with these keys."""
    monkeypatch.delenv("CONFIG_SOURCE", raising=False)
    monkeypatch.chdir(tmp_path)
    return lambda **config: Orders(tmp_path, **config)


@pytest.fixture
def orders(make_orders: Callable[..., Orders]) -> Orders:
    """The service with tasks."""
    return make_orders(CELERY_BROKER_URL="memory://")


def find(documents: list[Any], name: str) -> Any:
    """The document ``Kind/name``."""
    kind, name = name.split("/")
    (found,) = (
        each
        for each in documents
        if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )
    return found


def set_field(documents: list[Any], name: str, path: str, value: Any) -> list[Any]:
    """A copy of the documents with another value at a path; ``...`` removes it."""
    changed = copy.deepcopy(documents)
    target = find(changed, name)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parents:
        target = target[part]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return changed
