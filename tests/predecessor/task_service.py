"""A service whose task works with the database."""

from typing import Any

from celery import shared_task
from flask import current_app
from sqlalchemy import text

import modern_flask
from modern_flask import SessionDep, inject

CONFIG = {
    "DATABASE_ENGINE_URL": "sqlite+pysqlite:///:memory:",
    "CELERY_BROKER_URL": "memory://",
    "CELERY_TASK_ALWAYS_EAGER": True,
}


@shared_task
@inject
def name_app(session: SessionDep) -> str:
    session.execute(text("select 1"))
    return current_app.import_name


def create_app() -> Any:
    return modern_flask.create_app(__name__, config=CONFIG)
