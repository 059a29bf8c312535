"""A service of 202207b1, ported by README's tables alone, answers as it did in 2022."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import modern_flask
from modern_flask.testing.oss import OssServer
from tests.predecessor.table import NAMES

HERE = Path(__file__).parent
OLD = (HERE / "old_service.py.txt").read_text()
NEW = (HERE / "new_service.py").read_text()

PUBLIC = (
    "modern_celery",
    "setup_config",
    "setup_database",
    "database_session_maker",
    "database_engine",
    "model_registry",
    "ModelBase",
    "database_session",
    "database_transaction",
    "modern_flask",
    "halt",
    "setup_observability",
    "ignore_metrics",
    "setup_redis",
    "redis_client",
    "redis_cached",
    "redis_synchronized",
    "setup_storage",
    "storage_cos_client",
    "storage_oss_service",
    "storage_oss_bucket",
)
"""Every name that 202207b1's package ``modern`` exported."""


def list_names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def list_views(text: str) -> set[str]:
    """The routes of a service."""
    return set(re.findall(r"^@app\.\w+\(.*\)$", text, re.MULTILINE))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_row(name: str) -> None:
    """README says what comes of each name, and the old service uses it."""
    assert name in list_names(OLD)
    assert any(re.search(rf"`{name}\b", left) for left in NAMES)


def test_old_names_are_gone() -> None:
    """The ported service has the same views, and none of the names that are gone."""
    kept = {"ModelBase", "model_registry", "halt", "ignore_metrics"}

    assert not list_names(NEW) & (set(PUBLIC) - kept)
    assert list_views(NEW) == list_views(OLD)


def test_every_new_name_is_in_a_row() -> None:
    """The ported service uses no name of the kit that the table does not give."""
    told = " ".join(NAMES.values()) + " ".join(NAMES)
    tree = ast.parse(NEW)
    (imported,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "modern_flask"
    )

    # inject is what README's own service shows for every ...Dep.
    missing = {alias.name for alias in imported.names} - {"inject"}
    assert {name for name in missing if name not in told} == set()


ANSWERS: list[tuple[str, str, Any, int, Any]] = [
    ("GET", "/healthz", None, 200, "ok"),
    ("POST", "/items", {"names": ["tea", "milk"]}, 201, {"added": 2}),
    ("GET", "/items", None, 200, {"names": ["tea", "milk"]}),
    ("POST", "/items", {"names": ["a", "forbidden"]}, 409, {"reason": "forbidden"}),
    ("GET", "/items", None, 200, {"names": ["tea", "milk"]}),
    ("POST", "/attempts/coffee", None, 201, {"name": "coffee"}),
    ("POST", "/attempts/forbidden", None, 403, None),
    ("GET", "/attempts", None, 200, {"attempts": 2}),
    ("GET", "/items", None, 200, {"names": ["tea", "milk", "coffee"]}),
    ("GET", "/tables", None, 200, {"tables": ["shop_attempts", "shop_items"]}),
    ("POST", "/hits/home", None, 200, {"hits": 1}),
    ("POST", "/hits/home", None, 200, {"hits": 2}),
    ("GET", "/sizes", None, 200, {"sizes": ["S", "M"]}),
    ("POST", "/stock", None, 200, {"locked": True}),
    ("POST", "/doubles/4", None, 200, {"sent": True}),
    ("GET", "/files", None, 200, {"cos": "CosS3Client"}),
    ("GET", "/broken", None, 500, None),
]
"""Method, path, JSON, and the status and body of 2022; None for the body of an error,
which is another one now."""


def test_answers_of_2022(client: Any) -> None:
    """Each view answers as it did, one request after the other."""
    for method, path, sent, status, body in ANSWERS:
        response = client.open(path, method=method, json=sent)

        assert response.status_code == status, path
        if isinstance(body, str):
            assert response.text == body, path
        elif body is not None:
            assert response.json == body, path


def test_cached_value_of_2022(client: Any, service: Any) -> None:
    """With ``by_arguments=False``, both versions find each other's value in Redis."""
    redis = service.app.container.redis()

    first = client.get("/rates/usd").json
    written = redis.get("cache.shop.rate")

    value = {"currency": "usd", "rates": [1.5, 2]}
    assert first == {"computed": True, "rate": value}
    assert written == json.dumps(value).encode()
    assert 0 < redis.ttl("cache.shop.rate") <= 60

    redis.set("cache.shop.rate", json.dumps({"rates": []}), ex=60)
    assert client.get("/rates/eur").json == {"computed": False, "rate": {"rates": []}}


def test_cached_view_of_2022(client: Any, service: Any) -> None:
    """A view keeps its one value, whatever the query is."""
    redis = service.app.container.redis()

    first = client.get("/sizes").json
    assert redis.get("cache.shop.sizes") == b'{"sizes": ["S", "M"]}'
    redis.set("cache.shop.sizes", '{"sizes": []}')

    assert first == {"sizes": ["S", "M"]}
    assert client.get("/sizes?page=2").json == {"sizes": []}


def test_task_of_2022(service: Any) -> None:
    """A task has its name, and the arguments of ``modern_celery`` are settings."""
    celery = service.app.container.celery()

    assert service.double.name == f"{service.__name__}.double"
    assert (celery.main, celery.conf.timezone) == ("shop", "Asia/Shanghai")


def test_arguments_of_the_setup(service: Any) -> None:
    """The arguments of ``setup_database`` reach engine and sessions."""
    container = service.app.container

    assert container.engine().pool.size() == 3
    assert container.session_factory().kw["autoflush"] is False


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_service_on_oss(service: Any, folder: Path) -> None:
    """With the vendor ``oss`` the same view is given OSS's service and bucket."""
    with OssServer() as server:
        config = {f"STORAGE_{k.upper()}": v for k, v in server.settings.items()}
        config["CELERY_BROKER_URL"] = "memory://"
        app = modern_flask.create_app("shop", config=config)
        app.add_url_rule("/files", view_func=service.name_storage)

        answer = app.test_client().get("/files")

    assert answer.json == {"oss": ["Service", server.bucket]}


def test_app_that_exists(folder: Path) -> None:
    """``init_app`` gives an app that was made before the same things."""
    app = Flask("shop")

    modern_flask.init_app(app, config={"STORAGE_VENDOR": "memory"})

    assert app.test_client().get("/nowhere").json["title"] == "Not Found"  # type: ignore[index]
