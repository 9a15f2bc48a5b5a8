"""A strict reader of Prometheus' text format 0.0.4 and of OpenMetrics 1.0, written from their grammars."""

import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
TEXT = r'(?:[^"\\\n]|\\[\\"n])*'
NUMBER = r"[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|Inf)|NaN"
HELP_LINE = re.compile(rf"# HELP ({NAME}) (.*)")
TYPE_LINE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram|summary|untyped|unknown)")
SAMPLE_LINE = re.compile(rf'({NAME})(?:\{{({LABEL}="{TEXT}"(?:,{LABEL}="{TEXT}")*)\}})? ({NUMBER})')
PAIR = re.compile(rf'({LABEL})="({TEXT})"')
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}

Labels = tuple[tuple[str, str], ...]


@dataclass
class ReadFamily:
    """A family as a scraper understands it."""

    name: str
    help: str
    kind: str = ""
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


def read(page: str, *, openmetrics: bool = False) -> dict[str, ReadFamily]:
    """The families of a page; AssertionError for what the grammar does not allow."""
    assert page.endswith("\n")
    lines = page[:-1].split("\n")
    if openmetrics:
        assert lines.pop() == "# EOF"
    families: dict[str, ReadFamily] = {}
    family: ReadFamily | None = None
    for line in lines:
        if found := HELP_LINE.fullmatch(line):
            assert found[1] not in families
            family = families[found[1]] = ReadFamily(found[1], unescaped(found[2]))
        elif found := TYPE_LINE.fullmatch(line):
            assert family is not None
            assert (family.name, family.kind, family.samples) == (found[1], "", {})
            family.kind = found[2]
        else:
            found = SAMPLE_LINE.fullmatch(line)
            assert found, line
            assert family is not None
            _add(family, found, openmetrics)
    for family in families.values():
        assert family.kind
        if family.kind == "histogram":
            _check_histogram(family)
    return families


def _add(family: ReadFamily, found: re.Match[str], openmetrics: bool) -> None:
    name, inside, number = found.groups()
    suffixes = SUFFIXES.get(family.kind) or (("_total",) if openmetrics else ("",))
    assert name in {family.name + suffix for suffix in suffixes}, name
    if family.kind == "counter":
        assert name.endswith("_total")
        assert float(number) >= 0
    labels = tuple((key, unescaped(text)) for key, text in PAIR.findall(inside or ""))
    assert len(dict(labels)) == len(labels)
    key = (name, tuple(sorted(labels)))
    assert key not in family.samples
    family.samples[key] = float(number)


def _check_histogram(family: ReadFamily) -> None:
    """Buckets rise with their bounds, and the last one, +Inf, holds all."""
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for (name, labels), value in family.samples.items():
        if name.endswith("_bucket"):
            bound = float(dict(labels)["le"])
            rest = tuple(pair for pair in labels if pair[0] != "le")
            groups.setdefault(rest, []).append((bound, value))
    for labels, buckets in groups.items():
        assert buckets == sorted(buckets)
        assert [value for _, value in buckets] == sorted(value for _, value in buckets)
        assert buckets[-1][0] == float("inf")
        assert family.samples[f"{family.name}_count", labels] == buckets[-1][1]
        assert (f"{family.name}_sum", labels) in family.samples
