"""Measures the check at start: 60 providers, 200 views.

    python -m tests.benchmarks.check [--providers 60] [--views 200] [--json]

It prints the first check, which a worker pays once, and the median of 15 further
checks of one app.
"""

import argparse
import gc
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
    """A container whose providers depend on the two before them."""
    made = containers.DynamicContainer()
    made.config = providers.Configuration()
    found: list[Any] = []
    for n in range(number):
        kind = (Once, Scoped, providers.Factory)[n % 3]
        # An object of the process may depend on objects of the process only.
        needs = [p for p in found[-2:] if n % 3 or isinstance(p, Once)]
        found.append(kind(list, *[providers.List(*needs)] if needs else []))
        setattr(made, f"p{n}", found[-1])
    return made


def service(number_of_providers: int, number_of_views: int) -> Flask:
    """An app whose views are injected three providers each."""
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
    parser = argparse.ArgumentParser(description="Measure the check at start.")
    parser.add_argument("--providers", type=int, default=60)
    parser.add_argument("--views", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    app = service(words.providers, words.views)
    # A collection of what was imported would count as a part of the first check.
    gc.collect()
    gc.freeze()
    times = [milliseconds(app) for _ in range(16)]
    first, middle = round(times[0], 1), round(median(times[1:]), 1)
    found = {"first_ms": first, "median_ms": middle}
    if words.json:
        print(json.dumps(found))
    else:
        print(f"{words.providers} providers, {words.views} views: {found}")


if __name__ == "__main__":
    main()
