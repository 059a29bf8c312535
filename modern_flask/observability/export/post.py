"""One batch to one backend over a kept connection, with retries in a budget."""

from __future__ import annotations

import gzip
import random
import threading
import time

import requests

from .destination import Destination

__all__ = ["Poster"]

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_COMPRESS_FROM = 1024  # bytes
PAUSE, _LONGEST_PAUSE = 0.25, 4.0  # seconds before the first retry, and at most
_ANSWER = 64 * 1024  # bytes that are read of an answer, to keep the connection


class Poster:
    """Posts from one thread; :meth:`hurry` and :meth:`close` come from another.

    Args:
        destination: The backend.
        budget: Seconds for one batch with all its retries.
    """

    def __init__(self, destination: Destination, budget: float) -> None:
        self.destination, self.budget = destination, budget
        self._session: requests.Session | None = None
        self._until = float("inf")
        self._hurried = threading.Event()

    def hurry(self, seconds: float) -> None:
        """End all that is under way, and all that comes, within ``seconds``."""
        self._until = time.monotonic() + seconds
        self._hurried.set()

    def close(self) -> None:
        self._until = 0.0
        if self._session is not None:
            self._session.close()

    def post(self, body: bytes) -> str | None:
        """Post one batch; what went wrong in the end, or None."""
        headers = {"Content-Type": self.destination.content_type}
        headers |= self.destination.headers
        if self.destination.compressed and len(body) >= _COMPRESS_FROM:
            body = gzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        end = time.monotonic() + self.budget
        pause = PAUSE
        while True:
            trouble, wait = self._try(body, headers, end)
            if trouble is None or wait is None:
                return trouble
            # Jitter: the replicas of a service must not come back all at once.
            wait = max(wait, pause * random.uniform(0.5, 1))
            if time.monotonic() + wait >= min(end, self._until):
                return trouble
            if self._hurried.is_set():
                time.sleep(wait)
            else:
                self._hurried.wait(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _try(
        self, body: bytes, headers: dict[str, str], end: float
    ) -> tuple[str | None, float | None]:
        """What went wrong, and after how many seconds at least to try again."""
        left = min(end, self._until) - time.monotonic()
        if left <= 0:
            return "there was no time left", None
        try:
            answer = self._open().post(
                self.destination.endpoint,
                data=body,
                headers=headers,
                timeout=min(self.destination.timeout, left),
                # What answers elsewhere is a login page, not a collector.
                allow_redirects=False,
                stream=True,
            )
            with answer:
                answer.raw.read(_ANSWER)
        except Exception as error:
            # Not its text: requests puts the whole URL into it.
            return type(error).__name__, 0.0
        status = answer.status_code
        if 200 <= status < 300:
            return None, None
        trouble = f"it answered {status}"
        if status not in _RETRIED:
            return trouble, None
        asked = answer.headers.get("Retry-After", "")
        return trouble, float(asked) if asked.isdecimal() else 0.0

    def _open(self) -> requests.Session:
        if self._session is None:
            session = requests.Session()
            # The service's proxies and .netrc are for its own requests.
            session.trust_env = False
            if self.destination.authority:
                session.verify = self.destination.authority
            session.cert = self.destination.certificate
            self._session = session
        return self._session
