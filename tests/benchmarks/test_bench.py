"""What `make bench` reports, at a size at which nothing is measured: that it measures what it says."""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FunctionType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings

from osgp.simulator import Fleet, SimulatorThread
from scripts import bench
from scripts.benchmarks import cpu_split, night, sizes
from scripts.benchmarks.hostile_kinds import KINDS
from scripts.benchmarks.measuring import ROOT, find_percentile, run_and_read
from scripts.benchmarks.quirk_readings import READINGS
from tests import processes

TINY = {
    "sessions": 150,  # for the worker to use CPU enough for some samples
    "meters": 15,
    "in-flight": 6,
    "backlog": 40,
    "past": 60,
    "waiting": 10,
    "visits": 20,  # for all processes to use some CPU
    "turns": 1,
    "urgent": 4,
    "posts": 10,
    "batch": 12,
    "listeners": 5,
    "listening": 2,
    "rounds": 1,
    "months": 1,
    "night": 3,
    "night-turns": 1,
    "endpoints": 50,
    "events": 4,
    "notifications": 40,
    "expected": 20,
    "pushes": 200,
    "pairs": 1,
    "good": 3,
    "hostile": 5,  # the first kinds, of which one hangs up at once
    "hostile-rounds": 1,
    "hostile-turns": 1,
}
OPTIONS = [text for name, size in TINY.items() for text in (f"--{name}", str(size))]
PATIENCE = 900
"""Seconds; the limit of a test is for hangs only."""


def run(tmp_path: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The whole program; it has its temporary files, and writes its document, in ``tmp_path``."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.bench", *OPTIONS, "--json", str(tmp_path / "bench.json")],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@pytest.mark.timeout(PATIENCE)
@pytest.mark.django_db
def test_every_row_is_measured_and_nothing_is_left_behind(tmp_path: Path) -> None:
    if not processes.are_shared():
        ended = run(tmp_path, DATABASE_URL="postgresql://nobody@localhost:1/nothing")
        assert ended.returncode == 1
        assert "DATABASE_URL is set, but cannot be used" in ended.stdout
        assert not list(tmp_path.iterdir())
        return
    services = {"DATABASE_URL": processes.database_url(), "BROKER_URL": settings.CELERY_BROKER_URL}
    ended = run(tmp_path, **services)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]
    document = json.loads((tmp_path / "bench.json").read_text())
    assert document["sizes"] == {name.replace("-", "_"): size for name, size in TINY.items()}
    check({row: figures_of(document, row) for row in bench.ROWS})


def figures_of(document: dict[str, Any], row: str) -> dict[str, dict[str, Any]]:
    figures = {figure["what"]: figure for figure in document["figures"] if figure["row"] == row}
    assert figures, f"nothing was measured of {row}"
    for figure in figures.values():
        assert math.isfinite(figure["value"])
        assert figure["value"] >= 0
        assert (figure["peer"] is None) == (figure["peer_is"] == "")
    return figures


def check(rows: dict[str, dict[str, dict[str, Any]]]) -> None:
    """What must be so however fast or slow the machine is."""
    cpu = {what: figure["value"] for what, figure in rows["session_cpu"].items()}
    assert cpu["CPU per secured session, all in"] == pytest.approx(cpu["– dispatcher"] + cpu["– worker"])
    parts = [value for what, value in cpu.items() if what.startswith("– – ")]
    assert len(parts) == len(cpu_split.KINDS) + 1
    assert sum(parts) == pytest.approx(cpu["– worker"])
    fleet = {what: figure["value"] for what, figure in rows["whole_fleet"].items()}
    p50, p95, p99 = (fleet[f"from due to result, p{number} of all requests"] for number in (50, 95, 99))
    assert 0 < p50 <= p95 <= p99 <= fleet["15 meters read, from due to the last result"]
    flight = {what: figure["value"] for what, figure in rows["in_flight"].items()}
    assert 1 <= flight["sessions in flight in one worker at 1s per round trip"] <= TINY["in-flight"]
    assert 1 <= flight["its database connections at most"] <= 20
    assert rows["urgent"]["wait of priority 9 behind 40 of priority 0, p95"]["peer"] > 0
    check_backlog(rows["backlog"])
    reads = {what: (figure["value"], figure["peer"]) for what, figure in rows["ten_reads"].items()}
    for way in ("a bundle", "single requests of one moment"):
        assert reads[f"10 reads as {way}: associations"] == (1, 10)
        assert reads[f"10 reads as {way}: round trips"] == (13, 40)
        seconds, apart = reads[f"10 reads as {way}: seconds"]
        # The release of the last visit comes after its result.
        assert seconds >= 12 * 0.3
        assert apart >= 39 * 0.3
    intake = {what: figure["value"] for what, figure in rows["intake"].items()}
    assert intake["– both, times that of the peer: the middle one of pairs in turn"] > 0
    assert intake["a batch of 12: until stored"] <= intake["a batch of 12: until done"]
    check_night(rows["night"])
    check_notifications(rows["notifications"])
    check_pushes(rows["pushes"])
    check_stream(rows["stream"])
    check_quirks(rows["quirks"])
    check_hostile(rows["hostile"])


