"""The container of this service."""

from typing import Annotated

from dependency_injector import providers

import modern_flask
from modern_flask import Provide

from .catalog import Catalog

__all__ = ["CatalogDep", "Container", "LimitDep"]


class Container(modern_flask.Container):
    """The kit's container, and a catalog of files for each function that injects it."""

    catalog = providers.Factory(
        Catalog,
        modern_flask.Container.session,
        modern_flask.Container.storage,
        modern_flask.Container.celery,
    )


CatalogDep = Annotated[Catalog, Provide["catalog"]]
LimitDep = Annotated[int, Provide["config.UPLOAD_LIMIT"]]
