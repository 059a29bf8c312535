"""One bounded uploader of spans, which never holds a request up."""

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

from opentelemetry import context
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from ..metrics.families import SPANS
from .destination import Destination
from .post import Poster
from .redaction import harmless

__all__ = ["CLOSE_DEADLINE", "Limits", "Uploader"]

CLOSE_DEADLINE = 3.0  # seconds, well below gunicorn's and a pod's grace
QUIET = 60.0  # seconds between two log lines about the same trouble

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """The ``OTEL_BSP_*`` variables; times in seconds."""

    queue: int = 2048
    batch: int = 512
    delay: float = 5.0
    budget: float = 30.0  # for one batch with all its retries

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Limits:
        def number(name: str, default: float, scale: float = 1) -> float:
            try:
                found = float(environ.get(name) or default * scale) / scale
            except ValueError:
                found = -1
            if not 0 < found < float("inf"):
                logger.warning(
                    "%s is no positive number; %g it is.", name, default * scale
                )
                return default
            return found

        queue = int(number("OTEL_BSP_MAX_QUEUE_SIZE", cls.queue)) or 1
        batch = int(number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", cls.batch)) or 1
        delay = number("OTEL_BSP_SCHEDULE_DELAY", cls.delay, 1000)
        budget = number("OTEL_BSP_EXPORT_TIMEOUT", cls.budget, 1000)
        return cls(queue, min(batch, queue), delay, budget)


class Uploader(SpanProcessor):
    """Collects ended spans and posts them in batches from a thread of its own.

    ``sent``, ``dropped`` (the queue was full, or closed) and ``failed`` (the backend
    did not take them, or there was no time) count spans.
    """

    def __init__(self, destination: Destination, limits: Limits | None = None) -> None:
        self.destination = destination
        self.limits = limits or Limits()
        self._encoder = destination.encoder()
        self._closed = False
        self._start_anew()
        me = weakref.WeakMethod(self._start_anew)
        os.register_at_fork(after_in_child=lambda: _call(me))

    def _start_anew(self) -> None:
        """Empty, with a lock of its own: a forked child must not send its parent's."""
        self.sent = self.dropped = self.failed = 0
        self._queue: deque[ReadableSpan] = deque()
        self._ready = threading.Condition()
        self._thread: threading.Thread | None = None
        self._poster = Poster(self.destination, self.limits.budget)
        self._on_its_way = 0
        self._urged = False
        self._silent_until = 0.0

    def on_end(self, span: ReadableSpan) -> None:
        spoken = span.context
        if spoken is None or not spoken.trace_flags.sampled:
            return
        with self._ready:
            if not self._closed and len(self._queue) < self.limits.queue:
                self._queue.append(span)
                if self._thread is None:
                    self._run()
                # Exactly: every further span would wake the thread again.
                if len(self._queue) == self.limits.batch:
                    self._ready.notify_all()
                return
            self.dropped += 1
        SPANS.labels("dropped").inc()
        self._tell("the queue of spans is full, spans are dropped")

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued now; False when that takes longer."""
        deadline = time.monotonic() + timeout_millis / 1000
        with self._ready:
            while self._queue or self._on_its_way:
                left = deadline - time.monotonic()
                if left <= 0 or self._thread is None:
                    return False
                self._urged = True
                self._ready.notify_all()
                self._ready.wait(min(left, 0.05))
        return True

    def close(self, seconds: float = CLOSE_DEADLINE) -> bool:
        """Flush and stop within ``seconds``; what is left then is counted as failed.

        Returns:
            Whether no span was lost meanwhile.
        """
        if sys.is_finalizing():
            # Its thread stands still, perhaps with the lock: waiting would never end.
            return False
        with self._ready:
            if self._closed:
                return True
            failed = self.failed
        self._poster.hurry(seconds)
        if self._thread is None and self._queue:
            # No thread can be started while the interpreter ends.
            self._deliver(self._take(len(self._queue)))
        self.force_flush(int(seconds * 1000))
        with self._ready:
            self._closed = True
            left = len(self._queue) + self._on_its_way
            self.failed += left
            self._queue.clear()
            self._ready.notify_all()
        if left:
            SPANS.labels("failed").inc(left)
            logger.warning(
                "%d spans are lost: %s did not take them within %g s.",
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
        context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
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
        self._on_its_way = len(batch)
        return batch

    def _deliver(self, batch: Sequence[ReadableSpan]) -> None:
        trouble = None
        good: Sequence[ReadableSpan] = batch
        try:
            body = self._encode(batch)
        except Exception:
            # One span that can't be encoded must not take the others with it.
            good = [span for span in batch if self._encodes(span)]
            body = self._encode(good) if good else b""
            trouble = "some can't be encoded"
        failed = len(batch) - len(good)
        if good and (refused := self._poster.post(body)):
            trouble, failed = refused, len(batch)
        if trouble:
            self._tell(trouble)
        # The counts come last: whoever sees them finds the line in the log as well.
        with self._ready:
            self._on_its_way = 0
            if self._closed:
                return  # close() has counted them
            SPANS.labels("failed").inc(failed)
            SPANS.labels("sent").inc(len(batch) - failed)
            self.failed += failed
            self.sent += len(batch) - failed

    def _encode(self, spans: Sequence[ReadableSpan]) -> bytes:
        return self._encoder([harmless(span) for span in spans])

    def _encodes(self, span: ReadableSpan) -> bool:
        try:
            self._encode([span])
        except Exception:
            return False
        return True

    def _tell(self, trouble: str) -> None:
        now = time.monotonic()
        if self._closed or now < self._silent_until:
            return
        self._silent_until = now + QUIET
        logger.warning("Spans are lost: %s, %s.", self.destination, trouble)


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()
