"""One request of ours and its answer, seen below the SDK.

The SDKs take any answer below 400 for a success, and drop headers of the others. So
the answer is judged where both send their requests: in the adapter of ``requests``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from ...failures import causes
from ...waiting import Deadline
from ..bodies import SentBody
from ..errors import StorageError, StorageUnavailable
from .answers import Answer, Operation
from .headers import lower_names
from .refusals import Refusal
from .sdk_errors import describe_lost_answer

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

__all__ = ["Exchange", "find_exchange"]

_LARGEST = 16 * 1024 * 1024  # bytes of a document; a page of a listing has about one
_PIECE = 64 * 1024

Transmit: TypeAlias = Callable[[tuple[float, float]], "Response"]

_current: ContextVar["Exchange | None"] = ContextVar("_current", default=None)


def find_exchange() -> "Exchange | None":
    """The exchange that the next request belongs to; ``None`` for a user's own."""
    return _current.get()


class Exchange:
    """One request and its answer.

    Args:
        operation: What is requested.
        key: The object's key, or a prefix.
        place: The bucket, in words.
        prefix: The beginning of the vendor's own headers.
        deadline: Until when the answer must be there.

    Attributes:
        fault: The error of the exchange, which the SDK may have wrapped in its own.
    """

    def __init__(
        self,
        operation: Operation,
        key: str,
        place: str,
        prefix: str,
        deadline: Deadline,
    ) -> None:
        self.operation, self.key = operation, key
        self.place, self.prefix = place, prefix
        self.deadline = deadline
        self.fault: Exception | None = None
        self._answer: Response | None = None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let the next request of this thread be this one; then raise its fault."""
        token = _current.set(self)
        try:
            yield
        except BaseException as error:
            # An SDK that can't read an answer leaves its connection open.
            if self._answer is not None:
                self._answer.close()
            if self.fault is None or not isinstance(error, Exception):
                raise
        finally:
            _current.reset(token)
        if self.fault is not None:
            raise self.fault

    def send(
        self, request: "PreparedRequest", timeout: Any, transmit: Transmit
    ) -> "Response":
        """The answer that ``transmit`` gets within the timeouts, if it is a right one.

        Raises:
            StorageError: The answer is not a right one, or there is none.
            Exception: The request's body raised it.
        """
        body: Any = request.body
        if isinstance(body, SentBody):
            body.deadline = self.deadline
        try:
            answer = self._answer = transmit(self._limit(timeout))
            self._check(request, answer)
        except StorageError as fault:
            self.fault = fault
            raise
        except Exception as error:
            self.fault = self._explain(error, body)
            raise self.fault from error
        return answer

    def _limit(self, timeout: Any) -> tuple[float, float]:
        """Seconds to connect and to wait for bytes, none beyond the deadline."""
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        left = self.deadline.left()
        if not left:
            raise TimeoutError("timed out")
        connect, read = (left if each is None else float(each) for each in pair)
        return min(connect, left), min(max(read, self.operation.patience), left)

    def _check(self, request: "PreparedRequest", answer: "Response") -> None:
        headers = lower_names(answer.headers)
        given = Answer(answer.status_code, headers, b"", self.prefix)
        if self.operation.has_object and given.fits(self.operation):
            return
        answer.raw = _BoundedBody(answer.raw, self.deadline)
        given = Answer(answer.status_code, headers, answer.content, self.prefix)
        if given.fits(self.operation):
            return
        forbids = f"{self.prefix}forbid-overwrite" in request.headers
        raise Refusal(
            given,
            self.operation,
            self.key,
            self.place,
            is_head=request.method == "HEAD",
            forbids=forbids,
        ).make_error()

    def _explain(self, error: Exception, body: Any) -> Exception:
        if isinstance(body, SentBody) and body.error is not None:
            return body.error
        reason = describe_lost_answer(error)
        lost = StorageUnavailable(self.operation.name, self.key, self.place, reason)
        # A body that was not sent to its end is not stored.
        whole = not isinstance(body, SentBody) or body.has_ended
        lost.maybe_done = whole and not _was_never_sent(error)
        return lost


def _was_never_sent(error: Exception) -> bool:
    """Whether there was no connection that could have carried the request."""
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    # urllib3 also wraps what is lost after a proxy was reached in a ProxyError.
    return any(
        isinstance(cause, ConnectTimeoutError | NewConnectionError)
        or "Tunnel connection failed" in str(cause)
        for cause in causes(error)
    )


class _BoundedBody:
    """The body of an answer that is read at once: not endless, and in time."""

    def __init__(self, raw: Any, deadline: Deadline) -> None:
        self._raw, self._deadline = raw, deadline

    def stream(self, _: int, decode_content: bool = True) -> Iterator[bytes]:
        # Without read1, of urllib3 2, the deadline holds for each piece.
        read, size = getattr(self._raw, "read1", self._raw.read), 0
        has_begun = False
        while piece := read(_PIECE, decode_content=decode_content):
            size += len(piece)
            if size > _LARGEST:
                raise OSError("The answer is too large.")
            # COS sends blanks while it joins parts; no parser of XML takes them.
            piece = piece if has_begun else piece.lstrip()
            has_begun = has_begun or bool(piece)
            yield piece
            if self._deadline.passed:
                raise TimeoutError("timed out")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)
