"""A source's bytes become keys and values: compiled, run in a fresh namespace, watched.

The line of a value is the one that really set it: the namespace notes every assignment
of the configuration's top level. A value set in another way (through ``globals()``, by
a function that declares ``global``) has no line.
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

__all__ = ["execute"]

# Their texts are names that the source spells out, not values.
_TELLING = (AttributeError, ImportError, NameError)


def execute(
    content: bytes, file: str, source: str
) -> tuple[dict[str, Any], dict[str, Origin]]:
    """Run a configuration and take its UPPER_CASE names.

    Args:
        content: Python source; its encoding is UTF-8 or as it declares (PEP 263).
        file: The ``__file__`` that the configuration sees.
        source: The redacted name for origins and faults.

    Returns:
        Keys to values, and keys to origins.

    Raises:
        WrongEncoding, ForeignSyntax: It can't be compiled.
        FailedToRun: It raised, or called ``sys.exit``; the exception is the cause.
    """
    code = _compiled(content, source)
    names: dict[str, Any] = {
        "__builtins__": builtins,
        "__file__": file,
        "__name__": "config",
    }
    watched = _Watched(names, code.co_filename)
    try:
        exec(code, names, watched)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        line = _last_line(error.__traceback__, code.co_filename)
        raise FailedToRun(
            source, type(error).__name__, _telling(error), line
        ) from error
    values = {key: value for key, value in names.items() if key.isupper()}
    origins = {key: Origin(source, watched.lines.get(key)) for key in values}
    return values, origins


class _Watched(MutableMapping[str, Any]):
    """A view of a namespace that notes the line of each assignment.

    ``exec`` takes any mapping for its locals, and a dictionary only for its globals; so
    this writes through to the globals, where functions look names up.
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


def _compiled(content: bytes, source: str) -> CodeType:
    _check_encoding(content, source)
    why, line = "it is nested too deeply", None
    try:
        # In angle brackets it is no file to linecache: no traceback, no warning and no
        # log can show a line of it, which may hold a secret.
        return compile(ast.parse(content), f"<{source}>", "exec", dont_inherit=True)
    except SyntaxError as error:
        why, line = error.msg.rstrip("."), error.lineno
    except ValueError:
        why = "it has a null byte"
    except (MemoryError, RecursionError):
        pass
    # Raised outside of the handler: a SyntaxError carries the text of the line.
    remedy = "correct that line, or name another source in CONFIG_SOURCE"
    raise ForeignSyntax(source, why, line, remedy)


def _check_encoding(content: bytes, source: str) -> None:
    line = 1
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        content.decode(encoding)
        return
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    except SyntaxError:
        # No UTF-8 in the first two lines, or an encoding that nobody knows.
        encoding = "UTF-8 or what it declares"
    shown = "UTF-8" if encoding in ("utf-8", "utf-8-sig") else encoding
    raise WrongEncoding(source, shown, line)


def _telling(error: BaseException) -> str:
    """The text of ``error`` if it can't be secret, else nothing."""
    if isinstance(error, _TELLING):
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
