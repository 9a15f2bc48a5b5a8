"""Monitoring messages from the API to simulated meters and back."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import Organisation
from osgp.catalogue.communication import Framing, Security
from osgp.devices.models import Device
from osgp.requests.models import Action, Request
from osgp.simulator import Fleet, SimulatorThread
from tests import factories, meters

MESSAGES = [
    "GetActualPowerQuality",
    "GetPowerQualityProfile",
    "ReadAlarmRegister",
    "ClearAlarmRegister",
    "GetOutages",
    "GetThdFingerprint",
    "PeriodicMeterReads",
    "PeriodicMeterReadsGas",
]
GAS = ("PeriodicMeterReadsGas",)
BOTH = {"begin_date": ..., "end_date": ...}
"""To leave out."""


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.5", gas_meters=1)) as simulator:
        yield simulator


def path(message: str) -> str:
    return f"/api/v1/monitoring/{''.join(f'-{c.lower()}' if c.isupper() else c for c in message)[1:]}/"


def body(message: str, device: str, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"device_identification": device}
    if "PowerQuality" in message:
        fields["profile_type"] = "PRIVATE"
    if message.startswith("Periodic") or message.endswith("Profile"):
        now = datetime.now(UTC)
        fields |= {
            "begin_date": (now - timedelta(days=5)).isoformat(),
            "end_date": now.isoformat(),
        }
    if message.startswith("Periodic"):
        fields["period_type"] = "DAILY"
    return {key: value for key, value in (fields | changes).items() if value is not ...}


class TestAccepting:
    """What is refused before a meter is dialled."""

    pytestmark = pytest.mark.django_db

    @pytest.fixture
    def post(self, api: APIClient, device: Device, gas_meter: Device) -> Any:
        def post(message: str, **changes: Any) -> tuple[int, dict[str, Any]]:
            to = gas_meter if message in GAS else device
            answer = api.post(path(message), body(message, to.identification, **changes), format="json")
            if answer.status_code != 202:
                assert not Request.objects.exists()
            return answer.status_code, answer.json()

        return post

    @pytest.mark.parametrize("message", ["PeriodicMeterReads", "PeriodicMeterReadsGas"])
    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"period_type": "HOURLY"}, "/period_type"),
            ({"period_type": ...}, "/period_type"),
            ({"period_type": None}, "/period_type"),
            ({"begin_date": ...}, "/begin_date"),
            ({"end_date": ...}, "/end_date"),
            ({"begin_date": "2026-01-01"}, "/begin_date"),
            ({"begin_date": "2026-01-01T00:00:00"}, "/begin_date"),
            ({"begin_date": "2026-02-30T00:00:00Z"}, "/begin_date"),
            ({"begin_date": "0001-01-01T00:00:00Z"}, "/begin_date"),
            ({"end_date": 1767225600}, "/end_date"),
            ({"begin_date": "2026-01-02T00:00:00Z", "end_date": "2026-01-01T00:00:00Z"}, "/end_date"),
            (
                {"begin_date": "2026-01-01T00:00:00+01:00", "end_date": "2026-01-01T00:00:00+02:00"},
                "/end_date",
            ),
            ({"end_date": "2999-01-01T00:00:00Z"}, "/end_date"),
            ({"columns": []}, "/columns"),
            (BOTH | {"relative_period": "LAST_WEEK"}, "/relative_period"),
            ({"missing_only": "yes"}, "/missing_only"),
            (BOTH | {"relative_period": 1}, "/relative_period"),
            (BOTH | {"relative_period": {"last": 0, "unit": "DAY"}}, "/relative_period/last"),
            (BOTH | {"relative_period": {"last": True, "unit": "DAY"}}, "/relative_period/last"),
            (BOTH | {"relative_period": {"last": 2, "unit": "WEEK"}}, "/relative_period/unit"),
            (
                BOTH | {"relative_period": {"last": 2, "unit": "DAY", "zone": "UTC"}},
                "/relative_period/zone",
            ),
            (BOTH | {"relative_period": {"last": 99_999, "unit": "MONTH"}}, "/relative_period"),
            ({"begin_date": ..., "relative_period": "PREVIOUS_DAY"}, "/end_date"),
            ({"end_date": ..., "relative_period": "PREVIOUS_DAY"}, "/begin_date"),
        ],
    )
    def test_the_field_that_is_wrong_is_named(
        self, post: Any, message: str, changes: dict[str, Any], pointer: str
    ) -> None:
        status, problem = post(message, **changes)
        assert status == 400
        assert [error["pointer"] for error in problem["errors"]] == [pointer]

    @pytest.mark.parametrize("message", ["PeriodicMeterReads", "PeriodicMeterReadsGas"])
    @pytest.mark.parametrize(
        ("period_type", "longest", "too_long"),
        [
            ("INTERVAL", "2026-04-01T00:00:00+02:00", "2026-04-01T00:00:01+02:00"),
            ("DAILY", "2026-05-01T00:00:00+02:00", "2026-05-01T00:00:01+02:00"),
            ("MONTHLY", "2027-04-22T00:00:00+02:00", "2027-04-22T00:00:01+02:00"),
        ],
    )
    def test_more_than_the_buffer_can_hold(
        self, post: Any, message: str, period_type: str, longest: str, too_long: str
    ) -> None:
        """Days and months by the calendar of the meter, with the change of clocks of 29 March."""
        begin = "2026-03-22T00:00:00+01:00"
        if period_type == "INTERVAL":
            longest, too_long = "2026-04-01T01:00:00+02:00", "2026-04-01T01:00:01+02:00"
        status, problem = post(message, period_type=period_type, begin_date=begin, end_date=too_long)
        assert status == 400
        assert [error["pointer"] for error in problem["errors"]] == ["/end_date"]
        assert "VALUES_" in problem["errors"][0]["detail"]
        status, _ = post(message, period_type=period_type, begin_date=begin, end_date=longest)
        assert status == 202

    @pytest.mark.parametrize("message", ["PeriodicMeterReads", "PeriodicMeterReadsGas"])
    @pytest.mark.parametrize(
        ("period_type", "period"),
        [
            ("INTERVAL", {"last": 11, "unit": "DAY"}),
            ("INTERVAL", {"last": 10_000, "unit": "INTERVAL"}),
            ("DAILY", {"last": 41, "unit": "DAY"}),
            ("MONTHLY", {"last": 14, "unit": "MONTH"}),
        ],
    )
    def test_a_relative_period_of_more_than_the_buffer_can_hold(
        self, post: Any, message: str, period_type: str, period: Any
    ) -> None:
        status, problem = post(message, **BOTH, period_type=period_type, relative_period=period)
        assert status == 400
        assert [error["pointer"] for error in problem["errors"]] == ["/relative_period"]
        assert "VALUES_" in problem["errors"][0]["detail"]
        shorter = {**period, "last": period["last"] - 1 if period["last"] < 100 else 96}
        assert post(message, **BOTH, period_type=period_type, relative_period=shorter)[0] == 202

    @pytest.mark.parametrize("message", ["GetActualPowerQuality", "GetPowerQualityProfile"])
    @pytest.mark.parametrize("profile_type", ["public", "", None, 1, ["PUBLIC"], ...])
    def test_profile_types(self, post: Any, message: str, profile_type: Any) -> None:
        status, problem = post(message, profile_type=profile_type)
        assert status == 400
        assert [error["pointer"] for error in problem["errors"]] == ["/profile_type"]

    def test_more_power_quality_than_a_meter_can_hold(self, post: Any) -> None:
        """Unless a buffer is to be read that clients may set up: then the meter knows."""
        month = {"begin_date": "2026-03-01T00:00:00Z", "end_date": "2026-04-01T00:00:00Z"}
        status, problem = post("GetPowerQualityProfile", profile_type="PRIVATE", **month)
        assert status == 400
        assert [error["pointer"] for error in problem["errors"]] == ["/end_date"]
        assert post("GetPowerQualityProfile", profile_type="PUBLIC", **month)[0] == 202

    def test_one_moment_is_a_part_of_time(self, post: Any) -> None:
        moment = "2026-03-22T00:00:00+01:00"
        assert post("PeriodicMeterReads", begin_date=moment, end_date=moment)[0] == 202

    @pytest.mark.parametrize("message", MESSAGES)
    def test_meters_of_the_other_kind(
        self, api: APIClient, device: Device, gas_meter: Device, message: str
    ) -> None:
        other = device if message in GAS else gas_meter
        answer = api.post(path(message), body(message, other.identification), format="json")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/device_identification"
        assert not Request.objects.exists()

    def test_a_profile_without_distortion(self, post: Any) -> None:
        status, problem = post("GetThdFingerprint")
        assert (status, problem["code"]) == (400, 416)

    @pytest.mark.parametrize("message", MESSAGES)
    def test_who_may(
        self,
        api: APIClient,
        device: Device,
        gas_meter: Device,
        organisation: Organisation,
        other_organisation: Organisation,
        client_of: Any,
        message: str,
    ) -> None:
        """Reading needs the function group MONITORING, clearing alarms OWNER."""
        Device.objects.update(protocol_version="5.5")
        to = gas_meter if message in GAS else device
        stranger = client_of(factories.make_token(other_organisation))
        asked = body(message, to.identification)
        assert stranger.post(path(message), asked, format="json").status_code == 404
        factories.grant(other_organisation, to, DeviceFunctionGroup.MONITORING)
        allowed = stranger.post(path(message), asked, format="json").status_code
        assert allowed == (403 if message == "ClearAlarmRegister" else 202)
        assert api.post(path(message), asked, format="json").status_code == 202


@pytest.mark.django_db
def test_a_batch_of_gas_meters_looks_their_gateways_up_together(
    api: APIClient, organisation: Organisation, django_assert_max_num_queries: Any
) -> None:
    """Their profiles and zones are those of the gateways."""
    gas = [
        factories.make_gas_meter(
            f"G{number}", gateway=factories.make_device(f"E{number}", owner=organisation), owner=organisation
        )
        for number in range(30)
    ]
    asked = body("PeriodicMeterReadsGas", "") | {
        "message": "PeriodicMeterReadsGas",
        "device_identifications": [device.identification for device in gas],
    }
    del asked["device_identification"]
    with django_assert_max_num_queries(20):
        answer = api.post("/api/v1/requests/batch/", asked, format="json")
    assert answer.status_code == 202, answer.json()
    assert (answer.json()["total"], answer.json()["skipped"]) == (30, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("message", "fields"),
    [
        *(
            (message, {"period_type": period, "missing_only": missing_only})
            for message in ("PeriodicMeterReads", "PeriodicMeterReadsGas")
            for period in ("INTERVAL", "DAILY", "MONTHLY")
            for missing_only in (True, False)
        ),
        ("GetPowerQualityProfile", {"profile_type": "PUBLIC"}),
        ("FindEvents", {"event_log_category": "STANDARD_EVENT_LOG"}),
    ],
)
def test_since_the_last_reading_may_be_asked_of_every_buffer(
    api: APIClient, device: Device, gas_meter: Device, message: str, fields: dict[str, Any]
) -> None:
    """Alone, in a bundle, in a batch and in a schedule."""
    fields = fields | {"relative_period": "SINCE_LAST_READING"}
    named = (gas_meter if message in GAS else device).identification
    url = "/api/v1/management/find-events/" if message == "FindEvents" else path(message)
    several = {"message": message, "device_identifications": [named], **fields}
    posted = {
        url: {"device_identification": named, **fields},
        "/api/v1/bundle/": {
            "device_identification": device.identification,
            "actions": [{"message": message, "device_identification": named, **fields}],
        },
        "/api/v1/requests/batch/": several,
    }
    for place, sent in posted.items():
        answer = api.post(place, sent, format="json")
        assert answer.status_code == 202, answer.json()
    stored = list(Action.objects.values_list("parameters", flat=True))
    assert stored == [fields] * 3


@pytest.mark.django_db(transaction=True)
def test_relative_periods_and_the_times_that_they_became(
    api: APIClient, organisation: Organisation, simulator: SimulatorThread
) -> None:
    electricity, gas = meters.add_meters(organisation, simulator).values()
    zone = ZoneInfo(electricity.time_zone)

    def find_day_before() -> tuple[datetime, datetime]:
        today = datetime.now(zone).date()
        first, last = (datetime.combine(day, time(), zone) for day in (today - timedelta(days=1), today))
        return first.astimezone(UTC), last.astimezone(UTC)

    days = [find_day_before()]

    def send(message: str, device: Device, period: Any, **fields: Any) -> str:
        sent = {"device_identification": device.identification, "relative_period": period, **fields}
        url = "/api/v1/management/find-events/" if message == "FindEvents" else path(message)
        accepted = api.post(url, sent, format="json")
        assert accepted.status_code == 202, accepted.json()
        return str(accepted.json()["url"])

    urls = [
        send("PeriodicMeterReads", electricity, "PREVIOUS_DAY", period_type="INTERVAL"),
        send("PeriodicMeterReadsGas", gas, {"last": 3, "unit": "INTERVAL"}, period_type="DAILY"),
        send("GetPowerQualityProfile", electricity, {"last": 4, "unit": "INTERVAL"}, profile_type="PRIVATE"),
        send("FindEvents", electricity, "PREVIOUS_DAY", event_log_category="STANDARD_EVENT_LOG"),
    ]
    meters.visit(electricity)
    days.append(find_day_before())  # Another one if a day ended meanwhile.
    answers = [api.get(url).json() for url in urls]
    assert [answer["fault"] for answer in answers] == [None] * 4
    reads, gas_reads, quality, events = (answer["result"] for answer in answers)
    begin, end = (datetime.fromisoformat(reads[name]) for name in ("begin_date", "end_date"))
    assert (begin, end) in days
    assert len(reads["periodic_meter_reads"]) == (end - begin) // timedelta(minutes=15) + 1
    assert (events["from"], events["until"]) == (reads["begin_date"], reads["end_date"])
    assert gas_reads["end_date"] == reads["end_date"]
    assert len(gas_reads["periodic_meter_reads_gas"]) == 4
    hour = datetime.fromisoformat(quality["end_date"]) - datetime.fromisoformat(quality["begin_date"])
    assert hour == timedelta(hours=1)
    by_quarters, by_ten_minutes = (len(each["profile_entries"]) for each in quality["power_quality_profiles"])
    assert by_quarters == 5
    assert by_ten_minutes in (6, 7)  # The hour may begin between two of them.


@pytest.mark.django_db(transaction=True)
def test_all_of_them_in_one_visit(
    api: APIClient, organisation: Organisation, simulator: SimulatorThread
) -> None:
    electricity, gas = meters.add_meters(organisation, simulator).values()
    answers = {}
    for message in MESSAGES:
        to = gas if message in GAS else electricity
        accepted = api.post(path(message), body(message, to.identification), format="json")
        assert accepted.status_code == 202, accepted.json()
        answers[message] = accepted.json()["url"]
    meters.visit(electricity)
    for message, url in answers.items():
        answer = api.get(url)
        assert answer.status_code == 200
        assert (message, answer.json()["status"], answer.json()["fault"]) == (message, "SUCCEEDED", None)
    reads = api.get(answers["PeriodicMeterReads"]).json()["result"]
    # Five days have four to six midnights.
    assert len(reads["periodic_meter_reads"]) in (4, 5, 6)
    assert set(reads) == {
        "period_type",
        "begin_date",
        "end_date",
        "periodic_meter_reads",
        "complete_until",
        "rejected_rows",
        "rejected_row_count",
        "unavailable",
    }
    gas_reads = api.get(answers["PeriodicMeterReadsGas"]).json()["result"]
    assert len(gas_reads["periodic_meter_reads_gas"]) in (4, 5, 6)
    for device, rows, columns in (
        (electricity, reads["periodic_meter_reads"], 4),
        (gas, gas_reads["periodic_meter_reads_gas"], 1),
    ):
        kept = api.get(f"/api/v1/readings/?device={device.identification}&period=DAILY").json()["results"]
        assert len(kept) == columns * len(rows)
        shown = {row["log_time"] for row in rows}
        assert {reading["interval_end"] for reading in kept} == shown


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("transport", "security"), [("HDLC", "HLS5"), ("WRAPPER", "LLS"), ("HDLC", "NONE"), ("WRAPPER", "HLS5")]
)
def test_long_buffers_over_every_way(
    api: APIClient, organisation: Organisation, transport: str, security: str
) -> None:
    """Answers in blocks, frames and ciphered."""
    fleet = Fleet.build(1, "SMR-5.1", framing=Framing(transport), security=Security(security), gas_meters=1)
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    asked = {
        "period_type": "INTERVAL",
        "begin_date": (end - timedelta(days=9)).isoformat(),
        "end_date": end.isoformat(),
    }
    with SimulatorThread(fleet) as simulator:
        electricity, gas = meters.add_meters(organisation, simulator).values()
        urls = []
        for message, to in (("PeriodicMeterReads", electricity), ("PeriodicMeterReadsGas", gas)):
            accepted = api.post(path(message), body(message, to.identification) | asked, format="json")
            assert accepted.status_code == 202, accepted.json()
            urls.append(accepted.json()["url"])
        meters.visit(electricity)
    results = [api.get(url).json()["result"] for url in urls]
    assert [result["complete_until"] for result in results] == [end.isoformat().replace("+00:00", "Z")] * 2
    assert len(results[0]["periodic_meter_reads"]) == 9 * 96 + 1
    assert len(results[1]["periodic_meter_reads_gas"]) == 9 * 24 + 1


@pytest.mark.django_db(transaction=True)
def test_a_gas_meter_is_read_as_its_gateway_is(
    api: APIClient, organisation: Organisation, simulator: SimulatorThread
) -> None:
    """Whatever it was registered with itself: the objects and the clock are the gateway's."""
    electricity, gas = meters.add_meters(organisation, simulator).values()
    Device.objects.filter(pk=gas.pk).update(
        protocol_name="DSMR", protocol_version="2.2", time_zone="America/New_York"
    )
    answers = {}
    for message in ("ActualMeterReadsGas", "PeriodicMeterReadsGas"):
        accepted = api.post(path(message), body(message, gas.identification), format="json")
        assert accepted.status_code == 202, accepted.json()
        answers[message] = accepted.json()["url"]
    meters.visit(electricity)
    results = {message: api.get(url).json() for message, url in answers.items()}
    assert {message: answer["fault"] for message, answer in results.items()} == dict.fromkeys(answers)
    reads = results["PeriodicMeterReadsGas"]["result"]["periodic_meter_reads_gas"]
    # DSMR 2.2 has no capture times.
    assert reads
    assert all(row["capture_time"] for row in reads)


@pytest.mark.django_db(transaction=True)
def test_in_a_bundle(api: APIClient, organisation: Organisation, simulator: SimulatorThread) -> None:
    electricity, _ = meters.add_meters(organisation, simulator).values()
    asked = body("PeriodicMeterReads", "")
    del asked["device_identification"]
    actions = [
        {"message": "ReadAlarmRegister"},
        {"message": "PeriodicMeterReads", **asked},
        {"message": "GetOutages"},
        {"message": "GetThdFingerprint"},
    ]
    fields = {"device_identification": electricity.identification, "actions": actions}
    too_much = {**actions[1], "begin_date": "2020-01-01T00:00:00Z"}
    refused = api.post("/api/v1/bundle/", fields | {"actions": [*actions, too_much]}, format="json")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == "/actions/4/end_date"
    accepted = api.post("/api/v1/bundle/", fields, format="json")
    assert accepted.status_code == 202, accepted.json()
    meters.visit(electricity)
    answer = api.get(accepted.json()["url"]).json()
    assert [response["status"] for response in answer["responses"]] == ["SUCCEEDED"] * 4
