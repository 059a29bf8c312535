"""Running a configuration gives keys and values."""

import subprocess
import sys
import traceback

import pytest

from modern_flask.config.errors import (
    SAVE_AS_UTF8,
    FailedToRun,
    ForeignSyntax,
    WrongEncoding,
)
from modern_flask.config.execute import execute_source
from modern_flask.config.values import Origin

PROGRAM = b"""\
import os as OS
HOST = "db"
PORT: int = 5432
PORT += 1
(A, B), *REST = (1, 2), 3, 4
if HOST == "db":
    BRANCH = "this"
else:
    BRANCH = "that"
try:
    FALLBACK = missing
except NameError:
    FALLBACK = "yes"
with open(__file__) as FILE:
    pass
for INDEX in range(3):
    LAST = INDEX
lower = HOST
MANY = [
    HOST for _ in range(2)
]
def url():
    return f"{HOST}:{PORT}"
URL = url()
globals()["DYNAMIC"] = 1
locals()["LOCAL"] = 2
if (WALRUS := 3):
    del LOCAL
GONE = 1
del GONE
"""


def run(text: str | bytes):
    content = text.encode() if isinstance(text, str) else text
    return execute_source(content, __file__, "config.py")


def fault(kind, text: str | bytes):
    with pytest.raises(kind) as caught:
        run(text)
    return caught.value


def test_upper_case_names_become_keys():
    """Only UPPER_CASE names of the top level become keys."""
    values, _ = run(PROGRAM)

    del values["OS"], values["FILE"]
    assert values == {
        "HOST": "db",
        "PORT": 5433,
        "A": 1,
        "B": 2,
        "REST": [3, 4],
        "BRANCH": "this",
        "FALLBACK": "yes",
        "INDEX": 2,
        "LAST": 2,
        "MANY": ["db", "db"],
        "URL": "db:5433",
        "DYNAMIC": 1,
        "WALRUS": 3,
    }


def test_origin_is_the_line_that_ran():
    """The origin of a key is the last line that set it, in any statement and branch."""
    _, origins = run(PROGRAM)

    assert {key: origin.line for key, origin in origins.items()} == {
        "OS": 1,
        "HOST": 2,
        "PORT": 4,
        "A": 5,
        "B": 5,
        "REST": 5,
        "BRANCH": 7,
        "FALLBACK": 13,
        "FILE": 14,
        "INDEX": 16,
        "LAST": 17,
        "MANY": 19,
        "URL": 24,
        "DYNAMIC": None,
        "WALRUS": 27,
    }
    assert origins["HOST"] == Origin("config.py", 2)


def test_value_set_by_another_module_has_no_line():
    """A key that a called function sets has an origin without a line."""
    _, origins = run(
        "def fill():\n    global X\n    X = 1\nfill()\nlocals().update(Y=1)"
    )

    assert origins == {"X": Origin("config.py"), "Y": Origin("config.py")}


def test_namespace_is_fresh_and_named():
    """The configuration sees its file and the name config, and adds no module."""
    values, _ = run("FILE = __file__\nNAME = __name__\nSEEN = sorted(globals())")

    assert values["FILE"] == __file__
    assert values["NAME"] == "config"
    assert values["SEEN"] == ["FILE", "NAME", "__builtins__", "__file__", "__name__"]
    assert "config" not in sys.modules


def test_features_of_modules_work():
    """Dataclasses, annotations and star imports work as in a module."""
    values, _ = run(
        "from dataclasses import dataclass\n"
        "from string import *\n"
        "@dataclass\n"
        "class Pool:\n"
        "    size: int = 5\n"
        "SIZE: int = Pool().size\n"
        "DIGITS = digits\n"
    )

    assert values == {"SIZE": 5, "DIGITS": "0123456789"}


def test_declared_encoding_is_respected():
    """A source is in UTF-8, or in the encoding that its first line declares."""
    text = "# coding: {}\nNAME = 'é'\n"

    assert run(text.format("utf-8"))[0] == {"NAME": "é"}
    assert run(text.format("latin-1").encode("latin-1"))[0] == {"NAME": "é"}
    assert run(b"\xef\xbb\xbfNAME = '\xc3\xa9'")[0] == {"NAME": "é"}


