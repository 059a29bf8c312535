"""Types for the parameters of views: ``def upload(storage: StorageDep)``.

Under ``@inject``, each parameter gets the object of the provider in its type. The
packages behind a type are imported when the type itself is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from dependency_injector.wiring import Provide

from .storage import Storage

if TYPE_CHECKING:
    from celery import Celery
    from redis import Redis
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    CeleryDep = Annotated[Celery, Provide["celery"]]
    EngineDep = Annotated[Engine, Provide["engine"]]
    RedisDep = Annotated[Redis, Provide["redis"]]
    ReadOnlySessionDep = Annotated[Session, Provide["readonly_session"]]
    SessionDep = Annotated[Session, Provide["session"]]

__all__ = [
    "CeleryDep",
    "EngineDep",
    "ReadOnlySessionDep",
    "RedisDep",
    "SessionDep",
    "StorageDep",
]

StorageDep = Annotated[Storage, Provide["storage"]]


def __getattr__(name: str) -> Any:
    if name == "CeleryDep":
        from celery import Celery

        return Annotated[Celery, Provide["celery"]]
    if name == "RedisDep":
        from redis import Redis

        return Annotated[Redis, Provide["redis"]]
    if name == "SessionDep":
        from sqlalchemy.orm import Session

        return Annotated[Session, Provide["session"]]
    if name == "ReadOnlySessionDep":
        from sqlalchemy.orm import Session

        return Annotated[Session, Provide["readonly_session"]]
    if name == "EngineDep":
        from sqlalchemy import Engine

        return Annotated[Engine, Provide["engine"]]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
