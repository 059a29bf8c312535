"""Running a configuration gives keys and values."""

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


FAILING = {
    "number": "PORT = int(PASSWORD)",
    "name": "A = hunter2",
    "name error": "raise NameError(PASSWORD, name=PASSWORD)",
    "key": "A = {}[PASSWORD.upper()]",
    "exit": "raise SystemExit(PASSWORD)",
    "group": "raise ExceptionGroup(PASSWORD, [ValueError(PASSWORD)])",
    "note": "E = ValueError()\nE.add_note(PASSWORD)\nraise E",
    "chain": "try:\n    int(PASSWORD)\nexcept ValueError as E:\n"
    "    raise KeyError('X') from E",
    "file": "open(f'/{PASSWORD}')",
    "module": "import importlib\nimportlib.import_module(PASSWORD)",
    "syntax": "PASSWORD = = 'hunter2'",
    "quote": "PASSWORD = 'hunter2",
    "keyword": "A = dict(hunter2=1, hunter2=2)",
    "nested": "import broken_settings",
    "nested syntax": "import broken_syntax",
    "warning": "import warnings\nwarnings.warn(PASSWORD)\n1 / 0",
}
"""Ways to fail in which a password comes into the exception or near it."""


@pytest.fixture
def failing(request, tmp_path, monkeypatch):
    """The text of a configuration that fails in the given way."""
    modules = {
        "broken_settings": "PASSWORD = 'hunter2'\nPORT = int(PASSWORD)\n",
        "broken_syntax": "PASSWORD = = 'hunter2'\n",
    }
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return f"PASSWORD = 'hunter2'\n{FAILING[request.param]}\n"


@pytest.mark.parametrize("failing", FAILING, indirect=True)
@pytest.mark.filterwarnings("default")
def test_no_part_of_the_error_holds_a_secret(failing, capfd):
    """Neither the text, nor an attribute, nor a cause or context holds the password."""
    error = fault((FailedToRun, ForeignSyntax), failing)

    shown = "".join(traceback.format_exception(error))
    assert "hunter2" not in (shown + repr(error) + repr(vars(error))).lower()
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "hunter2" not in "".join(capfd.readouterr())
    assert "config.py, line" in str(error)


def test_message_of_a_syntax_error_keeps_the_words_of_python():
    """A keyword in the message helps, and is never a password."""
    error = fault(ForeignSyntax, "try:\n    A = 1\n")

    assert error.reason == "expected 'except' or 'finally' block"


def test_warning_of_the_configuration_has_no_text():
    """A warning of a configuration is shown with its class and its line alone."""
    with pytest.warns(UserWarning, match="text is hidden") as caught:
        run("import warnings\nPASSWORD = 'hunter2'\nwarnings.warn(PASSWORD)\n")

    (warning,) = caught
    assert str(warning.message) == (
        "UserWarning in the configuration (its text is hidden)"
    )
    assert (warning.filename, warning.lineno) == ("<config.py>", 3)


def test_line_is_that_of_the_configuration(tmp_path, monkeypatch):
    """If an imported module raises, the path leads from the import to the module."""
    (tmp_path / "broken_settings.py").write_text("\n\n\n1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    error = fault(FailedToRun, "A = 1\nimport broken_settings\n")

    assert error.line == 2
    assert str(error) == (
        "The configuration raised ZeroDivisionError (its message may hold a secret).\n"
        "  in       config.py, line 2\n"
        "  path     config.py, line 2 -> broken_settings.py, line 4"
    )


def test_place_of_a_syntax_error_in_an_imported_module(tmp_path, monkeypatch):
    """The path ends at the line that Python can't parse."""
    (tmp_path / "broken_syntax.py").write_text("A = 1\nB = = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)

    error = fault(FailedToRun, "import broken_syntax\n")

    assert error.raised_in == "broken_syntax.py, line 2"


def test_interrupt_is_no_fault():
    """Ctrl-C in a slow configuration stays a KeyboardInterrupt."""
    with pytest.raises(KeyboardInterrupt):
        run("raise KeyboardInterrupt")


JSON = '{"PASSWORD": "hunter2", "ON": true}'


@pytest.mark.parametrize("text", [JSON, JSON.replace("true", "1"), '["hunter2"]\n'])
def test_json_is_not_a_configuration(text):
    """JSON is reported as JSON, whether Python can run it or not."""
    error = fault(ForeignSyntax, text)

    assert str(error) == (
        "The configuration is not valid Python: it is JSON.\n"
        "  in       config.py\n"
        "  fix      write each key as NAME = value"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ('"""The settings."""\n# REDIS_URL = "redis://"\n', "it is empty"),
        ("{}", "it assigns no name; write NAME = value"),
        ("import os\nprint", "it assigns no name; write NAME = value"),
        ("PORT: 5432\n", "it looks like YAML; write NAME = value"),
        (
            "import os\nredis_url = 'hunter2'\n_x = 1\n",
            "only names in upper case are keys, and it has redis_url",
        ),
        (
            "a = b = c = d = 'hunter2'\n",
            "only names in upper case are keys, and it has a, b, c, ...",
        ),
    ],
)
def test_source_without_a_key_is_reported(text, reason, caplog):
    """A configuration that sets no key runs, and a warning says why it sets none."""
    values, _ = run(text)

    assert values == {}
    assert caplog.messages == [f"The configuration config.py sets no key: {reason}."]


def test_source_with_a_key_is_not_reported(caplog):
    """One key is enough."""
    run("KEY = 1\nname = 2\n")

    assert caplog.messages == []
