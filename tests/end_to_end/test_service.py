"""A file in the service, from upload to deletion, with every storage vendor."""

import hashlib
import random
import signal
from typing import Any
from urllib.parse import quote

import pytest

from tests.end_to_end.conftest import LIMIT, PASSWORD
from tests.servers.eventually import eventually
from tests.servers.tree import alive, descendants, living_in

MEGABYTE = 1024**2
CONTENTS = {
    "empty.txt": b"",
    "one.txt": b"1",
    "large.bin": random.Random(5).randbytes(5 * MEGABYTE),
    "报告 最终版.txt": "第一行\n第二行".encode(),
}
NINE = b"123\n56\n89"


@pytest.fixture
def file(service):
    """A small file that the worker has read."""
    return service.ready(service.upload("nine.txt", NINE)["id"])


@pytest.mark.parametrize("name", CONTENTS)
def test_upload_is_stored_read_and_returned(service, name):
    """A download equals its upload; the worker finds size, hash and lines."""
    content = CONTENTS[name]
    lines = content.count(b"\n") + (not content.endswith(b"\n") and content != b"")

    sent = service.upload(name, content)
    found = service.ready(sent["id"])
    answer = service.call("GET", f"/files/{sent['id']}/content")

    assert (sent["name"], sent["state"]) == (name, "stored")
    assert found["size"] == len(content)
    assert found["sha256"] == hashlib.sha256(content).hexdigest()
    assert found["lines"] == lines
    assert answer.content == content
    assert f"filename*=UTF-8''{quote(name)}" in answer.headers["Content-Disposition"]


def test_form_is_accepted(service):
    """The file of a form is stored with its name and type."""
    part = {"file": ("报告.csv", b"a,b\n", "text/csv")}

    answer = service.call("POST", "/files", files=part)

    found = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/files/{found['id']}"
    assert (found["name"], found["content_type"]) == ("报告.csv", "text/csv")


