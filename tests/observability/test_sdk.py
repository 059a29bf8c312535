"""OpenTelemetry's private names are used in one package, and they are still there."""

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import (
    Event,
    ReadableSpan,
    SpanLimits,
    SpanProcessor,
    Tracer,
    TracerProvider,
    sampling,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode

import modern_flask
from modern_flask.observability import sdk

PACKAGE = Path(modern_flask.__file__).parent
SDK = PACKAGE / "observability" / "sdk"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if SDK not in path.parents)
# Private names of others that these files touch, and OpenTelemetry does not have.
FOREIGN = {
    "_get_current_object",  # werkzeug's proxy
    "_modern_flask_span",  # the kit's, on an execution context of SQLAlchemy
}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Each name that a file imports, and the module that it is from."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def touched(path: Path) -> Iterator[str]:
    """Each private attribute that a file uses of anything but its own objects."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not own:
                yield node.attr


def names_of(classes: Iterator[type]) -> set[str]:
    return {name for kind in classes for name in dir(kind) if is_private(name)}


def private_names() -> set[str]:
    """The private names that ``sdk`` uses: attributes, and names in texts."""
    nodes = [
        node
        for path in SDK.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
    ]
    found = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    found |= {
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {name for name in found if is_private(name) and name.isidentifier()}


@pytest.mark.parametrize(
    "path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES]
)
def test_no_other_file_uses_private_names(path: Path) -> None:
    """Neither imports nor attributes reach for them outside of ``sdk``."""
    imported = list(imports(path))
    private = [
        (module, name)
        for module, name in imported
        if module.partition(".")[0] == "opentelemetry"
        and any(map(is_private, (*module.split("."), name)))
    ]

    assert private == []
    if any(module.partition(".")[0] == "opentelemetry" for module, _ in imported):
        assert set(touched(path)) <= FOREIGN
    if SDK.parent in path.parents:
        assert private_names().isdisjoint(touched(path))


def test_scan_finds_private_names() -> None:
    """The scan sees what it looks for: ``sdk`` itself would not pass."""
    found = {name for path in SDK.glob("*.py") for name in touched(path)}
    assert {"_attributes", "_span_limits", "_root"} <= found
    assert {"_attributes", "_root", "_remote_parent_sampled"} <= private_names()


def subclasses() -> Iterator[type]:
    """The kit's classes that derive from one of OpenTelemetry's."""
    import modern_flask.observability as room

    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        for _, kind in inspect.getmembers(
            importlib.import_module(module.name), inspect.isclass
        ):
            if kind.__module__ == module.name and sdk.__name__ not in module.name:
                bases = [base.__module__ for base in kind.__mro__[1:]]
                if any(base.startswith("opentelemetry.") for base in bases):
                    yield kind


def test_subclasses_override_nothing_private() -> None:
    """A class that derives from OpenTelemetry's shares no private name with it."""
    kinds = list(subclasses())

    assert {kind.__name__ for kind in kinds} >= {"B3", "Uploader"}
    for kind in kinds:
        bases = [base for base in kind.__mro__ if "opentelemetry" in base.__module__]
        source = ast.parse(inspect.getsource(kind).strip())
        own = {
            node.attr
            for node in ast.walk(source)
            if isinstance(node, ast.Attribute) and is_private(node.attr)
        } | {name for name in vars(kind) if is_private(name)}
        assert own & names_of(iter(bases)) <= {"_abc_impl"}


def made_span(**options: Any) -> Any:
    provider = TracerProvider(shutdown_on_exit=False, **options)
    return provider.get_tracer("shop").start_span("work")


def test_attributes_of_a_span() -> None:
    """The SDK's span still has every attribute that the lean span sets itself."""
    lean = set(vars(sdk.ServerSpan)) | {"_resource", "_instrumentation_scope"}
    lean |= {"_span_processor", "_limits", "_sampler", "_name", "_context", "_parent"}
    lean |= {"_attributes", "_lock", "_start_time"}
    ours = {"_bound_attributes", "_renamed", "_abc_impl"}
    span = made_span()

    missing = {
        name for name in lean - ours if is_private(name) and not hasattr(span, name)
    }

    # Not every version of the SDK has these two.
    assert missing <= {"_record_end_metrics", "_instrumentation_info"}


def test_attributes_of_a_tracer() -> None:
    """A tracer still has its limits and its scope, a processor its private hook."""
    tracer: Any = TracerProvider(shutdown_on_exit=False).get_tracer("shop")

    assert type(tracer) is Tracer
    assert isinstance(tracer._span_limits, SpanLimits)
    assert tracer._instrumentation_scope.name == "shop"
    assert callable(SpanProcessor._on_ending)


@pytest.mark.parametrize(
    ("sampler", "rule"),
    [
        (sampling.ALWAYS_ON, (False, sdk.TRACE_ID_MASK + 1)),
        (sampling.ALWAYS_OFF, (False, 0)),
        (sampling.TraceIdRatioBased(0.5), (False, (sdk.TRACE_ID_MASK + 1) // 2)),
        (sampling.DEFAULT_ON, (True, sdk.TRACE_ID_MASK + 1)),
        (sampling.DEFAULT_OFF, (True, 0)),
        (
            sampling.ParentBased(
                sampling.ALWAYS_ON, remote_parent_sampled=sampling.ALWAYS_OFF
            ),
            None,
        ),
    ],
)
def test_rules_of_samplers(sampler: Any, rule: tuple[bool, int] | None) -> None:
    """What the SDK's own samplers were made with can still be read."""
    assert sdk.read_sampling_rule(sampler) == rule


def test_attach_and_detach() -> None:
    """The direct way to the context variable is there, and is the public one's."""
    before, inside = context.get_current(), Context({"key": 1})
    assert sdk.attach is not context.attach
    assert sdk.detach is not context.detach

    token = sdk.attach(inside)
    try:
        assert context.get_current() is inside
    finally:
        sdk.detach(token)

    assert context.get_current() == before


def test_current_span() -> None:
    """The key is the one under which the public functions find the span."""
    span = NonRecordingSpan(SpanContext(1, 2, False))

    assert trace.get_current_span(Context({sdk.SPAN_KEY: span})) is span


def test_suppression() -> None:
    """OpenTelemetry's own instrumentors see what is suppressed here."""
    from opentelemetry.instrumentation.utils import is_instrumentation_enabled

    assert not sdk.is_suppressed()
    token = sdk.attach(sdk.suppress_spans())
    try:
        assert sdk.is_suppressed()
        assert not is_instrumentation_enabled()
    finally:
        sdk.detach(token)


def test_copied_span() -> None:
    """A copy shows what was replaced, keeps the rest, and leaves the span as it is."""
    span = made_span(span_limits=SpanLimits(max_span_attributes=1))
    span.set_attributes({"a": 1, "b": 2})
    span.add_event("sold")
    span.end()

    copied = sdk.copy_span(
        span, {"c": 3}, [Event("masked")], Status(StatusCode.ERROR, "gone")
    )

    assert isinstance(copied, ReadableSpan)
    assert dict(copied.attributes or {}) == {"c": 3}
    assert copied.dropped_attributes == 1
    assert [event.name for event in copied.events] == ["masked"]
    assert copied.status.description == "gone"
    assert dict(span.attributes) == {"b": 2}
    assert [event.name for event in span.events] == ["sold"]
    assert span.status.is_unset
    assert copied.name == span.name
