"""What deploy/monitoring/ builds upon the metrics fits them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from osgp.metrics import page
from osgp.metrics.exposition import Kind

MONITORING = Path(__file__).parents[2] / "deploy" / "monitoring"
SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}


def rules(name: str) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load((MONITORING / name).read_text())["groups"]:
        yield from group["rules"]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((MONITORING / "grafana" / "dashboard.json").read_text())[
        "panels"
    ]
    return found


def expressions() -> Iterator[str]:
    for name in ("alerts.yaml", "recording.yaml"):
        yield from (rule["expr"] for rule in rules(name))
    yield from (target["expr"] for panel in panels() for target in panel.get("targets", ()))


def used(pattern: str) -> set[str]:
    return {name for expression in expressions() for name in re.findall(pattern, expression)}


@pytest.mark.django_db
def test_every_metric_that_is_asked_for_is_told_and_the_other_way_round() -> None:
    families = [family for family, _ in page.collect()]
    asked = used(r"\bosgp_\w+")
    told = {family.name + suffix for family in families for suffix in SUFFIXES.get(family.kind, ("",))}
    assert asked - told == set()
    # What nobody looks at is not worth its place.
    unused = {family.name for family in families if not any(name.startswith(family.name) for name in asked)}
    assert unused <= {"osgp_devices", "osgp_request_attempts_total"}


def test_every_recorded_ratio_that_is_asked_for_is_recorded() -> None:
    assert used(r"\bosgp:[\w:]+") == {rule["record"] for rule in rules("recording.yaml")}


def test_every_alert_says_what_is_wrong() -> None:
    documented = (MONITORING.parents[1] / "docs" / "how-to" / "monitor.md").read_text()
    for rule in rules("alerts.yaml"):
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert f"`{rule['alert']}`" in documented


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_what_containers_are_given_exists() -> None:
    document = yaml.safe_load((MONITORING / "compose.yaml").read_text())
    for name in ("prometheus", "grafana"):
        for volume in document["services"][name]["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (MONITORING.parent / source).is_file()
            else:
                assert source in document["volumes"]
        for port in document["services"][name]["ports"]:
            assert port.startswith("127.0.0.1:")