def check_notifications(figures: dict[str, dict[str, Any]]) -> None:
    """What was told arrived, with hanging receivers and without."""
    late = figures["50 endpoints, 5 of them hanging: event to receiver, p95"]
    ratio = figures["– times that of the peer"]["value"]
    assert ratio == pytest.approx(late["value"] / late["peer"])
    sent = figures["– per second of the notifier's CPU"]["value"]
    assert sent == pytest.approx(1000 / figures["– CPU per notification, notifier"]["value"])
    told = [figures[f"CPU per visit whose end is an event, {part}"] for part in ("head-end", "PostgreSQL")]
    assert all(each["value"] > 0 and each["peer"] > 0 for each in told)
    assert figures["– both, times that of the peer: the middle one of pairs in turn"]["value"] > 0


def check_hostile(figures: dict[str, dict[str, Any]]) -> None:
    """The good meters were read with hostile ones being visited, which got typed faults."""
    read = figures["3 good meters beside 5 hostile ones: read per second"]
    assert read["value"] > 0
    assert read["peer"] > 0
    assert figures["– that failed"]["value"] == 0
    assert figures["– faults because of internal errors"]["value"] == 0
    assert figures["visits to hostile meters"]["value"] > 0
    longest = {what.partition(":")[0] for what in figures if "longest visit" in what}
    assert longest <= {kind.find_name() for kind in KINDS[:5]}


def check_quirks(figures: dict[str, dict[str, Any]]) -> None:
    """All reading messages were tried, and what they should find is counted."""
    assert figures["pairs of quirks"]["value"] == 1
    assert figures["readings"]["value"] == len(READINGS)
    assert figures["– rows that there should be"]["value"] > 0


def check_pushes(figures: dict[str, dict[str, Any]]) -> None:
    """What was acknowledged is stored."""
    pushes = {what: figure["value"] for what, figure in figures.items()}
    assert pushes["200 alarms over TCP from 10,000 senders: acknowledged"] == 200
    assert pushes["– acknowledged and not stored"] == 0
    assert 0 < pushes["– p50 until acknowledged"] <= pushes["– p99"] <= pushes["– longest"]


def check_stream(figures: dict[str, dict[str, Any]]) -> None:
    """Whoever listens hears of it."""
    stream = {what: figure["value"] for what, figure in figures.items()}
    assert stream["5 listeners: threads of the process"] < 15
    for rate in (1, 10, 50):
        p50, p95 = (
            stream[f"5 listeners, {rate} events/s: from commit to listener, p{share}"] for share in (50, 95)
        )
        assert 0 < p50 <= p95


