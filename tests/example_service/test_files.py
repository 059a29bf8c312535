"""Uploads, the task that reads them, and deleting them."""

import hashlib
from io import BytesIO

import pytest
from redis import Redis

from example_service.catalog import Catalog
from modern_flask.storage import StorageUnavailable

FORM = "multipart/form-data"


def test_upload_is_stored_and_read(upload, row, storage):
    """The content is in storage, and the row has the results of the task."""
    answer = upload("shopping.txt", b"milk\nbread")

    file = row(answer.json["id"])
    assert answer.status_code == 201
    assert answer.json["state"] == "stored"
    assert storage.get(file.key).read() == b"milk\nbread"
    assert (file.state, file.lines, file.preview) == ("ready", 2, "milk\nbread")
    assert file.sha256 == hashlib.sha256(b"milk\nbread").hexdigest()


@pytest.mark.parametrize(
    ("content", "lines", "preview"),
    [
        (b"", 0, ""),
        (b"\n", 1, "\n"),
        (b"one", 1, "one"),
        (b"one\n", 1, "one\n"),
        ("第一行\n第二行".encode(), 2, "第一行\n第二行"),
        (b"\xff\xfe", 1, "��"),
        (b"PNG\0\1", 1, None),
        (b"x" * 3000, 1, "x" * 2000),
    ],
)
def test_content_is_counted_and_previewed(app, upload, row, content, lines, preview):
    """The last line counts without a line break; a preview is a short text."""
    with app.container.config.UPLOAD_LIMIT.override(3000):
        file = row(upload("a", content).json["id"])

    assert (file.size, file.lines, file.preview) == (len(content), lines, preview)


def test_name_is_kept_and_given_back(upload, client):
    """A name may be any text; the header has an ASCII form and the whole name."""
    file = upload('报告 "1".txt', b"a").json

    header = client.get(f"/files/{file['id']}/content").headers["Content-Disposition"]

    assert file["name"] == '报告 "1".txt'
    assert header == (
        'attachment; filename="__ _1_.txt"; '
        "filename*=UTF-8''%E6%8A%A5%E5%91%8A%20%221%22.txt"
    )


def test_nameless_upload_is_refused(client, storage):
    """Without a form and without a name there is nothing to store."""
    answer = client.post("/files", data=b"a")

    assert answer.status_code == 400
    assert "?name=NAME" in answer.json["detail"]
    assert list(storage.list()) == []


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"name": "a\0b"}, {"data": b"a"}),
        ({}, {"data": {"file": (BytesIO(b"a"), "")}}),
        ({"name": "a"}, {"data": {"other": "a"}, "content_type": FORM}),
        ({"name": "a"}, {"data": b"a", "content_type": FORM}),
    ],
    ids=["NUL", "nameless", "no file", "no form"],
)
def test_malformed_upload_is_refused(client, storage, query, body):
    """A request without a usable name, or a form without a file, is not stored."""
    answer = client.post("/files", query_string=query, **body)

    assert answer.status_code == 400
    assert list(storage.list()) == []


def test_odd_type_is_not_kept(client):
    """A type that no header can hold becomes application/octet-stream."""
    odd = {"Content-Type": "text/\x01"}

    answer = client.post("/files?name=a", data=b"a", headers=odd)

    assert answer.json["content_type"] == "application/octet-stream"


def test_body_that_ends_early_is_no_upload(client, storage):
    """If the connection is lost, nothing is stored, not even half a file."""
    answer = client.post(
        "/files?name=a",
        input_stream=BytesIO(b"half"),
        # As gunicorn has it: the server says where the body ends.
        environ_overrides={"CONTENT_LENGTH": "8", "wsgi.input_terminated": True},
    )

    assert answer.status_code == 400
    assert list(storage.list()) == []
    assert client.get("/files").json["files"] == []


@pytest.mark.parametrize("path", ["", "/content"])
def test_number_beyond_all_ids_is_missing(client, path):
    """An id that is too large is 404, and the page before it is the first."""
    assert client.get(f"/files/{9**30}{path}").status_code == 404
    for before in (9**30, -(9**30), 0):
        answer = client.get(f"/files?before={before}").json
        assert answer == {"files": [], "next": None}


