"""Posts a batch to a back end over a persistent connection, with limited retries."""

from __future__ import annotations

import threading
import time

import requests
from isal import igzip

from ...failures import describe
from ...waiting import Backoff, Deadline, Retries, parse_retry_after
from ..metrics.http_client import UnmeasuredAdapter
from .destination import Destination

__all__ = ["Poster"]

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
_COMPRESS_FROM = 1024  # bytes
PAUSE, _LONGEST_PAUSE = 0.25, 4.0  # seconds before the first retry, and at most
_ANSWER = 64 * 1024  # bytes to read of an answer, so that the connection is kept


class Poster:
    """Posts batches. One thread posts; another calls :meth:`hurry` and :meth:`close`.

    Args:
        destination: The back end.
        budget: Seconds for one batch with all its retries.
    """

    def __init__(self, destination: Destination, budget: float) -> None:
        self.destination, self.budget = destination, budget
        self._session: requests.Session | None = None
        self._closing = Deadline(float("inf"))
        self._hurried = threading.Event()

    def hurry(self, seconds: float) -> None:
        """End the batch in flight, and all later ones, within ``seconds``."""
        self._closing = Deadline(seconds)
        self._hurried.set()

    def close(self) -> None:
        """Close the connection. Later calls of :meth:`post` send nothing."""
        self._closing = Deadline(0.0)
        if self._session is not None:
            self._session.close()

    def post(self, body: bytes) -> str | None:
        """Post one batch.

        Returns:
            The reason why the back end did not accept the batch; None if it did.
        """
        headers = {"Content-Type": self.destination.content_type}
        headers |= self.destination.headers
        if self.destination.compressed and len(body) >= _COMPRESS_FROM:
            body = igzip.compress(body, 1)
            headers["Content-Encoding"] = "gzip"
        retries = Retries(Backoff(PAUSE, _LONGEST_PAUSE, budget=self.budget))
        while True:
            reason, at_least = self._try(body, headers, retries.deadline)
            if reason is None or at_least is None:
                return reason
            pause = retries.next_pause(at_least)
            if pause is None or pause >= self._closing.left():
                return reason
            self._wait(pause)

    def _wait(self, seconds: float) -> None:
        """Wait for the next attempt; :meth:`hurry` ends the wait early."""
        if self._hurried.is_set():
            time.sleep(seconds)
        else:
            self._hurried.wait(seconds)

    def _try(
        self, body: bytes, headers: dict[str, str], end: Deadline
    ) -> tuple[str | None, float | None]:
        """Post once.

        Returns:
            The reason why the back end did not accept the batch, and the minimum
            seconds before the next attempt. Both are None if the back end accepted it.
            Only the seconds are None if another attempt is useless.
        """
        left = min(end.left(), self._closing.left())
        if left <= 0:
            return "there was no time left", None
        try:
            answer = self._open().post(
                self.destination.endpoint,
                data=body,
                headers=headers,
                timeout=min(self.destination.timeout, left),
                # A redirect leads to a login page, not to a collector.
                allow_redirects=False,
                stream=True,
            )
            with answer:
                answer.raw.read(_ANSWER)
        except Exception as error:
            # The text of the error is left out: requests puts the whole URL into it.
            return describe(error), 0.0
        status = answer.status_code
        if 200 <= status < 300:
            return None, None
        reason = f"it answered {status}"
        if status not in _RETRIED:
            return reason, None
        return reason, parse_retry_after(answer.headers.get("Retry-After", ""))

    def _open(self) -> requests.Session:
        if self._session is None:
            session = requests.Session()
            # The service's proxies and .netrc are meant for its own requests.
            session.trust_env = False
            # The metrics of outgoing requests are those of the service.
            session.mount("https://", UnmeasuredAdapter())
            session.mount("http://", UnmeasuredAdapter())
            if self.destination.authority:
                session.verify = self.destination.authority
            session.cert = self.destination.certificate
            self._session = session
        return self._session
