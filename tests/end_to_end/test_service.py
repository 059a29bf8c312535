"""Server, worker, PostgreSQL, Redis, RabbitMQ and each storage: a file's whole life."""

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
    """A small file that was read."""
    return service.ready(service.upload("nine.txt", NINE)["id"])


@pytest.mark.parametrize("name", CONTENTS)
def test_upload_is_stored_read_and_returned(service, name):
    """What is sent is what comes back, and a worker finds out what it is."""
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


def test_form_is_taken_too(service):
    """A form's field arrives as the same file, its type with it."""
    part = {"file": ("报告.csv", b"a,b\n", "text/csv")}

    answer = service.call("POST", "/files", files=part)

    found = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/files/{found['id']}"
    assert (found["name"], found["content_type"]) == ("报告.csv", "text/csv")


def test_body_of_any_type_is_taken(service):
    """A body that says it is a form, as curl's do, is stored like any other."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    file = service.upload("curl.txt", b"a=b&c=d", headers=headers)

    assert service.call("GET", f"/files/{file['id']}/content").content == b"a=b&c=d"


@pytest.mark.parametrize(
    ("wanted", "status", "content", "said"),
    [
        ("bytes=0-2", 206, NINE[:3], "bytes 0-2/9"),
        ("bytes=3-", 206, NINE[3:], "bytes 3-8/9"),
        ("bytes=-2", 206, NINE[-2:], "bytes 7-8/9"),
        ("bytes=8-99", 206, NINE[8:], "bytes 8-8/9"),
        ("bytes=9-", 416, None, "bytes */9"),
        ("lines=1-2", 200, NINE, None),
    ],
)
def test_range_is_honoured(service, file, wanted, status, content, said):
    """A range is answered with itself, one behind the end with the size."""
    answer = service.call(
        "GET", f"/files/{file['id']}/content", headers={"Range": wanted}
    )

    assert answer.status_code == status
    assert answer.headers.get("Content-Range") == said
    assert content in (None, answer.content)


@pytest.mark.parametrize("bucket", ["local"], indirect=True)
def test_numbers_are_cached(service, private_redis, file):
    """Statistics are in Redis for a while; without them there they are counted."""

    def counted_twice() -> tuple[dict[str, Any], dict[str, Any]]:
        private_redis.flush()
        first = service.call("GET", "/stats").json()
        service.upload("more.txt", b"more")
        return first, service.call("GET", "/stats").json()

    # They are kept for 5 s, in which a busy machine may not come to the second count.
    counted, kept = eventually(lambda: same(*counted_twice()))
    private_redis.flush()
    again = service.call("GET", "/stats").json()

    assert kept == counted
    assert again["files"] == counted["files"] + 1
    assert again["bytes"] == counted["bytes"] + 4
    assert sum(again["states"].values()) == again["files"]


def same(first: Any, second: Any) -> Any:
    """Both, if they are the same."""
    return (first, second) if first == second else None


def test_reindex_reads_again(service, file):
    """A file is read again when that is asked for, and comes to the same."""
    answer = service.call("POST", f"/files/{file['id']}/reindex")

    assert (answer.status_code, answer.json()["state"]) == (202, "stored")
    assert service.ready(file["id"]) == file


def test_delete_takes_row_and_object(service, bucket, file):
    """Nothing of a deleted file is left, neither in the database nor in storage."""
    before = bucket.keys()

    answer = service.call("DELETE", f"/files/{file['id']}")

    assert answer.status_code == 204
    gone = service.call("GET", f"/files/{file['id']}")
    assert gone.status_code == 404
    assert gone.headers["Content-Type"] == "application/problem+json"
    assert len(before - bucket.keys()) == 1
    assert bucket.keys() <= before


def test_list_is_paged(service):
    """The list goes from page to page, the newest first, and names no file twice."""
    ids = [service.upload(f"{number}.txt", b"")["id"] for number in range(3)]

    first = service.call("GET", "/files?limit=2").json()
    second = service.call("GET", first["next"]).json()

    found = [file["id"] for file in first["files"] + second["files"]]
    assert found[:3] == ids[::-1]
    assert found == sorted(set(found), reverse=True)


def test_too_large_is_refused(service, bucket):
    """An upload that goes over the limit is refused, and nothing of it is stored."""
    before = bucket.keys()
    pieces = (bytes(MEGABYTE) for _ in range(LIMIT // MEGABYTE + 1))

    # In pieces: its size is not announced.
    answer = service.call("POST", "/files?name=x", data=pieces)

    assert answer.status_code == 413
    assert bucket.keys() == before


@pytest.mark.parametrize("bucket", ["local"], indirect=True)
def test_metrics_tell_real_durations(service, file):
    """A request is measured by its rule; what matches none is /404."""
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
def test_readiness_names_what_is_down(service, private_redis):
    """Without Redis the service is alive and not ready, says why, and recovers."""
    assert probed(service, None).json()["checks"] == {
        "engine": "ok",
        "redis": "ok",
        "storage": "ok",
        "celery": "ok",
    }

    private_redis.stop()

    down = probed(service, "Not ready: redis.")
    assert down.status_code == 503
    assert down.headers["Content-Type"] == "application/problem+json"
    assert str(private_redis.port) not in down.text
    assert PASSWORD not in down.text
    assert service.call("GET", "/livez").status_code == 200
    private_redis.start()
    assert probed(service, None).status_code == 200


def probed(service, detail: str | None) -> Any:
    """What /readyz answers once it says so.

    Each component has a second, which is not much for a busy machine.
    """

    def asked() -> list[Any]:
        answer = service.call("GET", "/readyz")
        return [answer] if answer.json().get("detail") == detail else []

    return eventually(asked)[0]


@pytest.mark.parametrize("bucket", ["local"], indirect=True)
def test_no_password_is_printed(service):
    """What the processes of a service have logged holds no password."""
    logs = [log.read_text() for log in service.folder.glob("*.log")]

    assert len(logs) == 2
    assert not any(PASSWORD in text for text in logs)


def test_sigterm_ends_both(make_service, private_redis):
    """Server and worker leave at SIGTERM with 0 and leave nothing behind."""
    service = make_service(private_redis.url)
    with service.running() as (server, worker):
        service.ready(service.upload("a.txt", b"a")["id"])
        family = descendants(server.pid) + descendants(worker.pid)
        assert len(family) >= 2

        codes = server.stop(signal.SIGTERM), worker.stop(signal.SIGTERM)

    assert codes == (0, 0)
    assert not alive(family)
    assert not living_in(service.folder)
