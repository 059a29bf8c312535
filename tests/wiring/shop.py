"""A container with a provider of each kind, for the services of the tests."""

from collections.abc import Iterator
from typing import Annotated, Any

from dependency_injector import containers, providers
from dependency_injector.wiring import Provide

from modern_flask.config.values import Origin, Values
from modern_flask.wiring import Choice, Once, Opened, Scoped, section


class Session:
    """An object of a request."""


class Mailer:
    """A class that accepts any arguments."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments


def open_session() -> Iterator[Session]:
    yield Session()


class Shop(containers.DeclarativeContainer):
    """A container without a fault."""

    config = providers.Configuration()
    name = providers.Object("shop")
    session = Scoped(open_session)
    catalog = providers.Factory(list, providers.List(session))
    mailer = Once(Mailer, section(config, "MAIL_", "HOST"))
    letters = providers.Factory(list, mailer)
    storage = Choice(config.VENDOR, memory=Opened(list), disk=Opened(dict))
    taxed = providers.Factory(Mailer, config.TAX)
    customer = providers.Dependency()
    basket = providers.Factory(Mailer, customer)


NameDep = Annotated[str, Provide["name"]]
SessionDep = Annotated[Session, Provide["session"]]


def shop(kind: type[containers.DeclarativeContainer] = Shop, **values: Any) -> Any:
    """A container with ``values`` set in ``config.py``."""
    container = kind()
    origin = Origin("config.py", 7)
    container.config.override(
        Values(values, dict.fromkeys(values, origin), ["config.py", "FLASK_*"])
    )
    return container
