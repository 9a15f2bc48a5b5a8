"""ClearMBusStatusOnAllChannels: what is read, cleared and reset on each channel, and what goes wrong."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.models import Organisation
from osgp.faults import Fault, FaultCode
from osgp.protocol_dlms import errors
from osgp.requests.models import Request
from osgp.simulator import Fleet, SimulatorThread
from tests import factories, meters
from tests.protocol_dlms.peers import WrapperMeter
from tests.protocol_dlms.sessions import session
from tests.visited import PROFILES, Visits, perform, visited

MESSAGE = "ClearMBusStatusOnAllChannels"
URL = "/api/v1/management/clear-m-bus-status-on-all-channels/"
CAN = ("SMR-5.1", "SMR-5.2", "SMR-5.2c", "SMR-5.5")
SMR51 = catalogue.find_profile("SMR", "5.1")
GET, SET, ACTION = 0xC0, 0xC1, 0xC3


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile(visits: Visits, profile: str) -> None:
    simulated = visits.simulated(profile)
    with visits.visit(simulated) as meter:
        before = meter.association.statistics.round_trips
        if profile not in CAN:
            with pytest.raises(Fault, match=r"needs (READ|CLEAR)_MBUS_STATUS") as fault:
                perform(meter, MESSAGE)
            assert fault.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
            assert meter.association.statistics.round_trips == before
            return
        result = perform(meter, MESSAGE)
    assert [row["channel"] for row in result["channels"]] == [1, 2, 3, 4]
    for row in result["channels"]:
        assert row["cleared"] == bool(row["status"])
        assert len(row["bits"]) == (row["status"] or 0).bit_count()


class Channels:
    """A meter's side with a status on each channel, as encoded data; notes what is set and invoked."""

    def __init__(self, *statuses: str, refuses: Callable[[int, int], bool] = lambda *_: False) -> None:
        self._statuses = [bytes.fromhex(status) for status in statuses]
        self._refuses = refuses
        self.written: list[str] = []

    def __call__(self, request: bytes) -> bytes:
        service, kind, invoke_id = request[:3]
        if service == GET:
            # One at a time, or all four in a list.
            names = [request[3:]] if kind == 1 else [request[4 + 10 * index :] for index in range(request[3])]
            values = b"".join(b"\x00" + self._statuses[name[3] - 1] for name in names)
            count = b"" if kind == 1 else bytes((len(names),))
            return bytes((0xC4, kind, invoke_id)) + count + values
        self.written.append(request[:2].hex() + request[3:].hex())
        result = 3 if self._refuses(service, request[6]) else 0
        return bytes((service + 4, 1, invoke_id, result)) + (b"\x00" if service == ACTION else b"")


def cleared(channels: Channels, with_list_max: int = 8) -> list[dict[str, object]]:
    with session(WrapperMeter(channels), with_list_max=with_list_max) as association:
        rows: list[dict[str, object]] = perform(visited(SMR51, association), MESSAGE)["channels"]
        assert association.is_open
    return rows


def written(channel: int, mask: str) -> list[str]:
    """The mask is set, then the alarm of the client is reset."""
    return [
        f"c1010001 00{channel:02x}5e1f0aff 02 00 06{mask}".replace(" ", ""),
        f"c3010048 00{channel:02x}180100ff 04 01 0f00".replace(" ", ""),
    ]


@pytest.mark.parametrize("with_list_max", [1, 8])
def test_what_is_read_and_sent(with_list_max: int) -> None:
    channels = Channels("0600000005", "0600000000", "0680000000", "00")
    rows = cleared(channels, with_list_max)
    assert channels.written == [*written(1, "00000005"), *written(3, "80000000")]
    assert rows == [
        {"channel": 1, "status": 5, "bits": ["BIT_0_BATTERY_LOW", "BIT_2_REVERSE_FLOW"], "cleared": True},
        {"channel": 2, "status": 0, "bits": [], "cleared": False},
        {"channel": 3, "status": 1 << 31, "bits": ["BIT_31_MANUFACTURER_SPECIFIC"], "cleared": True},
        {"channel": 4, "status": None, "bits": [], "cleared": False},
    ]


def test_nothing_to_clear() -> None:
    channels = Channels(*["0600000000"] * 4)
    assert {row["cleared"] for row in cleared(channels)} == {False}
    assert channels.written == []


@pytest.mark.parametrize("service", [SET, ACTION])
def test_a_channel_that_cannot_be_cleared_does_not_keep_the_others_from_it(service: int) -> None:
    channels = Channels(*["0600000001"] * 4, refuses=lambda asked, channel: (asked, channel) == (service, 2))
    with pytest.raises(Fault) as fault:
        cleared(channels)
    assert fault.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
    assert fault.value.retryable is False
    assert fault.value.message.startswith("Channel 2: read-write-denied: ")
    assert fault.value.message.endswith(" Cleared: 1, 3, 4.")
    assert len(channels.written) == (7 if service == SET else 8)


@pytest.mark.parametrize("status", ["0901ff", "0fff", "15ffffffffffffffff", "0100"])
def test_a_status_that_makes_no_sense(status: str) -> None:
    channels = Channels(status, "0600000000", "0600000002", "0600000000")
    with pytest.raises(Fault) as fault:
        cleared(channels)
    assert fault.value.code == FaultCode.ILLEGAL_RESPONSE
    assert fault.value.message.startswith("Channel 1: ")
    assert fault.value.message.endswith(" Cleared: 3.")
    assert channels.written == written(3, "00000002")


def test_a_lost_connection_is_told_as_such() -> None:
    class Dying(Channels):
        def __call__(self, request: bytes) -> bytes:
            if request[0] == ACTION:
                raise EOFError
            return super().__call__(request)

    with pytest.raises(errors.SocketClosedByRemote) as fault:
        cleared(Dying("0600000001", *["0600000000"] * 3))
    assert fault.value.retryable


@pytest.mark.parametrize(("protocol", "version"), [("DSMR", "2.2"), ("SMR", "4.3"), ("SMR", "5.0.0")])
def test_meters_that_cannot_are_not_dialled(
    api: APIClient, organisation: Organisation, protocol: str, version: str
) -> None:
    device = factories.make_device(owner=organisation, protocol_name=protocol, protocol_version=version)
    answer = api.post(URL, {"device_identification": device.identification}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, 416)
    assert not Request.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_alone_and_in_a_bundle(api: APIClient, organisation: Organisation) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.5", gas_meters=1)) as simulator:
        device, _ = meters.add_meters(organisation, simulator).values()
        alone = {"device_identification": device.identification}
        posted = [
            api.post(URL, alone, format="json"),
            api.post("/api/v1/bundle/", {**alone, "actions": [{"message": MESSAGE}]}, format="json"),
        ]
        assert [answer.status_code for answer in posted] == [202, 202], posted[0].content
        meters.visit(device)
        single, bundle = (api.get(answer.json()["url"]).json() for answer in posted)
    assert (single["status"], single["fault"]) == ("SUCCEEDED", None)
    # Whatever there was is cleared by then.
    assert [row["cleared"] for row in bundle["responses"][0]["result"]["channels"]] == [False] * 4
