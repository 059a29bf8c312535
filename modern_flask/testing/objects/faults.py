"""The failures of a server for tests: which requests fail, and how."""

from dataclasses import dataclass
from typing import Any

from .http import Request

__all__ = ["Faults"]


@dataclass
class _Fault:
    """A failure of the next requests that match it."""

    kind: str
    value: Any = None
    method: str | None = None
    key: str | None = None
    times: int = 1
    skip: int = 0

    def fits(self, request: Request) -> bool:
        return self.method in {None, request.method} and (
            self.key is None or request.path.endswith(self.key)
        )


class Faults:
    """The failures that a test has asked for, and that have not happened yet."""

    def __init__(self) -> None:
        self._faults: list[_Fault] = []

    def fault(
        self,
        kind: str,
        value: Any = None,
        *,
        method: str | None = None,
        key: str | None = None,
        times: int = 1,
        skip: int = 0,
    ) -> None:
        """Make the next matching requests fail.

        Args:
            kind: ``status`` answers with ``value``, a number or a pair of number and
                code. ``drop`` closes the connection before the request is handled, and
                ``lose`` after it is handled, without an answer. ``delay`` waits
                ``value`` seconds. ``truncate`` sends ``value`` bytes of the body.
                ``drip`` waits ``value`` seconds after each byte of the body.
                ``corrupt`` flips a bit in the first byte of a body that is stored or
                sent. ``answer`` sends ``value``, an :class:`Answer`, in place of the
                vendor's after the request is handled, and ``reply`` before it is, so
                that it has no effect. ``headers`` changes the vendor's answer by
                ``value``, headers with their new values; None removes one.
            value: See ``kind``.
            method: The request's method; any by default.
            key: The end of the request's path; any by default.
            times: The number of requests that fail.
            skip: The number of matching requests that succeed before the first failure.
        """
        self._faults.append(_Fault(kind, value, method, key, times, skip))

    def heal(self) -> None:
        """Remove the faults that have not happened yet."""
        self._faults.clear()

    def _take_faults(self, request: Request) -> dict[str, Any]:
        taken = {}
        for fault in [fault for fault in self._faults if fault.fits(request)]:
            if fault.skip:
                fault.skip -= 1
                continue
            taken[fault.kind] = fault.value
            fault.times -= 1
            if not fault.times:
                self._faults.remove(fault)
        return taken