def test_upload_over_the_limit_is_refused(upload, storage):
    """A file larger than ``UPLOAD_LIMIT`` is not stored."""
    answer = upload("large", bytes(1001))

    assert answer.status_code == 413
    assert list(storage.list()) == []


def test_failed_row_leaves_no_object(app, upload, storage):
    """If the database refuses the row, the object does not stay in storage."""
    from sqlalchemy import text

    with app.container.engine().begin() as connection:
        connection.execute(text("drop table files"))
    app.testing = app.config["PROPAGATE_EXCEPTIONS"] = False

    answer = upload("a", b"a")

    assert answer.status_code == 500
    assert list(storage.list()) == []


def test_failed_storage_leaves_no_row(app, client, upload, monkeypatch, storage):
    """If storage refuses the content, there is no row."""

    def put(*_, **__):
        raise StorageUnavailable("put", "key", "memory", "it is out")

    monkeypatch.setattr(storage, "put", put)
    app.testing = app.config["PROPAGATE_EXCEPTIONS"] = False

    answer = upload("a", b"a")

    assert answer.status_code == 503
    assert answer.json["detail"] == "A back end does not answer, or it is full."
    assert client.get("/files").json == {"files": [], "next": None}


def test_upload_without_a_broker_waits_for_a_reindex(app, upload, row, caplog):
    """A file whose task could not be sent is stored; a reindex reads it later."""
    celery = app.container.celery()
    celery.conf.update(task_always_eager=False, broker_url="redis://127.0.0.1:1")

    answer = upload("a", b"a")

    assert answer.status_code == 201
    assert row(answer.json["id"]).state == "stored"
    assert "is not indexed: no broker" in caplog.text


def test_lost_content_is_a_failed_file(upload, client, row, storage):
    """A file whose object is gone has the state failed."""
    file_id = upload("a", b"a").json["id"]
    storage.delete(row(file_id).key)

    client.post(f"/files/{file_id}/reindex")
    answer = client.get(f"/files/{file_id}/content")

    assert row(file_id).state == "failed"
    assert answer.status_code == 404
    assert answer.json["detail"] == "The file's content is not in storage."


def test_delete_takes_row_and_object(upload, client, row, storage):
    """Deleting removes the row and the object; a second delete finds nothing."""
    file_id = upload("a", b"a").json["id"]

    assert client.delete(f"/files/{file_id}").status_code == 204

    assert row(file_id) is None
    assert list(storage.list()) == []
    missing = client.delete(f"/files/{file_id}")
    assert missing.status_code == 404
    assert missing.json["detail"] == f"There is no file {file_id}."


def test_task_for_a_deleted_file_does_nothing(app, caplog):
    """A task may run after the file is deleted."""
    from example_service.tasks import index_file

    caplog.set_level("INFO")
    with app.app_context():
        index_file.delay(7, "files/7")

    assert "File 7 was deleted before it was indexed." in caplog.text


def test_second_reindex_waits_and_is_refused(app, upload, client, monkeypatch):
    """While a reindex of a file runs, another one is answered with 409."""
    file_id = upload("a", b"a").json["id"]
    answers = []
    enqueue = Catalog.enqueue

    def enqueue_slowly(catalog, *words):
        path = f"/files/{file_id}/reindex"
        answers.append(app.test_client().post(path).status_code)
        enqueue(catalog, *words)

    monkeypatch.setattr(Catalog, "enqueue", enqueue_slowly)

    first = client.post(f"/files/{file_id}/reindex")

    assert first.status_code == 202
    assert answers == [409]


def test_reindex_without_a_redis_is_unavailable(app, client, upload):
    """Without a Redis there is no lock: the client may try again."""
    file_id = upload("a", b"a").json["id"]

    with (
        Redis.from_url("redis://127.0.0.1:1") as gone,
        app.container.redis.override(gone),
    ):
        answer = client.post(f"/files/{file_id}/reindex")

    assert answer.status_code == 503


