"""The task that runs after an upload."""

import logging

from celery import shared_task

from modern_flask import inject, transactional
from modern_flask.storage import ObjectChanged, ObjectNotFound

from .container import CatalogDep
from .models import State

__all__ = ["index_file"]

logger = logging.getLogger(__name__)


@shared_task(acks_late=True)
@transactional
@inject
def index_file(file_id: int, key: str, catalog: CatalogDep) -> None:
    """Read the content and update the row. It is safe to run this task twice."""
    # Reading a large file may take minutes, so no transaction is open in that time.
    try:
        columns = catalog.read(key)
    except (ObjectNotFound, ObjectChanged):
        columns = {"state": State.FAILED}
    if not catalog.update(file_id, columns):
        logger.info("File %d was deleted before it was indexed.", file_id)
    elif columns["state"] is State.FAILED:
        logger.warning("File %d has no content in storage.", file_id)
