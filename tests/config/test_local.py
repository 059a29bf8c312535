"""A configuration in a local file."""

import os
from pathlib import Path

import pytest

from modern_flask.config.errors import CHECK_SIZE, MissingFile, TooLarge, UnreadableFile
from modern_flask.config.local import read_local
from modern_flask.config.source import LocalFile


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root beside the working folder."""
    for name in ("root", "work"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "root"


def test_root_comes_before_the_working_folder(root):
    """A relative path is looked up in the root first."""
    (root / "config.py").write_bytes(b"A = 1")
    Path("config.py").write_bytes(b"A = 2")

    content = read_local(LocalFile("config.py"), root)

    assert content.body == b"A = 1"
    assert content.name == content.file == str(root / "config.py")


def test_working_folder_is_second(root):
    """If the file is not in the root, that of the working folder is read."""
    Path("config.py").write_bytes(b"A = 2")

    content = read_local(LocalFile("config.py"), root)

    assert content.body == b"A = 2"
    assert content.name == "config.py"
    assert content.file == str(Path.cwd() / "config.py")


def test_absolute_path(root, tmp_path):
    """An absolute path is taken as it is."""
    (tmp_path / "settings").write_bytes(b"A = 3")

    assert read_local(LocalFile(str(tmp_path / "settings")), root).body == b"A = 3"


def test_missing_file_lists_the_paths(root):
    """The error about a missing file lists every path that was tried."""
    with pytest.raises(MissingFile) as caught:
        read_local(LocalFile("confg.py"), root)

    assert str(caught.value) == (
        'CONFIG_SOURCE = "confg.py" names a file that does not exist.\n'
        f"  looked in  {root}/confg.py and {Path.cwd()}/confg.py\n"
        "  fix      create the file, or unset CONFIG_SOURCE to use config.py"
    )


def test_folder(root):
    """The error about a folder says that it is a folder."""
    Path("settings").mkdir()

    with pytest.raises(UnreadableFile) as caught:
        read_local(LocalFile("settings"), root)

    assert str(caught.value) == (
        "settings can't be read: it is a folder.\n"
        "  fix      use the path of a file in it"
    )


def test_unreadable_file(root, monkeypatch):
    """The error about an unreadable file has the reason of the system."""
    Path("config.py").write_bytes(b"A = 1")

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, os.strerror(13), str(path))

    # Root may read everything, and tests run as root in containers.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableFile) as caught:
        read_local(LocalFile("config.py"), root)

    assert str(caught.value) == (
        "config.py can't be read: permission denied.\n"
        "  fix      let the user of this process read it"
    )


def test_name_that_no_file_can_have(root):
    """The error about an impossible file name has the words of the system."""
    name = "x" * 5000

    with pytest.raises(UnreadableFile) as caught:
        read_local(LocalFile(name), root)

    assert "can't be read: file name too long." in str(caught.value)


def test_endless_file(root):
    """A file without an end is not read to its end."""
    with pytest.raises(TooLarge) as caught:
        read_local(LocalFile("/dev/zero"), root)

    assert str(caught.value) == (
        f"/dev/zero is larger than 8,388,608 bytes.\n  fix      {CHECK_SIZE}"
    )
