"""The storage in a folder."""

import os
import threading
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modern_flask.config import Origin, Values
from modern_flask.errors import UnknownSetting
from modern_flask.storage import (
    IntegrityError,
    InvalidSetting,
    MissingSettings,
    PermissionDenied,
    StorageUnavailable,
    open_local,
)
from modern_flask.storage.folder.layout import make_path, parse_path
from modern_flask.storage.keys import is_portable
from modern_flask.storage.local import CHOOSE_FOLDER, LocalStorage


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "objects"


@pytest.fixture
def local(folder):
    return LocalStorage(folder)


def make_storage(settings):
    with contextmanager(open_local)(settings) as storage:
        return storage


segments = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), max_size=9
)
keys = st.lists(
    segments | st.sampled_from(["a", "b", "%o", "%-", "%t", "é" * 150]),
    min_size=1,
    max_size=3,
).map("/".join)
actions = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "get", "list"]), keys, st.binary()),
    max_size=12,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(actions=actions)
def test_folder_behaves_as_a_dict(tmp_path_factory, actions):
    """Whatever is put, got, deleted and listed, the folder answers as a dict would."""
    local = LocalStorage(tmp_path_factory.mktemp("objects"))
    model: dict[str, bytes] = {}
    for action, key, body in actions:
        if not is_portable(key):
            continue
        if action == "put":
            local.put(key, body)
            model[key] = body
        elif action == "delete":
            local.delete(key)
            model.pop(key, None)
        elif action == "get" and key in model:
            assert local.get(key).read() == model[key]
        prefix = key[:2] if is_portable(key[:2]) else ""
        found = [info.key for info in local.list(prefix)]
        expected = [name for name in model if name.startswith(prefix)]
        assert found == sorted(expected, key=str.encode)


@given(keys.filter(is_portable))
def test_paths_stand_for_keys(key):
    """A key's path leads back to it, stays in the folder and fits the file system."""
    path = make_path(key)

    assert parse_path(path) == key
    assert not path.is_absolute()
    assert not {".", ".."} & set(path.parts)
    assert max(len(name.encode()) for name in path.parts) <= 255


def test_folder_is_made_and_relative(tmp_path, monkeypatch):
    """A relative folder is seen from the working directory, and made if missing."""
    monkeypatch.chdir(tmp_path)

    storage = make_storage({"vendor": "local", "folder": "some/objects"})

    assert storage.raw == tmp_path / "some/objects"
    assert repr(storage) == f"<LocalStorage: local folder {tmp_path}/some/objects>"


def test_settings():
    """The folder has to be set, and nothing else may be."""
    with pytest.raises(MissingSettings, match="folder is not set"):
        make_storage({"vendor": "local"})
    with pytest.raises(UnknownSetting, match="foldr is not a known setting"):
        make_storage({"vendor": "local", "foldr": "x"})


def test_folder_that_can_not_be(tmp_path):
    """A folder that can't be created is an error with the reason."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(InvalidSetting, match="folder can't be used: Not a directory"):
        make_storage({"folder": tmp_path / "file" / "objects"})


@pytest.mark.parametrize("folder", [5, "a\0b"])
def test_folder_that_is_no_path(folder):
    """A value that is not a path is an error with its origin and a fix."""
    values = Values({"STORAGE_FOLDER": folder}, {"STORAGE_FOLDER": Origin("config.py")})

    with pytest.raises(InvalidSetting) as caught:
        make_storage(values.section("STORAGE_"))

    assert str(caught.value) == (
        "STORAGE_FOLDER can't be used: it is not a path.\n"
        "  set in   config.py\n"
        f"  fix      {CHOOSE_FOLDER}"
    )


def test_body_can_be_read_by_anybody(local, folder):
    """The file of an object begins with the object's bytes."""
    local.put("a/b.txt", b"text")

    assert (folder / "a" / "b.txt%o").read_bytes().startswith(b"text{")


