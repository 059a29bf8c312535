"""Async targets behind functions without ``async``."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from dependency_injector import providers
from dependency_injector.wiring import Provide
from flask import Flask

from modern_flask import inject
from modern_flask.wiring.checks.asynchronous import FIX_ASYNC, AsyncTarget
from modern_flask.wiring.checks.run import check_wiring
from tests.wiring.shop import Shop, shop


async def load() -> str:
    return "loaded"


async def iterate() -> Any:
    yield "made"


def report(service: Callable[..., Flask], provider: Any, is_async: bool) -> list[Any]:
    class Own(Shop):
        svc = provider

    app = service(shop(Own), __name__)

    @inject
    def view(svc: Annotated[Any, Provide["svc"]]) -> str: ...

    @inject
    async def later(svc: Annotated[Any, Provide["svc"]]) -> str: ...

    app.add_url_rule("/", "view", later if is_async else view)
    return list(check_wiring(app, app.extensions["modern_flask"], {}))


@pytest.mark.parametrize(
    "provider",
    [
        providers.Singleton(load),
        providers.ThreadSafeSingleton(load),
        providers.Resource(load),
        providers.Resource(iterate),
        providers.Factory(list, providers.Callable(load)),
        providers.Factory(list, providers.Coroutine(load)),
        providers.List(providers.Singleton(load)),
    ],
)
def test_async_target_in_a_view_that_is_not(service: Any, provider: Any) -> None:
    """What the library would have to wait for is a fault; an async view is none."""
    (fault,) = report(service, provider, is_async=False)

    assert isinstance(fault, AsyncTarget)
    assert fault.what.startswith(
        "View view (`svc`) is not async, but an async function"
    )
    assert fault.lines[-1] == ("fix", FIX_ASYNC)
    assert report(service, provider, is_async=True) == []


@pytest.mark.parametrize(
    "provider", [providers.Callable(load), providers.Factory(load)]
)
def test_coroutine_itself_is_not_judged(service: Any, provider: Any) -> None:
    """A view may run the coroutine that it is injected with."""
    assert report(service, provider, is_async=False) == []
