"""An uploader of spans with a bounded queue. It never delays a request."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from ...waiting import Deadline
from ..metrics.families import SPANS
from ..sdk import suppress_in_thread
from .destination import Destination
from .post import Poster
from .redaction import redact_span

__all__ = ["CLOSE_DEADLINE", "QUIET", "Limits", "Uploader"]

CLOSE_DEADLINE = 3.0  # seconds, well below the grace periods of gunicorn and a pod
QUIET = 60.0  # seconds between two log lines about lost spans

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """The ``OTEL_BSP_*`` variables; times in seconds.

    Args:
        queue: How many spans may wait.
        batch: How many spans are sent at once.
        delay: The longest time for which a span waits for others.
        budget: The longest time for one batch with all its retries.
    """

    queue: int = 2048
    batch: int = 512
    delay: float = 5.0
    budget: float = 30.0

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Limits:
        """Read the variables. Their times are in milliseconds."""

        def number(name: str, default: float, scale: float = 1) -> float:
            try:
                found = float(environ.get(name) or default * scale) / scale
            except ValueError:
                found = -1
            if not 0 < found < float("inf"):
                logger.warning(
                    "%s is not a positive number; %g is used.", name, default * scale
                )
                return default
            return found

        queue = int(number("OTEL_BSP_MAX_QUEUE_SIZE", cls.queue)) or 1
        batch = int(number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", cls.batch)) or 1
        delay = number("OTEL_BSP_SCHEDULE_DELAY", cls.delay, 1000)
        budget = number("OTEL_BSP_EXPORT_TIMEOUT", cls.budget, 1000)
        return cls(queue, min(batch, queue), delay, budget)


class Uploader(SpanProcessor):
    """Collects ended spans, and posts them in batches from its own thread.

    Three attributes count spans: ``sent``, ``dropped`` (the queue was full or closed)
    and ``failed`` (the back end did not accept them, or there was no time left).
    """

    def __init__(self, destination: Destination, limits: Limits | None = None) -> None:
        self.destination = destination
        self.limits = limits or Limits()
        self._encoder = destination.load_encoder()
        self._closed = False
        self._reset()
        # Weak, because a registration lasts as long as the process.
        reset = weakref.WeakMethod(self._reset)
        os.register_at_fork(after_in_child=lambda: _call(reset))

    def _reset(self) -> None:
        """Begin with an empty queue and a new lock.

        A forked child must not send the spans of its parent.
        """
        self.sent = self.dropped = self.failed = 0
        self._queue: deque[ReadableSpan] = deque()
        self._ready = threading.Condition()
        self._thread: threading.Thread | None = None
        self._poster = Poster(self.destination, self.limits.budget)
        self._in_flight = 0
        self._urged = False
        self._quiet_until = 0.0

    def on_end(self, span: ReadableSpan) -> None:
        context = span.context
        if context is None or not context.trace_flags.sampled:
            return
        with self._ready:
            if not self._closed and len(self._queue) < self.limits.queue:
                self._queue.append(span)
                if self._thread is None:
                    self._run()
                # Notify only once: every further span would wake the thread again.
                if len(self._queue) == self.limits.batch:
                    self._ready.notify_all()
                return
            self.dropped += 1
        SPANS.labels("dropped").inc()
        self._warn("the queue of spans is full, spans are dropped")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send all queued spans; return False if that exceeds the timeout."""
        deadline = Deadline(timeout_millis / 1000)
        with self._ready:
            while self._queue or self._in_flight:
                if deadline.passed or self._thread is None:
                    return False
                self._urged = True
                self._ready.notify_all()
                self._ready.wait(min(deadline.left(), 0.05))
        return True

    def close(self, seconds: float = CLOSE_DEADLINE) -> bool:
        """Flush and stop within ``seconds``. Spans that remain count as failed.

        Returns:
            Whether all queued spans were sent.
        """
        if sys.is_finalizing():
            # The thread no longer runs and may hold the lock: a wait would never end.
            return False
        with self._ready:
            if self._closed:
                return True
            failed = self.failed
        self._poster.hurry(seconds)
        if self._thread is None and self._queue:
            # No thread can start while the interpreter ends.
            self._deliver(self._take(len(self._queue)))
        self.force_flush(int(seconds * 1000))
        with self._ready:
            self._closed = True
            left = len(self._queue) + self._in_flight
            self.failed += left
            self._queue.clear()
            self._ready.notify_all()
        if left:
            SPANS.labels("failed").inc(left)
            logger.warning(
                "%d spans are lost: %s did not accept them within %g s.",
                left,
                self.destination,
                seconds,
            )
        self._poster.close()
        return self.failed == failed

    def shutdown(self) -> None:
        self.close()

    def _run(self) -> None:
        thread = threading.Thread(target=self._work, name="spans", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return
        self._thread = thread

    def _work(self) -> None:
        suppress_in_thread()
        while True:
            with self._ready:
                self._ready.notify_all()
                if not self._closed and not self._urged:
                    self._ready.wait_for(self._is_due, self.limits.delay)
                if self._closed:
                    return
                self._urged = False
                batch = self._take(self.limits.batch)
            if batch:
                self._deliver(batch)

    def _is_due(self) -> bool:
        return self._closed or self._urged or len(self._queue) >= self.limits.batch

    def _take(self, size: int) -> list[ReadableSpan]:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), size))]
        self._in_flight = len(batch)
        return batch

    def _deliver(self, batch: Sequence[ReadableSpan]) -> None:
        reason = None
        good: Sequence[ReadableSpan] = batch
        try:
            body = self._encode(batch)
        except Exception:
            # One span that can't be encoded must not lose the others.
            good = [span for span in batch if self._can_encode(span)]
            body = self._encode(good) if good else b""
            reason = "some can't be encoded"
        failed = len(batch) - len(good)
        if good and (refusal := self._poster.post(body)):
            reason, failed = refusal, len(batch)
        if reason:
            self._warn(reason)
        # Count after logging, so that the log line exists when the counts change.
        with self._ready:
            self._in_flight = 0
            if self._closed:
                return  # close() has counted them
            SPANS.labels("failed").inc(failed)
            SPANS.labels("sent").inc(len(batch) - failed)
            self.failed += failed
            self.sent += len(batch) - failed

    def _encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        return self._encoder([redact_span(span) for span in spans])

    def _can_encode(self, span: ReadableSpan) -> bool:
        try:
            self._encode([span])
        except Exception:
            return False
        return True

    def _warn(self, reason: str) -> None:
        now = time.monotonic()
        if self._closed or now < self._quiet_until:
            return
        self._quiet_until = now + QUIET
        logger.warning("Spans are lost: %s, %s.", self.destination, reason)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()