def test_links_do_not_lead_out(local, folder, tmp_path):
    """Neither a linked folder nor a linked file lets anything out of the folder."""
    outside = tmp_path / "outside"
    other = LocalStorage(outside)
    other.put("secret", b"secret")
    (folder / "out").symlink_to(outside)
    (folder / "file%o").symlink_to(outside / "secret%o")

    for operation in (local.get, local.delete, lambda key: local.put(key, b"x")):
        with pytest.raises(PermissionDenied, match="a link leads out of the folder"):
            operation("out/secret")
    with pytest.raises(StorageUnavailable):
        local.get("file")
    assert other.get("secret").read() == b"secret"


@pytest.mark.parametrize("cut", [1, 20, 100_000])
def test_file_that_was_cut(local, folder, cut):
    """A file that lost its end is no missing object and no shorter one."""
    local.put("key", b"x" * 100_000)
    path = folder / "key%o"
    os.truncate(path, path.stat().st_size - cut)

    for operation in (local.get, local.head):
        with pytest.raises(IntegrityError):
            operation("key")


def test_file_that_rotted(local, folder):
    """A flipped bit is found by the checksum when the object is read."""
    local.put("key", b"x" * 100_000)
    data = bytearray((folder / "key%o").read_bytes())
    data[50_000] ^= 1
    (folder / "key%o").write_bytes(data)

    with local.get("key") as reader, pytest.raises(IntegrityError, match="checksum"):
        reader.read()


def test_strange_files_are_no_objects(local, folder):
    """Files of other programs in the folder are not listed."""
    (folder / "a").mkdir()
    (folder / "a" / "note.txt").write_text("x")
    (folder / "%o").write_text("x")
    (folder / "%t" / "left%o").write_text("x")

    assert list(local.list()) == []
    local.put("a/b", b"x")
    assert [info.key for info in local.list()] == ["a/b"]


def test_folders_go_with_their_last_object(local, folder):
    """Deleting the last object below a folder deletes the folder."""
    local.put("a/b/c", b"x")
    local.put("a/d", b"x")

    local.delete("a/b/c")
    assert os.listdir(folder / "a") == ["d%o"]
    local.delete("a/d")
    assert os.listdir(folder) == ["%t"]


def test_put_and_delete_race(local):
    """A put never fails because a delete has just removed its folder."""
    faults = []

    def work(operation) -> None:
        try:
            for _ in range(60):
                operation()
        except Exception as error:
            faults.append(error)

    works = [lambda: local.put("a/b/c", b"x"), lambda: local.delete("a/b/c")] * 2
    threads = [threading.Thread(target=work, args=(each,)) for each in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []


def test_readers_see_whole_objects(local):
    """While an object is replaced again and again, every read is one version of it."""
    bodies = [bytes([n]) * 50_000 for n in range(2)]
    local.put("key", bodies[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for body in bodies:
                local.put("key", body)

    writer = threading.Thread(target=write)
    writer.start()
    seen = {local.get("key").read() for _ in range(100)}
    stop.set()
    writer.join()

    assert seen <= set(bodies)


def test_abandoned_uploads_are_swept(local, folder):
    """What a killed process left is deleted after a day, what is young stays."""
    for name, age in (("old", 2 * 24 * 3600), ("young", 60)):
        path = folder / "%t" / name
        path.write_bytes(b"x")
        os.utime(path, (path.stat().st_mtime - age,) * 2)

    LocalStorage(folder)

    assert os.listdir(folder / "%t") == ["young"]


def test_full_disk(local, monkeypatch):
    """When the disk is full the put fails, and nothing stays behind."""

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageUnavailable) as raised:
        local.put("key", b"x")

    assert raised.value.reason == "No space left on device"
    assert not local.exists("key")
    assert os.listdir(local.raw / "%t") == []


def test_disk_that_fails(local):
    """An error of the disk in the middle of a read is raised as our error."""
    local.put("key", b"x" * 100_000)

    with local.get("key") as reader:
        os.close(reader._body._file.fileno())
        with pytest.raises(StorageUnavailable):
            reader.read()
        with pytest.raises(OSError, match="Bad file descriptor"):
            reader.close()


def test_ping_of_a_folder_that_is_gone(local, folder):
    """The ping of a folder that was removed fails."""
    (folder / "%t").rmdir()
    folder.rmdir()

    with pytest.raises(StorageUnavailable, match="could not answer a ping"):
        local.ping(5)
