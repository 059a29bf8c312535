"""Runs a configuration in a new namespace and returns its keys and values.

The namespace records the line of every assignment at the top level, so the origin of a
value is the line that really set it. A value that is set in another way (through
``globals()``, or by a function that declares ``global``) has no line.
"""

import ast
import builtins
import io
import keyword
import logging
import re
import sys
import tokenize
import warnings
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from types import CodeType
from typing import Any

from ..places import find_service_place, locate_line
from .errors import FailedToRun, ForeignSyntax, WrongEncoding
from .foreign import describe_keyless, looks_like_json
from .masking import MASK
from .values import Origin

__all__ = ["execute_source"]

logger = logging.getLogger(__name__)


def execute_source(
    content: bytes, file: str, source: str
) -> tuple[dict[str, Any], dict[str, Origin]]:
    """Run a configuration and return its UPPER_CASE names.

    Args:
        content: Python source code in UTF-8, or in the encoding that it declares
            (PEP 263).
        file: The ``__file__`` that the configuration sees.
        source: The redacted name of the source, for origins and errors.

    Returns:
        The values by key, and the origins by key.

    Raises:
        WrongEncoding, ForeignSyntax: The source can't be compiled, or it is JSON.
        FailedToRun: The configuration raised an exception, or called ``sys.exit``.
    """
    if looks_like_json(content):
        remedy = "write each key as NAME = value"
        raise ForeignSyntax(source, "it is JSON", remedy=remedy)
    code = _compile(content, source)
    names: dict[str, Any] = {
        "__builtins__": builtins,
        "__file__": file,
        "__name__": "config",
    }
    namespace = _RecordingNamespace(names, code.co_filename)
    fault = _run(code, names, namespace, source)
    # Raised outside of the handler: as a context, the exception would be printed by
    # everyone who prints this error.
    if fault is not None:
        raise fault
    values = {key: value for key, value in names.items() if key.isupper()}
    if not values:
        reason = describe_keyless(content, names)
        logger.warning("The configuration %s sets no key: %s.", source, reason)
    origins = {key: Origin(source, namespace.lines.get(key)) for key in values}
    return values, origins


def _run(
    code: CodeType, names: dict[str, Any], namespace: Any, source: str
) -> FailedToRun | None:
    """Run a compiled configuration, and return the fault if it raises an exception."""
    try:
        with _hidden_warnings():
            exec(code, names, namespace)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return _make_fault(error, code.co_filename, source)
    return None


@contextmanager
def _hidden_warnings() -> Iterator[None]:
    """Show the warnings of the block without their texts, which may hold a secret."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    for each in caught or ():
        text = f"{each.category.__name__} in the configuration (its text is hidden)"
        # Only a class of Python certainly accepts a text.
        own = each.category.__module__ == "builtins"
        kind = each.category if own else UserWarning
        warnings.warn_explicit(text, kind, each.filename, each.lineno)


def _make_fault(error: BaseException, filename: str, source: str) -> FailedToRun:
    line, below, traceback = None, None, error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == filename:
            line, below = traceback.tb_lineno, traceback.tb_next
        traceback = traceback.tb_next
    raised_in = find_service_place(below)
    if isinstance(error, SyntaxError) and error.filename not in (None, filename):
        raised_in = locate_line(error.filename, error.lineno)
    return FailedToRun(source, type(error).__name__, line, raised_in)


class _RecordingNamespace(MutableMapping[str, Any]):
    """A view of a namespace that records the line of each assignment.

    ``exec`` takes any mapping as its locals, but only a dictionary as its globals. So
    this mapping writes to the globals, where functions look names up.
    """

    def __init__(self, names: dict[str, Any], filename: str) -> None:
        self.names = names
        self.filename = filename
        self.lines: dict[str, int] = {}

    def __getitem__(self, name: str) -> Any:
        return self.names[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.names[name] = value
        frame = sys._getframe(1)
        if frame.f_code.co_filename == self.filename:
            self.lines[name] = frame.f_lineno
        else:
            self.lines.pop(name, None)

    def __delitem__(self, name: str) -> None:
        del self.names[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _compile(content: bytes, source: str) -> CodeType:
    _check_encoding(content, source)
    reason, line = "it is nested too deeply", None
    try:
        # linecache does not read a file whose name is in angle brackets. So no
        # traceback, warning or log shows a source line, which may contain a secret.
        return compile(ast.parse(content), f"<{source}>", "exec", dont_inherit=True)
    except SyntaxError as error:
        reason, line = _hide_names(error.msg).rstrip("."), error.lineno
    except ValueError:
        reason = "it has a null byte"
    except (MemoryError, RecursionError):
        pass
    # Raised outside of the handler: a SyntaxError holds the text of the line.
    remedy = "correct that line, or name another source in CONFIG_SOURCE"
    raise ForeignSyntax(source, reason, line, remedy)


def _check_encoding(content: bytes, source: str) -> None:
    line = 1
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        content.decode(encoding)
        return
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    except SyntaxError:
        # The first two lines are not UTF-8, or declare an unknown encoding.
        encoding = "UTF-8 or the encoding that it declares"
    shown = "UTF-8" if encoding in ("utf-8", "utf-8-sig") else encoding
    raise WrongEncoding(source, shown, line)


def _hide_names(message: str) -> str:
    """Mask the names that a SyntaxError quotes: one may be a password without quotes.

    Keywords and built-in names stay, as in: expected 'except' or 'finally' block.
    """

    def hide(match: re.Match[str]) -> str:
        known = keyword.iskeyword(match[1]) or hasattr(builtins, match[1])
        return match[0] if known else f"'{MASK}'"

    message = re.sub(r"'(\w{2,})'", hide, message)
    return re.sub(r"(argument repeated: )\w+", rf"\1{MASK}", message)