def test_body_of_any_type_is_accepted(service):
    """A body with the content type of a form, as curl sends it, is stored."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    file = service.upload("curl.txt", b"a=b&c=d", headers=headers)

    assert service.call("GET", f"/files/{file['id']}/content").content == b"a=b&c=d"


@pytest.mark.parametrize(
    ("wanted", "status", "content", "content_range"),
    [
        ("bytes=0-2", 206, NINE[:3], "bytes 0-2/9"),
        ("bytes=3-", 206, NINE[3:], "bytes 3-8/9"),
        ("bytes=-2", 206, NINE[-2:], "bytes 7-8/9"),
        ("bytes=8-99", 206, NINE[8:], "bytes 8-8/9"),
        ("bytes=9-", 416, None, "bytes */9"),
        ("lines=1-2", 200, NINE, None),
    ],
)
def test_range_is_honoured(service, file, wanted, status, content, content_range):
    """A range returns its bytes; a range behind the end returns the size."""
    answer = service.call(
        "GET", f"/files/{file['id']}/content", headers={"Range": wanted}
    )

    assert answer.status_code == status
    assert answer.headers.get("Content-Range") == content_range
    assert content in (None, answer.content)


@pytest.mark.parametrize("bucket", ["local"], indirect=True)
def test_numbers_are_cached(service, private_redis, file):
    """Statistics are cached in Redis; after a flush they are counted again."""

    def counted_twice() -> tuple[dict[str, Any], dict[str, Any]]:
        private_redis.flush()
        first = service.call("GET", "/stats").json()
        service.upload("more.txt", b"more")
        return first, service.call("GET", "/stats").json()

    # They are cached for 5 s, which may be too short on a busy machine.
    counted, kept = eventually(lambda: same(*counted_twice()))
    private_redis.flush()
    again = service.call("GET", "/stats").json()

    assert kept == counted
    assert again["files"] == counted["files"] + 1
    assert again["bytes"] == counted["bytes"] + 4
    assert sum(again["states"].values()) == again["files"]


def same(first: Any, second: Any) -> Any:
    """Both of them if they are equal, else None."""
    return (first, second) if first == second else None


def test_reindex_reads_again(service, file):
    """Reindexing reads a file again, with the same result."""
    answer = service.call("POST", f"/files/{file['id']}/reindex")

    assert (answer.status_code, answer.json()["state"]) == (202, "stored")
    assert service.ready(file["id"]) == file


def test_delete_removes_row_and_object(service, bucket, file):
    """A deletion removes the file from the database and from the storage."""
    before = bucket.keys()

    answer = service.call("DELETE", f"/files/{file['id']}")

    assert answer.status_code == 204
    gone = service.call("GET", f"/files/{file['id']}")
    assert gone.status_code == 404
    assert gone.headers["Content-Type"] == "application/problem+json"
    assert len(before - bucket.keys()) == 1
    assert bucket.keys() <= before


def test_list_is_paged(service):
    """The list is paged, newest first, and names no file twice."""
    ids = [service.upload(f"{number}.txt", b"")["id"] for number in range(3)]

    first = service.call("GET", "/files?limit=2").json()
    second = service.call("GET", first["next"]).json()

    found = [file["id"] for file in first["files"] + second["files"]]
    assert found[:3] == ids[::-1]
    assert found == sorted(set(found), reverse=True)


def test_too_large_is_refused(service, bucket):
    """An upload over the limit is refused, and nothing of it is stored."""
    before = bucket.keys()
    pieces = (bytes(MEGABYTE) for _ in range(LIMIT // MEGABYTE + 1))

    # In chunks: the request does not announce its size.
    answer = service.call("POST", "/files?name=x", data=pieces)

    assert answer.status_code == 413
    assert bucket.keys() == before


@pytest.mark.parametrize("bucket", ["local"], indirect=True)
def test_metrics_have_real_durations(service, file):
    """Requests are measured by URL rule; one without a rule counts as /404."""
    service.call("GET", "/nowhere")
    service.call("GET", f"/files/{file['id']}")

    text = service.call("GET", "/metrics").text

    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    shown = 'handler="/files/<int:file_id>",method="GET",status="200"'
    missed = 'handler="/404",method="GET",status="404"'
    count = float(numbers[f"http_request_duration_seconds_count{{{shown}}}"])
    total = float(numbers[f"http_request_duration_seconds_sum{{{shown}}}"])
    assert 0.0001 < total / count < 5
    assert float(numbers[f"http_request_duration_seconds_count{{{missed}}}"]) >= 1
    assert "/livez" not in text
    assert "/metrics" not in text


@pytest.mark.parametrize("bucket", ["local"], indirect=True)
def test_readiness_names_the_failed_component(service, private_redis):
    """Without Redis the service is alive and not ready, and recovers with Redis."""
    assert wait_for_readiness(service, None).json()["checks"] == {
        "engine": "ok",
        "redis": "ok",
        "storage": "ok",
        "celery": "ok",
    }

    private_redis.stop()

    down = wait_for_readiness(service, "Not ready: redis.")
    assert down.status_code == 503
    assert down.headers["Content-Type"] == "application/problem+json"
    assert str(private_redis.port) not in down.text
    assert PASSWORD not in down.text
    assert service.call("GET", "/livez").status_code == 200
    private_redis.start()
    assert wait_for_readiness(service, None).status_code == 200


def wait_for_readiness(service, detail: str | None) -> Any:
    """The response of /readyz once it has ``detail``.

    Each component has one second, which is short on a busy machine.
    """

    def get() -> list[Any]:
        answer = service.call("GET", "/readyz")
        return [answer] if answer.json().get("detail") == detail else []

    return eventually(get)[0]


@pytest.mark.parametrize("bucket", ["local"], indirect=True)
def test_no_password_is_printed(service):
    """The logs of a service contain no password."""
    logs = [log.read_text() for log in service.folder.glob("*.log")]

    assert len(logs) == 2
    assert not any(PASSWORD in text for text in logs)


def test_sigterm_ends_both(make_service, private_redis):
    """SIGTERM ends server and worker with 0, and no process remains."""
    service = make_service(private_redis.url)
    with service.running() as (server, worker):
        service.ready(service.upload("a.txt", b"a")["id"])
        family = descendants(server.pid) + descendants(worker.pid)
        assert len(family) >= 2

        codes = server.stop(signal.SIGTERM), worker.stop(signal.SIGTERM)

    assert codes == (0, 0)
    assert not alive(family)
    assert not living_in(service.folder)
