"""Prometheus' text exposition format 0.0.4, and OpenMetrics 1.0, which differs in a few places.

Sources: https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics 1.0.0 specification.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Labels = Mapping[str, str]


class Kind(StrEnum):
    """Type of a family's samples."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Family:
    """Samples of one name. Counters are named ``…_total``; units are base units (seconds, bytes)."""

    name: str
    kind: Kind
    help: str
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, rising, without +Inf."""


@dataclass(frozen=True)
class Sample:
    """One value of a counter or gauge."""

    value: float
    labels: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Histogram:
    """Observations of a histogram family: numbers per bucket, not cumulative, one more than its bounds."""

    buckets: Sequence[int]
    sum: float
    labels: Labels = field(default_factory=dict)


FamilySamples = tuple[Family, Iterable[Sample | Histogram]]


def render(families: Iterable[FamilySamples], *, openmetrics: bool = False) -> str:
    """Return the page. Families without samples are declared as well, so that dashboards know them."""
    lines: list[str] = []
    for family, samples in families:
        name = family.name
        if openmetrics and family.kind is Kind.COUNTER:
            name = name.removesuffix("_total")
        help_text = _escape(family.help) if openmetrics else _escape_help(family.help)
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {family.kind}"]
        for sample in samples:
            lines += _format_sample(family, sample)
    if openmetrics:
        lines.append("# EOF")
    return "\n".join([*lines, ""])


def _format_sample(family: Family, sample: Sample | Histogram) -> Iterator[str]:
    if isinstance(sample, Sample):
        yield _format_line(family.name, sample.labels, sample.value)
        return
    if len(sample.buckets) != len(family.bounds) + 1:
        raise ValueError(f"{family.name} has {len(family.bounds)} bounds")
    below = 0
    for bound, number in zip((*family.bounds, math.inf), sample.buckets, strict=True):
        below += number
        yield _format_line(f"{family.name}_bucket", {**sample.labels, "le": format_bound(bound)}, below)
    yield _format_line(f"{family.name}_sum", sample.labels, sample.sum)
    yield _format_line(f"{family.name}_count", sample.labels, below)


def _format_line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {format_number(value)}" if inside else f"{name} {format_number(value)}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _escape_help(text: str) -> str:
    # In 0.0.4 quotes are not escaped in help texts.
    return text.replace("\\", r"\\").replace("\n", r"\n")


def format_number(value: float) -> str:
    """Return a value as Go's ParseFloat reads it."""
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def format_bound(bound: float) -> str:
    """Return the ``le`` label of a bucket; canonical in both formats."""
    return format_number(float(bound))