def test_wrong_encoding():
    """The error about bytes in another encoding has their line."""
    error = fault(WrongEncoding, b"A = 1\nB = 2\nC = '\xe9 hunter2'\n")

    assert str(error) == (
        "The configuration is not encoded in UTF-8.\n"
        "  in       config.py, line 3\n"
        f"  fix      {SAVE_AS_UTF8}"
    )
    assert error.__context__ is None


@pytest.mark.parametrize(
    "content", [b"\xff\xfeA\x00", b"# coding: klingon\nA = 1\n"], ids=["utf-16", "name"]
)
def test_unknown_encoding(content):
    """UTF-16 and an unknown encoding are encoding errors."""
    assert str(fault(WrongEncoding, content)) == (
        "The configuration is not encoded in UTF-8 or the encoding that it declares.\n"
        "  in       config.py, line 1\n"
        f"  fix      {SAVE_AS_UTF8}"
    )


def test_syntax_error_names_the_line_and_not_its_text():
    """A syntax error is one error without the text of the line."""
    error = fault(ForeignSyntax, 'A = 1\nPASSWORD = "hunter2\n')

    assert str(error) == (
        "The configuration is not valid Python: "
        "unterminated string literal (detected at line 2).\n"
        "  in       config.py, line 2\n"
        "  fix      correct that line, or name another source in CONFIG_SOURCE"
    )
    assert "hunter2" not in "".join(traceback.format_exception(error))


def test_null_byte():
    """A null byte is a syntax error too."""
    error = fault(ForeignSyntax, b"A = 1\0")

    assert "null byte" in str(error)


def test_deeply_nested_source():
    """A source that would exhaust the parser is a syntax error."""
    error = fault(ForeignSyntax, "A = " + "-" * 100_000 + "1")

    assert str(error).startswith("The configuration is not valid Python: ")


def test_exception_is_reported_by_class_and_line():
    """The message of an exception may be secret, so the error leaves it out."""
    error = fault(FailedToRun, 'A = 1\nPORT = int("hunter2")\n')

    assert str(error) == (
        "The configuration raised ValueError (its message may hold a secret).\n"
        "  in       config.py, line 2"
    )
    assert isinstance(error.__cause__, ValueError)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A = HSOT", "NameError: name 'HSOT' is not defined"),
        ("import nosuch", "ModuleNotFoundError: No module named 'nosuch'"),
        ("import os\nA = os.environ['DB_PASSWORD']", "KeyError: 'DB_PASSWORD'"),
        ("A = {}['hunter2']", "KeyError"),
        (
            "open('/nosuch/file')",
            "FileNotFoundError: No such file or directory: '/nosuch/file'",
        ),
        ("raise OSError('hunter2')", "OSError"),
        ("raise SystemExit('hunter2')", "SystemExit"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_messages_that_are_names_are_shown(text, message):
    """A missing name, module, variable or file is shown, and no other message."""
    error = fault(FailedToRun, text)

    first, place, *_ = str(error).splitlines()
    note = "" if ": " in message else " (its message may hold a secret)"
    assert first == f"The configuration raised {message}{note}."
    assert place == f"  in       config.py, line {len(text.splitlines())}"
    assert "hunter2" not in str(error)


def test_line_is_that_of_the_configuration(tmp_path, monkeypatch):
    """If an imported module raises an exception, the line is that of the import."""
    (tmp_path / "broken_settings.py").write_text("\n\n\n1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert fault(FailedToRun, "A = 1\nimport broken_settings\n").line == 2


def test_interrupt_is_no_fault():
    """Ctrl-C in a slow configuration stays a KeyboardInterrupt."""
    with pytest.raises(KeyboardInterrupt):
        run("raise KeyboardInterrupt")


def test_traceback_shows_no_line_of_the_source(tmp_path):
    """A traceback with the cause, as gunicorn prints it, has no line of the source."""
    (tmp_path / "config.py").write_text('URL = "hunter2", missing\n')

    printed = subprocess.run(
        [
            sys.executable,
            "-c",
            "from pathlib import Path\n"
            "from modern_flask.config import load_values\n"
            "load_values('config.py', root=Path())",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert printed.returncode == 1
    assert "NameError: name 'missing' is not defined" in printed.stderr
    assert "hunter2" not in printed.stderr
