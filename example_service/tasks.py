"""What happens after an upload."""

import logging

from celery import shared_task

from modern_flask import inject, transactional
from modern_flask.storage import ObjectChanged, ObjectNotFound

from .container import CatalogDep
from .models import State

__all__ = ["index_file"]

log = logging.getLogger(__name__)


@shared_task(acks_late=True)
@transactional
@inject
def index_file(file_id: int, key: str, catalog: CatalogDep) -> None:
    """Fill in what is known only from the content. Running it twice does no harm."""
    # A large file takes minutes; no transaction is open while it is read.
    try:
        found = catalog.read(key)
    except (ObjectNotFound, ObjectChanged):
        found = {"state": State.FAILED}
    if not catalog.note(file_id, found):
        log.info("File %d was deleted before it was indexed.", file_id)
    elif found["state"] is State.FAILED:
        log.warning("File %d has no content in storage.", file_id)
