"""A release of OpenTelemetry that renames private names costs time, not spans."""

from pathlib import Path

import pytest

from tests.observability.test_tracing import run
from tests.servers.collectors import ZipkinCollector

# Makes the SDK of another release: its source with one name replaced.
RENAME = """
import importlib.util, os, sys

class Renaming:
    def find_spec(self, name, path=None, target=None):
        module, old, new = os.environ["RENAME"].split(":")
        if name != module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        loader, get = spec.loader, spec.loader.get_data
        loader.path_stats = lambda path: (_ for _ in ()).throw(OSError)
        loader.get_data = lambda path: get(path).replace(old.encode(), new.encode())
        return spec

sys.meta_path.insert(0, Renaming())
app = service()

@app.get("/fail")
def fail():
    from opentelemetry import trace
    trace.get_current_span().set_attribute("mine", 1)
    raise ValueError("no answer from http://ann:hunter2@host/")

with app.running():
    client = app.test_client()
    for path in ("/orders/7", "/fail"):
        client.get(path, buffered=True)
"""
SDK = "opentelemetry.sdk.trace"
LEAN = "The lean span of a request does not fit this release of OpenTelemetry"


@pytest.mark.parametrize(
    ("renamed", "warned"),
    [
        (f"{SDK}:_span_limits:_moved", True),
        (f"{SDK}:._attributes:._moved", True),
        (f"{SDK}:_tracer_config:_moved", False),
        ("opentelemetry.context:_RUNTIME_CONTEXT:_moved", False),
    ],
)
def test_renamed(
    tmp_path: Path, zipkin: ZipkinCollector, renamed: str, warned: bool
) -> None:
    """Both spans arrive, with the view's attribute and without the secret."""
    # Where FastAPI is installed, it would import OpenTelemetry before the renaming.
    (tmp_path / "fastapi.py").write_text("raise ImportError")

    said = run(
        RENAME, tmp_path, OTEL_EXPORTER_ZIPKIN_ENDPOINT=zipkin.url, RENAME=renamed
    )

    names = sorted(span["name"] for span in zipkin.spans)
    assert names == ["GET /fail", "GET /orders/<int:number>"]
    (failed,) = [span for span in zipkin.spans if span["name"] == "GET /fail"]
    assert failed["tags"]["mine"] == "1"
    assert failed["tags"]["http.response.status_code"] == "500"
    assert "hunter2" not in repr(zipkin.spans)
    assert (LEAN in said) == warned
