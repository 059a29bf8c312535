"""Programs that mostly wait, at the same time: a fixture runs all, a test sees one."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

C = TypeVar("C")
R = TypeVar("R")


def run_together(run: Callable[[C], R], cases: Iterable[C]) -> dict[C, Future[R]]:
    """Call ``run`` for all cases at the same time, and wait until all have ended.

    Returns:
        The result of each case. What a case raised is raised by ``result()``, so only
        the test of this case fails.
    """
    each = list(cases)
    with ThreadPoolExecutor(len(each)) as pool:
        return {case: pool.submit(run, case) for case in each}
