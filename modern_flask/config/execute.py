"""Runs a configuration in a new namespace and returns its keys and values.

The namespace records the line of every assignment at the top level, so the origin of a
value is the line that really set it. A value that is set in another way (through
``globals()``, or by a function that declares ``global``) has no line.
"""

import ast
import builtins
import io
import sys
import tokenize
from collections.abc import Iterator, MutableMapping
from types import CodeType, TracebackType
from typing import Any

from .errors import FailedToRun, ForeignSyntax, WrongEncoding
from .values import Origin

__all__ = ["execute_source"]

# The texts of these errors hold names that the source spells out, and no values.
_SAFE_ERRORS = (AttributeError, ImportError, NameError)


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
        WrongEncoding, ForeignSyntax: The source can't be compiled.
        FailedToRun: The configuration raised an exception, which is the cause, or
            called ``sys.exit``.
    """
    code = _compile(content, source)
    names: dict[str, Any] = {
        "__builtins__": builtins,
        "__file__": file,
        "__name__": "config",
    }
    namespace = _RecordingNamespace(names, code.co_filename)
    try:
        exec(code, names, namespace)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        line = _last_line(error.__traceback__, code.co_filename)
        message = _get_safe_message(error)
        raise FailedToRun(source, type(error).__name__, message, line) from error
    values = {key: value for key, value in names.items() if key.isupper()}
    origins = {key: Origin(source, namespace.lines.get(key)) for key in values}
    return values, origins


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
        reason, line = error.msg.rstrip("."), error.lineno
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


def _get_safe_message(error: BaseException) -> str:
    """Return the text of ``error`` if it can't contain a secret, else an empty text."""
    if isinstance(error, _SAFE_ERRORS):
        return str(error).rstrip(".")
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename!r}"
    missing = error.args[0] if isinstance(error, KeyError) and error.args else None
    # os.environ["DATABASE_PASSWORD"]: the name of a variable, not its value.
    if isinstance(missing, str) and missing.isidentifier() and missing.isupper():
        return repr(missing)
    return ""


def _last_line(traceback: TracebackType | None, filename: str) -> int | None:
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == filename:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