def test_file_may_be_deleted_while_it_is_read(app, upload, row, monkeypatch, caplog):
    """If the file is deleted while the task reads it, the row does not come back."""
    caplog.set_level("INFO")
    read = Catalog.read

    def read_slowly(catalog, key):
        found = read(catalog, key)
        with app.app_context():
            app.test_client().delete("/files/1")
        return found

    monkeypatch.setattr(Catalog, "read", read_slowly)

    upload("a", b"a")

    assert row(1) is None
    assert "File 1 was deleted before it was indexed." in caplog.text


def test_no_transaction_is_open_while_content_is_read(app, upload, monkeypatch):
    """Reading a large file may take longer than the idle limit of a transaction."""
    engine, out = app.container.engine(), []
    read = Catalog.read

    def watched(catalog, key):
        out.append(catalog.session.in_transaction())
        return read(catalog, key)

    monkeypatch.setattr(Catalog, "read", watched)

    upload("a", b"a")

    assert out == [False]
    assert engine.pool.checkedout() == 0


@pytest.mark.parametrize(
    ("headers", "status", "body", "where"),
    [
        ({"Range": "bytes=0-2"}, 206, b"012", "bytes 0-2/10"),
        ({"Range": "bytes=7-"}, 206, b"789", "bytes 7-9/10"),
        ({"Range": "bytes=-3"}, 206, b"789", "bytes 7-9/10"),
        ({"Range": "bytes=-99"}, 206, b"0123456789", "bytes 0-9/10"),
        ({"Range": "bytes=5-99"}, 206, b"56789", "bytes 5-9/10"),
        ({"Range": "bytes=10-"}, 416, None, "bytes */10"),
        ({"Range": "bytes=0-1,4-5"}, 200, b"0123456789", None),
        ({"Range": "bytes=5-2"}, 200, b"0123456789", None),
        ({"Range": "lines=0-2"}, 200, b"0123456789", None),
        ({"Range": "bytes=0-2", "If-Range": '"old"'}, 200, b"0123456789", None),
    ],
)
def test_range_is_honoured(upload, client, headers, status, body, where):
    """One range is answered as RFC 9110 says; anything else with the whole content."""
    file_id = upload("a", b"0123456789").json["id"]

    answer = client.get(f"/files/{file_id}/content", headers=headers)

    assert answer.status_code == status
    assert body is None or answer.data == body
    assert answer.headers.get("Content-Range") == where


def test_range_of_the_same_version_is_honoured(upload, client):
    """A broken download continues if the file is still the same version."""
    file_id = upload("a", b"0123456789").json["id"]
    path = f"/files/{file_id}/content"
    version = client.get(path).headers["ETag"]

    answer = client.get(path, headers={"Range": "bytes=8-", "If-Range": version})

    assert (answer.status_code, answer.data) == (206, b"89")


def test_page_goes_on_to_older_files(upload, client, monkeypatch):
    """Without JavaScript every file can be reached, and deleted."""
    monkeypatch.setattr("example_service.views.PAGE", 2)
    for name in ("first", "second", "third"):
        upload(name, b"a")

    newest, older = client.get("/").text, client.get("/?before=2").text

    assert ">first<" not in newest
    assert '<a href="/?before=2">Older files</a>' in newest
    assert ">first</a>" in older
    assert "Older files" not in older


def test_statistics_are_counted(upload, client):
    """The statistics count files, bytes and states."""
    upload("a", b"123")
    upload("b", b"45")

    assert client.get("/stats").json == {
        "files": 2,
        "bytes": 5,
        "states": {"ready": 2},
    }


def test_page_lists_files_and_escapes_their_names(upload, client):
    """The page has a row for each file, and a name is escaped."""
    upload("<script>", b"a")

    page = client.get("/").text

    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert 'data-state="ready"' in page


def test_stranger_s_file_is_saved_and_not_run(upload, client):
    """The headers make the browser save the content and not guess its type."""
    file_id = upload("a.html", b"<script>").json["id"]

    headers = client.get(f"/files/{file_id}/content").headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"].startswith("attachment;")
