"""All private names of OpenTelemetry that the kit uses are in this package.

If a release moves one of them, only this package and its tests break, and a service
falls back to what is public: the SDK's own span, its samplers, its context functions.
Each function and class says why there is no public way.
"""

from .contexts import (
    SPAN_KEY,
    attach,
    detach,
    get_current,
    is_suppressed,
    suppress_in_thread,
    suppress_spans,
)
from .copies import copy_span, count_dropped, read_attributes
from .providers import (
    is_enabled,
    is_instrumented_app,
    list_processors,
    offer_provider,
    renew_provider,
    set_enabled,
)
from .records import make_logger_provider
from .samplers import TRACE_ID_MASK, SamplingRule, read_sampling_rule
from .spans import ServerSpan, has_room, supports_server_span

__all__ = [
    "SPAN_KEY",
    "TRACE_ID_MASK",
    "SamplingRule",
    "ServerSpan",
    "attach",
    "copy_span",
    "count_dropped",
    "detach",
    "get_current",
    "has_room",
    "is_enabled",
    "is_instrumented_app",
    "is_suppressed",
    "list_processors",
    "make_logger_provider",
    "offer_provider",
    "read_attributes",
    "read_sampling_rule",
    "renew_provider",
    "set_enabled",
    "supports_server_span",
    "suppress_in_thread",
    "suppress_spans",
]
