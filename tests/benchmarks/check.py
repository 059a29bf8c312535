"""How long the check at start takes: 60 providers, 200 views.

    python -m tests.benchmarks.check [--providers 60] [--views 200] [--json]

What is printed is the median of 15 checks of one app, and the first of all, which a
worker pays once.
"""

import argparse
import json
from statistics import median
from time import perf_counter
from typing import Annotated, Any

from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from flask import Flask

from modern_flask.wiring import Once, Scoped, bind, inject
from modern_flask.wiring.checks.run import check_wiring


def container(number: int) -> Any:
    """Providers, each but the first on the two before it."""
    made = containers.DynamicContainer()
    made.config = providers.Configuration()
    found: list[Any] = []
    for n in range(number):
        kind = (Once, Scoped, providers.Factory)[n % 3]
        # Objects of the process stand on each other only.
        needs = [p for p in found[-2:] if n % 3 or isinstance(p, Once)]
        found.append(kind(list, *[providers.List(*needs)] if needs else []))
        setattr(made, f"p{n}", found[-1])
    return made


def service(number_of_providers: int, number_of_views: int) -> Flask:
    """Views that ask for three providers each."""
    app = Flask("checked")
    bind(app, container(number_of_providers))
    for n in range(number_of_views):
        one, two, three = (f"p{(n + i) % number_of_providers}" for i in range(3))

        @app.get(f"/{n}", endpoint=f"view{n}")
        @inject
        def view(
            a: Annotated[list[Any], Provide[one]],
            b: Annotated[list[Any], Provide[two]],
            c: Annotated[list[Any], Provide[three]],
        ) -> str:
            return ""

    return app


def milliseconds(app: Flask) -> float:
    begun = perf_counter()
    found = list(check_wiring(app, app.extensions["modern_flask"], {}))
    assert not found, found
    return (perf_counter() - begun) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description="How long the check at start takes.")
    parser.add_argument("--providers", type=int, default=60)
    parser.add_argument("--views", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    app = service(words.providers, words.views)
    times = [milliseconds(app) for _ in range(16)]
    told = {"first_ms": round(times[0], 1), "median_ms": round(median(times[1:]), 1)}
    if words.json:
        print(json.dumps(told))
    else:
        print(f"{words.providers} providers, {words.views} views: {told}")


if __name__ == "__main__":
    main()
