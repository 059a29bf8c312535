"""Places in code: the innermost line of the service in a traceback."""

import json
import os
from pathlib import Path

import pytest

from modern_flask.errors import join_names
from modern_flask.places import find_service_place, locate_line


def raised_by(call, *args):
    """The traceback of the exception that a call raises."""
    with pytest.raises(Exception) as caught:
        call(*args)
    return caught.value.__traceback__.tb_next


def test_path_below_the_current_folder_is_relative(tmp_path, monkeypatch):
    """A path elsewhere is absolute, and a line that is not known is left out."""
    monkeypatch.chdir(tmp_path)
    outside = tmp_path.parent / "other.py"

    assert locate_line(str(tmp_path / "orders" / "mail.py"), 12) == (
        f"orders{os.sep}mail.py, line 12"
    )
    assert locate_line(str(outside), 3) == f"{outside}, line 3"
    assert locate_line("mail.py", None) == "mail.py"


def test_innermost_line_of_the_service():
    """Lines of the standard library, below the service's, are passed over."""

    def read_mail():
        return json.loads("{")

    line = read_mail.__code__.co_firstlineno + 1
    place = find_service_place(raised_by(read_mail))

    assert place == locate_line(__file__, line)


def test_no_line_of_the_service():
    """A traceback through libraries and the kit alone has no such line."""
    assert find_service_place(None) == ""
    assert find_service_place(raised_by(json.loads, "{")) == ""
    assert find_service_place(raised_by(join_names, 3)) == ""


def test_service_among_the_libraries(tmp_path: Path, monkeypatch):
    """A service that is installed is known by its package."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "placed_shop.py").write_text("def fail():\n    1 / 0\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.chdir(folder)
    import placed_shop

    traceback = raised_by(placed_shop.fail)

    assert find_service_place(traceback) == ""
    assert find_service_place(traceback, "placed_shop") == "placed_shop.py, line 2"
