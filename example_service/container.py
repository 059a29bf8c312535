"""What this service has beside what every service has."""

from typing import Annotated

from dependency_injector import providers

import modern_flask
from modern_flask import Provide

from .catalog import Catalog

__all__ = ["CatalogDep", "Container", "LimitDep"]


class Container(modern_flask.Container):
    """The kit's container and the catalog of files, one for each request or task."""

    catalog = providers.Factory(
        Catalog,
        modern_flask.Container.session,
        modern_flask.Container.storage,
        modern_flask.Container.celery,
    )


CatalogDep = Annotated[Catalog, Provide["catalog"]]
LimitDep = Annotated[int, Provide["config.UPLOAD_LIMIT"]]
