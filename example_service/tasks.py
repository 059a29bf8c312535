"""What happens after an upload."""

import logging

from celery import shared_task

from modern_flask import inject, transactional
from modern_flask.storage import ObjectNotFound

from .container import CatalogDep
from .models import File, State

__all__ = ["index_file"]

log = logging.getLogger(__name__)


@shared_task(acks_late=True)
@transactional
@inject
def index_file(file_id: int, catalog: CatalogDep) -> None:
    """Fill in what is known only from the content. Running it twice does no harm."""
    file = catalog.session.get(File, file_id)
    if file is None:
        log.info("File %d was deleted before it was indexed.", file_id)
        return
    try:
        catalog.index(file)
    except ObjectNotFound:
        file.state = State.FAILED
        log.warning("File %d has no content in storage.", file_id)
