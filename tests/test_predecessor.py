"""A service of modern-flask 202207b1 moves here with its configuration unchanged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SHARED = """
DATABASE_ENGINE_URL = "sqlite+pysqlite:///:memory:"
DATABASE_ENGINE_ECHO = True
DATABASE_ENGINE_FUTURE = True
DATABASE_SESSION_AUTOFLUSH = False
REDIS_HOST = "127.0.0.1"
REDIS_PORT = 6390
REDIS_DB = 3
CELERY_BROKER_URL = "memory://"
CELERY_RESULT_BACKEND = "cache+memory://"
CELERY_TASK_ALWAYS_EAGER = True
OTEL_TRACES_SAMPLER = "always_off"
OTEL_PYTHON_LOG_CORRELATION = True
"""

COS = """
STORAGE_VENDOR = "cos"
STORAGE_SECRET_ID = "AKIDexample"
STORAGE_SECRET_KEY = "not-a-key"
STORAGE_REGION = "ap-shanghai"
STORAGE_ENDPOINT = "cos.ap-shanghai.myqcloud.com"
"""

OSS = """
STORAGE_VENDOR = "oss"
STORAGE_ACCESS_KEY_ID = "LTAIexample"
STORAGE_ACCESS_KEY_SECRET = "not-a-key"
STORAGE_ENDPOINT = "oss-cn-hangzhou.aliyuncs.com"
STORAGE_BUCKET = "orders"
"""

PROGRAM = """
import json, os, sys
import modern_flask

app = modern_flask.create_app("orders")
container = app.container
with app.running():
    engine, storage = container.engine(), container.storage()
    pool = container.redis().connection_pool.connection_kwargs
    raw = storage.raw
    print(json.dumps({
        "database": [engine.url.drivername, engine.url.database],
        "echo": engine.echo,
        "autoflush": container.session_factory().kw["autoflush"],
        "redis": [pool["host"], pool["port"], pool["db"]],
        "celery": container.celery().conf.result_backend,
        "storage": type(raw).__name__,
        "account": raw.get_conf()._secret_id if hasattr(raw, "get_conf")
            else raw.auth.credentials_provider.get_credentials().get_access_key_id(),
        "bucket": getattr(raw, "bucket_name", None),
        "otel": [os.environ["OTEL_TRACES_SAMPLER"],
                 os.environ["OTEL_PYTHON_LOG_CORRELATION"]],
    }), file=sys.stderr)
"""


def started(folder: Path, text: str) -> dict[str, object]:
    """What a service with this ``config.py`` is given, in a process of its own."""
    Path(folder, "config.py").write_text(text)
    bare = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "FLASK"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=folder,
        env=bare,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stderr.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("storage", "kind", "account", "bucket"),
    [
        (COS, "CosS3Client", "AKIDexample", None),
        (OSS, "Bucket", "LTAIexample", "orders"),
    ],
    ids=["cos", "oss"],
)
def test_old_configuration_works_word_for_word(
    tmp_path: Path, storage: str, kind: str, account: str, bucket: str | None
) -> None:
    """Each old key reaches the component behind it, and OTEL_ keys the environment."""
    found = started(tmp_path, SHARED + storage)

    assert found == {
        "database": ["sqlite+pysqlite", ":memory:"],
        "echo": True,
        "autoflush": False,
        "redis": ["127.0.0.1", 6390, 3],
        "celery": "cache+memory://",
        "storage": kind,
        "account": account,
        "bucket": bucket,
        "otel": ["always_off", "true"],
    }
