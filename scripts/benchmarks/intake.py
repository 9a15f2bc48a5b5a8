"""What one web process takes in: requests one by one, and a batch until it is stored and until it is done."""

import http.client
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from osgp.accounts.models import ApiToken, Organisation
from osgp.requests.models import FINAL_STATES, LIVE_SESSION_STATES, MeterSession, Request, RequestState
from scripts.benchmarks.head_end import ORGANISATION, HeadEnd, Part
from scripts.benchmarks.measuring import Figure
from scripts.benchmarks.reads import postgres_cpu, register_meters, wait_for
from scripts.benchmarks.sizes import Sizes

PAIRS_PER_TURN = 3
"""Pairs of measured POSTs, with an audit entry and without; a few per cent are to be seen."""
CLIENTS = 8
"""Applications that post at the same time, each over a connection that it keeps."""
READ = "/api/v1/monitoring/actual-meter-reads/"
BATCH = "/api/v1/requests/batch/"


class Client:
    """Posts JSON over one connection."""

    def __init__(self, root: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(root).netloc, timeout=120)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Raises RuntimeError unless it is accepted."""
        self._connection.request("POST", path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status != HTTPStatus.ACCEPTED:
            raise RuntimeError(f"POST {path}: {answer.status} {said[:200]!r}")


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """Single requests to the web process alone; then the batch, with everything at work."""
    with head_end.meters(sizes.batch) as fleet:
        names = register_meters(fleet)
        _, token = ApiToken.issue(Organisation.objects.get(identification=ORGANISATION), "bench")
        with head_end.web() as (web, root):
            _post_all(root, token, names[:1], CLIENTS)
            cpu, begun = web.read_cpu_seconds(), time.perf_counter()
            _post_all(root, token, names, sizes.posts)
            single = time.perf_counter() - begun
            yield Figure("POSTs per second, one web process", sizes.posts / single, "1/s")
            yield Figure("its CPU per POST", 1000 * (web.read_cpu_seconds() - cpu) / sizes.posts, "ms")
            Request.objects.all().delete()
            yield from _measure_audit(head_end, web, root, token, names, sizes)
            Request.objects.all().delete()
            yield from _measure_batch(head_end, web, root, token, names, single / sizes.posts)


def _measure_audit(
    head_end: HeadEnd, audited: Part, root: str, token: str, names: Sequence[str], sizes: Sizes
) -> Iterator[Figure]:
    """Turns with the audit entry of a POST and without, of two web processes that differ in nothing else."""
    pairs: list[dict[bool, tuple[float, float]]] = []
    with head_end.web("scripts.benchmarks.unaudited_wsgi") as (unaudited, other_root):
        _post_all(other_root, token, names[:1], CLIENTS)
        for turn in range(PAIRS_PER_TURN * sizes.turns):
            # With and without, without and with, …: whatever drifts meanwhile counts for both.
            used = {}
            for is_told in (True, False) if turn % 2 else (False, True):
                web, at = (audited, root) if is_told else (unaudited, other_root)
                before = web.read_cpu_seconds()
                with postgres_cpu() as postgres:
                    _post_all(at, token, names, sizes.posts)
                    used[is_told] = web.read_cpu_seconds() - before, postgres() or 0.0
            pairs.append(used)
    for place, what in enumerate(("web process", "PostgreSQL")):
        told, untold = (
            1000 * median(pair[each][place] for pair in pairs) / sizes.posts for each in (True, False)
        )
        yield Figure(f"CPU per POST with its audit entry, {what}", told, "ms", "", untold, "without")
    ratio = median(sum(pair[True]) / sum(pair[False]) for pair in pairs)
    yield Figure("– both, times that of the peer: the middle one of pairs in turn", ratio, "×", "≤ 1.1 ×")


def _measure_batch(
    head_end: HeadEnd, web: Part, root: str, token: str, names: Sequence[str], seconds_per_post: float
) -> Iterator[Figure]:
    with head_end.running():
        cpu, begun = web.read_cpu_seconds(), time.perf_counter()
        Client(root, token).post(
            BATCH, {"message": "ActualMeterReads", "device_identifications": list(names)}
        )
        stored = time.perf_counter() - begun
        web_cpu = web.read_cpu_seconds() - cpu
        wait_for(_are_all_final, "the batch to be done")
        done = time.perf_counter() - begun
        wait_for(lambda: not MeterSession.objects.filter(state__in=LIVE_SESSION_STATES).exists(), "visits")
    succeeded = Request.objects.filter(state=RequestState.SUCCEEDED).count()
    if succeeded != len(names):
        raise RuntimeError(f"only {succeeded} of {len(names)} requests succeeded")
    what = f"a batch of {len(names):,}"
    yield Figure(
        f"{what}: until stored", stored, "s", "", seconds_per_post * len(names), "as many single POSTs"
    )
    yield Figure(f"{what}: the web process's CPU", web_cpu, "s")
    yield Figure(f"{what}: until done", done, "s")


def _post_all(root: str, token: str, names: Sequence[str], count: int) -> None:
    wanted = list(itertools.islice(itertools.cycle(names), count))

    def post_share(number: int) -> None:
        client = Client(root, token)
        for name in wanted[number::CLIENTS]:
            client.post(READ, {"device_identification": name})

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(post_share, range(CLIENTS)))


def _are_all_final() -> bool:
    return not Request.objects.exclude(state__in=FINAL_STATES).exists()
