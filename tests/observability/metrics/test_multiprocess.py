"""Several workers, one answer."""

import fcntl
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modern_flask.observability.metrics import multiprocess
from modern_flask.observability.metrics.exposition import make_registry
from tests.observability.shop import ask, fetch, write_shop
from tests.servers.eventually import eventually
from tests.servers.processes import Process, free_port, python
from tests.servers.tree import descendants

KIT = ("-c", "python:modern_flask.server.settings")
GUNICORN = ("-m", "gunicorn", *KIT)
SERVERS = {
    "gunicorn": (*GUNICORN, "shop:app"),
    "preload": (*GUNICORN, "--preload", "shop:app"),
    "serve": ("-m", "modern_flask.cli", "--app", "shop", "serve"),
}


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(multiprocess.VARIABLE, raising=False)
    write_shop(tmp_path)


def counted(text: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "http_request_duration_seconds_count"
    )


def start(tmp_path: Path, *command: str, **environ: str) -> tuple[Process, int]:
    port = free_port()
    process = Process(
        *python(*command, "--bind", f"127.0.0.1:{port}"),
        log=tmp_path / "log",
        env=environ,
        cwd=tmp_path,
    )
    eventually(lambda: ask(port, 1, 1, "/livez") == {200: 1}, timeout=60)
    return process, port


@pytest.mark.parametrize("server", SERVERS)
def test_workers_add_up(tmp_path: Path, server: str) -> None:
    """Whichever worker is asked, it answers for all; the folder is removed."""
    process, port = start(
        tmp_path, *SERVERS[server], "--workers", "2", TMPDIR=str(tmp_path)
    )
    with process:
        ask(port, 60)
        # A request is counted when its answer has left: the client may be earlier.
        eventually(lambda: counted(fetch(port, "/metrics")) == 60)

        answers = {counted(fetch(port, "/metrics")) for _ in range(10)}

        assert answers == {60}
        folder = folder_of(process)
        assert folder.is_dir()
        assert process.stop() == 0
    assert not folder.exists()


def folder_of(process: Process) -> Path:
    """Where its workers count, by the files that they hold in memory (proc(5))."""
    worker = descendants(process.pid)[0].pid
    maps = Path(f"/proc/{worker}/maps").read_text()
    found = re.search(r"/\S*/metrics-\w+", maps)
    assert found, maps
    return Path(found[0])


@pytest.mark.proof
def test_counters_never_go_back(
    tmp_path: Path, proof_size: Callable[[int], int]
) -> None:
    """Workers that end leave their numbers, and not their files."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "counter_77.db").write_bytes(b"what an earlier run has left")
    process, port = start(
        tmp_path,
        *(*GUNICORN, "shop:app"),
        *("--workers", "2", "--max-requests", "10"),
        **{multiprocess.VARIABLE: str(folder)},
    )
    number, answered, seen = proof_size(1000), 0, 0.0
    with process:
        for _ in range(10):
            answers = ask(port, number // 10, 2)
            assert answers[200] + answers[0] == number // 10
            answered += answers[200]
            before, seen = seen, counted(fetch(port, "/metrics"))
            assert seen >= before
        assert answered >= number * 0.95
        # A request is counted when its answer has left, a worker's files are merged
        # when it has ended: two of each may be on their way.
        eventually(lambda: counted(fetch(port, "/metrics")) >= answered)
        eventually(lambda: len(writers(folder)) <= 3)
        process.stop()


def writers(folder: Path) -> set[str]:
    """Whose files there are; 0 stands for all who have ended."""
    return {file.stem.rpartition("_")[2] for file in folder.glob("*.db")}


@pytest.fixture
def used_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``used_folder(pid, ...)``: a folder in which these processes have counted."""
    from prometheus_client.mmap_dict import MmapedDict, mmap_key

    monkeypatch.setenv(multiprocess.VARIABLE, str(tmp_path))
    keys = {
        "counter": mmap_key("sold", "sold_total", ["item"], ["tea"], "Sold."),
        "gauge_livesum": mmap_key("stock", "stock", [], [], "In stock."),
    }

    def make(*pids: int) -> Path:
        for pid in pids:
            for kind, key in keys.items():
                file = MmapedDict(str(tmp_path / f"{kind}_{pid}.db"))
                file.write_value(key, float(pid), 0.0)
                file.close()
        return tmp_path

    return make


def sold() -> list[float]:
    return [
        sample.value
        for family in make_registry().collect()
        for sample in family.samples
        if sample.name == "sold_total"
    ]


def test_burying(used_folder: Callable[..., Path]) -> None:
    """A dead worker's counters go on in one file, its gauges end with it."""
    folder = used_folder(3, 4, 5)

    multiprocess.merge_worker(3)
    multiprocess.merge_worker(4)
    multiprocess.merge_worker(4)

    assert sold() == [12.0]
    assert sorted(file.name for file in folder.glob("*.db")) == [
        "counter_0.db",
        "counter_5.db",
        "gauge_livesum_5.db",
    ]


def test_file_that_is_just_made(used_folder: Callable[..., Path]) -> None:
    """A worker that starts while metrics are read has an empty file: it is left out."""
    folder = used_folder(3)
    for pid in (4, 5):
        (folder / f"counter_{pid}.db").touch()

    assert sold() == [3.0]
    multiprocess.merge_worker(4)
    assert not (folder / "counter_4.db").exists()
    assert (folder / "counter_5.db").exists()


def test_nobody_reads_while_files_are_merged(
    used_folder: Callable[..., Path],
) -> None:
    """A scrape waits until files are merged, on a port as on /metrics."""
    folder = used_folder(3)
    answers: list[float] = []
    reader = threading.Thread(target=lambda: answers.extend(sold()))

    with multiprocess._lock(folder, fcntl.LOCK_EX):
        reader.start()
        reader.join(0.3)
        assert answers == []

    reader.join(60)
    assert answers == [3.0]


def test_one_worker_needs_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one worker, and no variable, there is no multi-process mode."""
    multiprocess.prepare_folder(1)

    assert multiprocess.find_folder() is None
    multiprocess.merge_worker(os.getpid())
    with multiprocess.hold_files():
        multiprocess.remove_folder()


def test_too_late(caplog: pytest.LogCaptureFixture) -> None:
    """If prometheus_client is imported already, a warning says what to do."""
    multiprocess.prepare_folder(3)

    assert multiprocess.find_folder() is None
    assert caplog.messages == [
        "Each of the 3 workers exposes only its own metrics, because prometheus_client "
        "was imported before their number was known. Set PROMETHEUS_MULTIPROC_DIR to "
        "an empty folder."
    ]


def test_process_begins_anew_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that has begun anew does not do so again, whatever the app does."""
    monkeypatch.setenv("MODERN_FLASK_RESTARTED", str(os.getpid()))

    multiprocess.prepare_folder(2, restart=True)

    assert multiprocess.find_folder() is None
    assert "Each of the 2 workers" in caplog.text


def test_named_folder_is_emptied(used_folder: Callable[..., Path]) -> None:
    """What an earlier run has left in a named folder does not count again."""
    folder = used_folder(3)

    multiprocess.prepare_folder(1)

    assert list(folder.glob("*.db")) == []
