"""The whole platform in one process: meters are registered and read over HTTP."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from rich.console import Console

from osgp.accounts.models import ApiToken
from osgp.devices.models import Device
from osgp.embedded import session
from osgp.embedded.session import RegistrationFailed, demonstrate
from osgp.embedded.web import PortInUse, WebThread
from osgp.requests.models import Request, RequestState
from osgp.simulator import Fleet
from osgp.simulator.faults import FaultKind
from tests.embedded.conftest import printed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_secrets")]


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    """Everything that was started ends with the demonstration."""
    before = set(threading.enumerate())
    yield
    left = {thread.name for thread in set(threading.enumerate()) - before if thread.is_alive()}
    assert not {name for name in left if name in {"web", "worker", "dispatcher", "meter-simulator"}}


def run(console: Console, fleet: Fleet, port: int = 0) -> int:
    return demonstrate(console, lambda _: fleet, host="127.0.0.1", port=port, simulator_port=0, once=True)


def test_every_meter_is_registered_and_read(console: Console) -> None:
    failed = run(console, Fleet.build(3, "mix", gas_meters=1))
    lines = printed(console)
    assert failed == 0
    assert lines[-1] == "main job: 4 meters read, 0 failed"
    rows = [line for line in lines if line.startswith("│")]
    assert [row.split()[1] for row in rows] == [f"SIME000000000000{n}" for n in (1, 2, 3)]
    assert all(row.count("kWh") == 2 for row in rows)
    assert [row.count("m³") for row in rows] == [1, 0, 0]
    assert Request.objects.filter(state=RequestState.SUCCEEDED).count() == 8


def test_the_printed_ways_in_work(console: Console, own_secrets: Path, client: Client) -> None:
    run(console, Fleet.build(1))
    text = "\n".join(printed(console))
    api = re.search(r"^API: http://127\.0\.0\.1:\d+/api/v1/  token: (osgp_\S+)$", text, re.MULTILINE)
    admin = re.search(r"^Admin: http://\S+/admin/  user: (\S+)  password: (\S+)$", text, re.MULTILINE)
    assert api is not None
    assert admin is not None
    assert client.get("/api/v1/requests/", headers={"Authorization": f"Bearer {api[1]}"}).status_code == 200
    assert client.login(username=admin[1], password=admin[2])
    assert (own_secrets / "admin-password").stat().st_mode & 0o077 == 0


def test_a_second_start_goes_on_where_the_first_one_ended(console: Console) -> None:
    for _ in range(2):
        fleet = Fleet.build(2, gas_meters=1)
        assert run(console, fleet) == 0
        assert set(Device.objects.exclude(gateway=None).values_list("channel", flat=True)) == {1}
        dialled = Device.objects.filter(gateway=None)
        assert set(dialled.values_list("port", flat=True)) == {fleet.ports[0]}
    assert Device.objects.count() == 3
    assert ApiToken.objects.count() == 1
    assert printed(console).count("main job: 3 meters read, 0 failed") == 2


def test_a_meter_that_cannot_be_read_is_counted_and_named(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = Fleet.build(2)
    fleet.meters["SIME0000000000002"].faults.switch_on(FaultKind.REFUSE_ASSOCIATION)
    read_meters = session.main_job.read_meters
    monkeypatch.setattr(
        session.main_job, "read_meters", lambda api, descriptions: read_meters(api, descriptions, deadline=4)
    )
    assert run(console, fleet) == 1
    lines = printed(console)
    assert lines[-1] == "main job: 1 meters read, 1 failed"
    assert [line for line in lines if line.startswith("SIME0000000000002 was not read: ")]


def test_meters_that_are_refused_are_named(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet.build(1)
    described = fleet.describe()
    described[0]["add_device"]["protocol_version"] = "9.9"
    monkeypatch.setattr(fleet, "describe", lambda: described)
    with pytest.raises(RegistrationFailed, match="SIME0000000000001: "):
        run(console, fleet)


def test_a_port_in_use_is_told_before_anything_is_touched(console: Console, own_secrets: Path) -> None:
    with (
        WebThread("127.0.0.1", 0) as other,
        pytest.raises(PortInUse, match=f"Port {other.port} .* is in use"),
    ):
        run(console, Fleet.build(1), port=other.port)
    assert not own_secrets.exists()


def test_it_stays_up_until_it_is_interrupted(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def interrupted() -> None:
        seen.append(printed(console))
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "_wait_for_ever", interrupted)
    demonstrate(console, lambda _: Fleet.build(1), host="127.0.0.1", port=0, simulator_port=0, once=False)
    assert seen[0][-2:] == ["The platform stays up; Ctrl-C stops it.", "main job: 1 meters read, 0 failed"]
