"""The rules of the SDK's own samplers."""

from __future__ import annotations

from typing import Any, NamedTuple

from opentelemetry.sdk.trace import sampling

__all__ = ["TRACE_ID_MASK", "SamplingRule", "read_sampling_rule"]

TRACE_ID_MASK = sampling.TraceIdRatioBased.TRACE_ID_LIMIT
"""The bits of a trace id that :class:`TraceIdRatioBased` compares with its bound."""


class SamplingRule(NamedTuple):
    """The rule of one of the SDK's own samplers.

    Args:
        by_parent: Whether the caller's decision counts.
        bound: A trace that begins here is sampled if the last 64 bits of its id are
            below this number.
    """

    by_parent: bool
    bound: int


def read_sampling_rule(sampler: Any) -> SamplingRule | None:
    """Read the rule of one of the SDK's own samplers; None for any other sampler.

    The only public method of a sampler makes a :class:`SamplingResult` at each request,
    and a sampler has no public attributes for its arguments.
    """
    try:
        return _read_rule(sampler)
    except (AttributeError, KeyError):
        return None


def _read_rule(sampler: Any) -> SamplingRule | None:
    kind = type(sampler)
    if not issubclass(kind, sampling.ParentBased):
        bound = _read_bound(sampler)
        return None if bound is None else SamplingRule(False, bound)
    expected = {
        "_remote_parent_sampled": sampling.ALWAYS_ON,
        "_remote_parent_not_sampled": sampling.ALWAYS_OFF,
        "_local_parent_sampled": sampling.ALWAYS_ON,
        "_local_parent_not_sampled": sampling.ALWAYS_OFF,
    }
    bound = _read_bound(sampler._root)
    if kind.should_sample is not sampling.ParentBased.should_sample or bound is None:
        return None
    if any(vars(sampler)[name] is not value for name, value in expected.items()):
        return None
    return SamplingRule(True, bound)


def _read_bound(sampler: Any) -> int | None:
    method = type(sampler).should_sample
    if method is sampling.StaticSampler.should_sample:
        always = sampler._decision is sampling.Decision.RECORD_AND_SAMPLE
        never = sampler._decision is sampling.Decision.DROP
        return TRACE_ID_MASK + 1 if always else 0 if never else None
    if method is sampling.TraceIdRatioBased.should_sample:
        return int(sampler.bound)
    return None
