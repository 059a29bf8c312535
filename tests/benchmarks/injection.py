"""Measures what injection adds to a whole Flask request, for the kit and its peers.

    python -m tests.benchmarks.injection [--rounds 300] [--calls 20] [--json]

It needs the extra ``bench``. In each round every app answers every route ``calls``
times, in a random order; the times of a round are compared with plain Flask in the same
round. They are times of the processor, so that other programs count little. The table
shows the median of these differences and half of their interquartile range. ``plain
(again)`` is a second app of plain Flask: its difference is noise.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import random
from collections.abc import Callable
from importlib.metadata import version
from statistics import median, quantiles
from time import thread_time_ns
from typing import Any

from flask import Flask
from werkzeug.test import EnvironBuilder

from tests.benchmarks.services import APPS, ROUTES

BASE, AGAIN = "plain", "plain (again)"
PACKAGES = (
    "flask",
    "dependency-injector",
    "wireup",
    "dishka",
    "svcs",
    "flask-injector",
)
# Flask-Injector creates an object for the request and does not close it.
UNLIKE = {("flask_injector", "/unit")}


def make_caller(app: Flask, path: str) -> Callable[[int], None]:
    """A function that requests ``path`` many times, as a server does."""
    environ = EnvironBuilder(path).get_environ()

    def start(status: str, headers: Any, *rest: Any) -> Any:
        assert status == "200 OK"

    def call(number: int) -> None:
        for _ in range(number):
            body = app(dict(environ), start)
            for _part in body:
                pass
            body.close()  # type: ignore[attr-defined]

    return call


def measure(rounds: int, calls: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds for each request, by app and route, one value for each round."""
    apps = {name: make() for name, make in APPS.items()}
    apps[AGAIN] = APPS[BASE]()
    callers = {
        (name, route): make_caller(app, route)
        for name, app in apps.items()
        for route in ROUTES
        if (name, route) not in UNLIKE
    }
    for call in callers.values():
        call(200)
    found: dict[str, dict[str, list[float]]] = {name: {} for name in apps}
    order = list(callers)
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        random.shuffle(order)
        for name, route in order:
            begun = thread_time_ns()
            callers[name, route](calls)
            spent = (thread_time_ns() - begun) / calls / 1000
            found[name].setdefault(route, []).append(spent)
    return found


def compare(times: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, Any]]:
    """For each app and route, the median of the added time, and its spread."""
    table: dict[str, dict[str, Any]] = {}
    for name, routes in times.items():
        for route, spent in routes.items():
            base = times[BASE][route]
            differences = [one - other for one, other in zip(spent, base, strict=True)]
            low, _, high = quantiles(differences, n=4)
            table.setdefault(name, {})[route] = {
                "request": round(median(spent), 2),
                "added": round(median(differences), 2),
                "spread": round((high - low) / 2, 2),
            }
    return table


def format_table(table: dict[str, dict[str, Any]]) -> list[str]:
    lines = [f"{'us a request':<20}" + "".join(f"{route:>16}" for route in ROUTES)]
    for name, routes in table.items():
        cells = [f"{name:<20}"]
        for route in ROUTES:
            one = routes.get(route)
            if one is None:
                cells.append(f"{'-':>16}")
            elif name == BASE:
                cells.append(f"{one['request']:>16.2f}")
            else:
                cells.append(f"{one['added']:>+9.2f} ±{one['spread']:5.2f}")
        lines.append("".join(cells))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure what injection adds to a request."
    )
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    table = compare(measure(words.rounds, words.calls))
    versions = {"python": platform.python_version()}
    versions |= {package: version(package) for package in PACKAGES}
    if words.json:
        print(json.dumps({"versions": versions, "microseconds": table}, indent=2))
        return
    print(", ".join(f"{name} {number}" for name, number in versions.items()))
    print("\n".join(format_table(table)))


if __name__ == "__main__":
    main()
