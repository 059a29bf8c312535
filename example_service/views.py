"""The page and the JSON API."""

import logging
from functools import partial
from typing import IO, Any, cast
from urllib.parse import quote

from flask import (
    Blueprint,
    Response,
    redirect,
    render_template,
    request,
    url_for,
)
from redis.exceptions import RedisError
from werkzeug.wsgi import LimitedStream

from modern_flask import (
    cached,
    halt,
    inject,
    on_commit,
    problem,
    synchronized,
    transactional,
)
from modern_flask.redis import LockTaken
from modern_flask.storage import ObjectInfo, ObjectNotFound, StorageUnavailable

from .container import CatalogDep, LimitDep
from .models import State

blueprint = Blueprint("files", __name__)

PAGE = 50

logger = logging.getLogger(__name__)


@blueprint.get("/")
@inject
def page(catalog: CatalogDep) -> str:
    """Show the page. It works without JavaScript, and shows progress with it."""
    files = catalog.page(request.args.get("before", type=int), PAGE)
    older = files[-1].id if len(files) == PAGE else None
    return render_template("index.html", files=files, older=older)


@blueprint.post("/files")
@transactional
@inject
def upload(catalog: CatalogDep, limit: LimitDep) -> Any:
    """Store the field ``file`` of a form, or the body under the name in ``?name=``."""
    request.max_content_length = limit
    name, kind, body = _read_upload()
    # PostgreSQL refuses a text with NUL.
    if not name or "\0" in name:
        halt(problem(400, "Send a form with a field `file`, or a body and ?name=NAME."))
    if not (kind and kind.isascii() and kind.isprintable()):
        kind = "application/octet-stream"
    file = catalog.add(name[:255], kind[:255], body)
    on_commit(partial(catalog.enqueue, file.id, file.key))
    if _wants_page():
        return redirect(url_for("files.page"), 303)
    place = url_for("files.show", file_id=file.id)
    return file.to_dict(), 201, {"Location": place}


@blueprint.get("/files")
@inject
def index(catalog: CatalogDep) -> dict[str, Any]:
    """List files, the newest first; ``next`` is the URL of the next page."""
    limit = min(max(request.args.get("limit", PAGE, type=int), 1), 500)
    files = catalog.page(request.args.get("before", type=int), limit)
    following = None
    if len(files) == limit:
        following = url_for("files.index", before=files[-1].id, limit=limit)
    return {"files": [file.to_dict() for file in files], "next": following}


@blueprint.get("/files/<int:file_id>")
@inject
def show(file_id: int, catalog: CatalogDep) -> dict[str, Any]:
    """Describe one file."""
    return catalog.get(file_id).to_dict()


@blueprint.get("/files/<int:file_id>/content")
@inject
def content(file_id: int, catalog: CatalogDep) -> Response:
    """Send the content, or one requested range of it (RFC 9110, section 14)."""
    file = catalog.get(file_id)
    info = catalog.storage.head(file.key)
    size, span = info.size, _find_range(info)
    start, stop = span or (0, size)
    reader = catalog.storage.get(file.key, start=start, end=stop)
    response = Response(iter(reader), 206 if span else 200, mimetype=file.content_type)
    response.call_on_close(reader.close)
    response.content_length = stop - start
    if span:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response.headers["Accept-Ranges"] = "bytes"
    response.set_etag(info.etag)
    # Anybody may have uploaded the file: the browser must save it and never run it.
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Disposition"] = _format_attachment(file.name)
    return response


@blueprint.delete("/files/<int:file_id>")
@blueprint.post("/files/<int:file_id>/delete")
@transactional
@inject
def delete(file_id: int, catalog: CatalogDep) -> Any:
    """Delete the row, and the content after the commit."""
    file = catalog.get(file_id)
    on_commit(partial(catalog.storage.delete, file.key))
    catalog.session.delete(file)
    return redirect(url_for("files.page"), 303) if _wants_page() else ("", 204)


@blueprint.post("/files/<int:file_id>/reindex")
@synchronized("reindex:{file_id}", blocking_timeout=2)
@transactional
@inject
def reindex(file_id: int, catalog: CatalogDep) -> Any:
    """Send the task again. Only one request at a time may do so for each file."""
    file = catalog.get(file_id)
    file.state = State.STORED
    on_commit(partial(catalog.enqueue, file.id, file.key))
    return file.to_dict(), 202


@blueprint.get("/stats")
@cached(5, "stats")
@inject
def stats(catalog: CatalogDep) -> dict[str, Any]:
    """Return the numbers of files and bytes. They are at most five seconds old."""
    return catalog.stats()


@blueprint.errorhandler(ObjectNotFound)
def handle_missing_object(error: ObjectNotFound) -> Response:
    """Answer if the row exists, but storage has no object for it."""
    logger.warning("%s", error)
    return problem(404, "The file's content is not in storage.")


@blueprint.errorhandler(LockTaken)
def handle_taken_lock(error: LockTaken) -> Response:
    """Answer if another request is reindexing the file."""
    return problem(409, "This file is being reindexed; try again in a moment.")


@blueprint.errorhandler(StorageUnavailable)
@blueprint.errorhandler(RedisError)
def handle_outage(error: Exception) -> Response:
    """Answer if a back end fails, probably for a short time. The client may retry."""
    logger.error("%s", error)
    return problem(503, "A back end does not answer, or it is full.")


def _find_range(info: ObjectInfo) -> tuple[int, int] | None:
    """Return the first byte of the requested range, and the byte after its last one.

    None means the whole content. RFC 9110 allows that answer for several ranges, other
    units and a malformed header, and requires it if the range is for another version of
    the file (sections 13.1.5 and 14.2).
    """
    wanted, size = request.range, info.size
    version = request.headers.get("If-Range")
    if version is not None and version != f'"{info.etag}"':
        return None
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return None
    first, end = wanted.ranges[0]
    # A suffix range that is longer than the file means the whole file.
    start = first if first >= 0 else max(0, size + first)
    if start >= size:
        refusal = problem(416, f"The file has {size} bytes.")
        refusal.headers["Content-Range"] = f"bytes */{size}"
        halt(refusal)
    return start, size if end is None else min(end, size)


def _read_upload() -> tuple[str | None, str, IO[bytes]]:
    """Return the name, type and content of the file in the form, or of the body."""
    # request.files would read any other body, and its content would be lost.
    if request.mimetype != "multipart/form-data":
        return request.args.get("name"), request.mimetype, _open_body()
    posted = request.files.get("file")
    if posted is None:
        return None, "", request.stream
    return posted.filename, posted.mimetype, posted.stream


def _open_body() -> IO[bytes]:
    """Open the request's body. Reading raises if it is shorter than its length."""
    if request.content_length is None:
        return request.stream
    # For Gunicorn, a lost connection is the end of the body.
    return cast(IO[bytes], LimitedStream(request.stream, request.content_length))


def _format_attachment(name: str) -> str:
    """Format the header with the name, and an ASCII name for old clients (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() else "_" for c in name)
    plain = plain.replace("\\", "_").replace('"', "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _wants_page() -> bool:
    return (
        request.accept_mimetypes.best_match(["application/json", "text/html"])
        == "text/html"
    )