def check_night(figures: dict[str, dict[str, Any]]) -> None:
    """Of three meters one is silent, and the line of another one drops."""
    value = {what: figure["value"] for what, figure in figures.items()}
    answered = "– to the last result of those that answer"
    assert 0 < value[answered] <= value["3 meters: from due to the last outcome"]
    cost = figures["CPU per meter, dispatcher and workers"]
    assert cost["value"] == pytest.approx(value["– dispatcher"] + value["– workers"])
    assert value["– times that of the peer"] == pytest.approx(cost["value"] / cost["peer"])
    assert value["– with waiting for silent meters, all in"] >= cost["value"]
    rows = figures["rows read per meter"]
    # A quarter of an hour may pass between them.
    assert rows["value"] == pytest.approx(rows["peer"], abs=2)
    assert 2 / 3 * 97 <= rows["value"] <= 2 / 3 * 110
    for place in ("value", "peer"):
        assert figures["meters read by a further attempt"][place] == 1
        assert figures["complete afterwards, of meters that answer"][place] == 100
        assert figures["complete afterwards, of all meters"][place] == pytest.approx(200 / 3)
    assert value["second night, all answer: complete afterwards"] == 100
    assert 1 / 3 * 97 <= value["second night, all answer: rows read per meter"] <= 1 / 3 * 110 + 4


def test_it_is_always_night_somewhere() -> None:
    for hours in range(48):
        moment = datetime(2026, 2, 28, tzinfo=UTC) + timedelta(hours=hours, minutes=5)
        assert moment.astimezone(ZoneInfo(night.find_zone(moment))).hour == night.LOCAL_HOUR


def check_backlog(figures: dict[str, dict[str, Any]]) -> None:
    """Both of what PostgreSQL may know, each beside the empty platform."""
    for known in ("unknown to PostgreSQL", "known to it"):
        [(cost, peer, ratio)] = [
            (figure["value"], figure["peer"], figures[f"{known}: times that of the peer"]["value"])
            for what, figure in figures.items()
            if what.endswith(f"waiting requests, {known}: CPU per visit")
        ]
        assert ratio == pytest.approx(cost / peer)
        parts = [figures[f"{known}: – {name}"] for name in ("worker", "dispatcher", "PostgreSQL")]
        assert cost == pytest.approx(sum(part["value"] for part in parts))
        read = figures[f"{known}: rows of requests and actions read per visit"]
        # A visit takes one request and its action.
        assert read["value"] >= 2
        assert read["peer"] >= 2


@pytest.mark.parametrize("client", ["stock", "own", "own-lists"])
def test_clients_without_a_head_end_visit_each_meter_once(client: str, tmp_path: Path) -> None:
    with SimulatorThread(Fleet.build(3, ["SMR-5.1"])) as simulator:
        described = tmp_path / "fleet.json"
        described.write_text(json.dumps(simulator.fleet.describe()))
        said = run_and_read(
            ["-m", "scripts.benchmarks.session_clients", client, str(described), "1", "2"], {}
        )
        visited = [meter.memory.statistics.associations for meter in simulator.fleet.meters.values()]
    assert json.loads(said.splitlines()[-1])["sessions"] == 2
    assert visited == [1, 1, 1]


def call() -> Any:
    """A function that is given the name of another module, and something to call."""
    return inner()  # noqa: F821 (its module is made up)


def test_samples_count_as_what_their_innermost_known_function_does() -> None:
    def called_by(module: str, inner: Callable[[], Any]) -> Callable[[], Any]:
        return FunctionType(call.__code__, {"__name__": module, "inner": inner})

    def kind() -> str:
        return cpu_split.find_kind(sys._getframe().f_back)

    asked = called_by("psycogreen.gevent", kind)
    assert called_by("osgp.visits.visit", called_by("django.db.models", asked))() == "database"
    assert called_by("celery.app.trace", called_by("osgp.visits.visit", kind))() == "visit"
    assert called_by("osgp.visits.visit", called_by("osgp.protocol_dlms.meter", kind))() == "DLMS"
    assert called_by("osgp.protocol_dlms.meter", called_by("gevent.socket", kind))() == "DLMS"
    assert called_by("celery.worker", called_by("osgpish", kind))() == "broker client"


def test_percentiles_are_values_that_were_seen() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [find_percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert find_percentile([7.0], 0.95) == 7


def test_sizes() -> None:
    parser = argparse.ArgumentParser()
    sizes.add_arguments(parser)
    assert sizes.from_options(parser.parse_args([])) == sizes.Sizes()
    full = sizes.from_options(parser.parse_args(["--full", "--meters", "7"]))
    assert (full.meters, full.in_flight, full.backlog) == (7, 2_000, 10_000)
    with pytest.raises(SystemExit):
        parser.parse_args(["--meters", "0"])
