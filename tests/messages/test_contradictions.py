"""The note that a meter describes its objects otherwise than its profile does."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from osgp import catalogue
from osgp.accounts.models import Organisation
from osgp.catalogue import CaptureColumn
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.devices.models import Device
from osgp.events.models import Event
from osgp.messages.contradictions import MOST_NAMED, observe_descriptions
from osgp.messages.knowledge import Knowledge
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType
from osgp.requests.models import RequestState
from osgp.simulator import Fleet, SimulatorThread
from osgp.system_notes.keeping import keep
from osgp.system_notes.kinds import DESCRIPTION_DIFFERS
from osgp.system_notes.models import NoteState, SystemNote
from tests import factories, meters
from tests.visited import saying

PROFILE = catalogue.find_profile("SMR", "5.1")
IMPORT = PROFILE["ACTIVE_ENERGY_IMPORT"].address_attribute("scaler_unit")
MBUS_VALUE = next(tag for tag in ("MBUS_MASTER_VALUE_5MIN", "MBUS_MASTER_VALUE") if tag in PROFILE)
EXPORT = PROFILE["ACTIVE_ENERGY_EXPORT"].address_attribute("scaler_unit")


def scaling(scaler: int, unit: int = 30) -> Data:
    return Data(DataType.STRUCTURE, (Data(DataType.INTEGER, scaler), Data(DataType.ENUM, unit)))


def encode_columns(columns: Iterable[CaptureColumn]) -> list[Data]:
    """Columns as capture_objects has them."""
    return [
        Data(
            DataType.STRUCTURE,
            (
                Data(DataType.LONG_UNSIGNED, column.descriptor.class_id),
                Data(DataType.OCTET_STRING, column.descriptor.logical_name),
                Data(DataType.INTEGER, column.descriptor.attribute_id),
                Data(DataType.LONG_UNSIGNED, column.data_index),
            ),
        )
        for column in columns
    ]


def visit(descriptions: Mapping[AttributeDescriptor, Data | None], **fields: Any) -> VisitedMeter:
    association: Any = None
    knowledge = Knowledge(descriptions=dict(descriptions))
    fields = {"identification": "E1", "profile": PROFILE, "time_zone": ZoneInfo("UTC")} | fields
    return VisitedMeter(association=association, knowledge=knowledge, **fields)


def observe(descriptions: Mapping[AttributeDescriptor, Data | None], **fields: Any) -> list[dict[str, Any]]:
    """What a note would tell."""
    meter = visit(descriptions, **fields)
    observe_descriptions(meter, is_changed=True)
    [observation] = meter.observations
    assert observation.kind is DESCRIPTION_DIFFERS
    assert set(observation.judged_by) <= set(DESCRIPTION_DIFFERS.judged_by)
    return [] if observation.noticed is None else list(observation.noticed.details["descriptions"])


def test_scalers_and_units() -> None:
    assert observe({IMPORT: scaling(0), EXPORT: None}) == []
    assert observe({IMPORT: scaling(1), EXPORT: scaling(0, 32)}) == [
        {
            "object": "ACTIVE_ENERGY_EXPORT",
            "attribute": "scaler_unit",
            "profile": "0, Wh",
            "meter": "0, varh",
        },
        {
            "object": "ACTIVE_ENERGY_IMPORT",
            "attribute": "scaler_unit",
            "profile": "0, Wh",
            "meter": "1, Wh",
        },
    ]


@pytest.mark.parametrize(
    "told", [scaling(0, 0), scaling(0, 255), scaling(99), Data(DataType.NULL_DATA, None)]
)
def test_what_is_no_description_contradicts_nothing(told: Data) -> None:
    assert observe({IMPORT: told}) == []


def test_registers_that_the_profile_leaves_open_contradict_nothing() -> None:
    """SMR 5.1 states a factory default for some."""
    for item in PROFILE:
        if "scaler_unit" in item and item["scaler_unit"].value_type == "FIXED_IN_METER":
            told = {item.address_attribute("scaler_unit", 1 if item.per_channel else None): scaling(5)}
            assert observe(told) == []


def test_a_gas_meter_by_its_model() -> None:
    scaler = PROFILE["MBUS_MASTER_VALUE"].address_attribute("scaler_unit", 2)
    told = {scaler: scaling(-2, 13), IMPORT: scaling(1)}
    assert observe(told, channel=2) == []
    assert observe(told, channel=1, model="G4 RF1") == []
    assert observe(told, channel=2, model="G4 RF1") == [
        {
            "object": "MBUS_MASTER_VALUE 2",
            "attribute": "scaler_unit",
            "profile": "-3, m³",
            "meter": "-2, m³",
        }
    ]
    # Its gateway has its own registers in mind.
    assert [each["object"] for each in observe(told, model="G4 RF1")] == ["ACTIVE_ENERGY_IMPORT"]


@pytest.mark.parametrize(("tag", "channel"), [("INTERVAL_VALUES_E", None), ("INTERVAL_VALUES_G", 1)])
def test_columns_and_periods_of_buffers(tag: str, channel: int | None) -> None:
    captured, period = (
        PROFILE[tag].address_attribute(name, channel) for name in ("capture_objects", "capture_period")
    )
    stated = encode_columns(PROFILE.list_capture_columns(tag, channel))
    seconds = int(PROFILE[tag]["capture_period"].value or 0)
    told: dict[AttributeDescriptor, Data | None] = {
        captured: Data(DataType.ARRAY, tuple(stated)),
        period: Data(DataType.DOUBLE_LONG_UNSIGNED, seconds),
    }
    assert observe(told, channel=channel) == []
    told = {
        captured: Data(DataType.ARRAY, (stated[1], stated[0], *stated[2:])),
        period: Data(DataType.DOUBLE_LONG_UNSIGNED, 1800),
    }
    of_columns, of_period = observe(told, channel=channel)
    assert of_columns["profile"].startswith("CLOCK/2, ")
    assert ", CLOCK/2" in of_columns["meter"]
    assert (of_period["profile"], of_period["meter"]) == (f"{seconds} s", "1800 s")
    assert observe({captured: Data(DataType.ARRAY, tuple(stated[:-1]))}, channel=channel)
    for nonsense in (Data(DataType.ARRAY, (Data(DataType.UNSIGNED, 1),)), Data(DataType.ARRAY, ())):
        [found] = observe({captured: nonsense}, channel=channel)
        assert found["meter"] in ("?", "nothing")


@pytest.mark.parametrize("polyphase", [False, True])
def test_a_single_phase_meter_need_not_capture_all_phases(polyphase: bool) -> None:
    profile = catalogue.find_profile("SMR", "5.5")
    for item in profile:
        if item.per_channel or "capture_objects" not in item:
            continue
        if item["capture_objects"].value_type == "FIXED_IN_PROFILE":
            stated = profile.list_capture_columns(item.tag)
            there = [each for each in stated if profile[each.tag].supports(polyphase=polyphase)]
            told = Data(DataType.ARRAY, tuple(encode_columns(there)))
            descriptions = {item.address_attribute("capture_objects"): told}
            assert observe(descriptions, profile=profile, polyphase=polyphase) == [], item.tag


def test_agreement_is_observed_only_if_something_changed() -> None:
    meter = visit({IMPORT: scaling(0)})
    observe_descriptions(meter, is_changed=False)
    assert meter.observations == []
    observe_descriptions(meter, is_changed=True)
    assert [each.noticed for each in meter.observations] == [None]


def test_one_observation_tells_all_of_an_action() -> None:
    """What the meter has told before is judged anew with what it tells now."""
    meter = visit({IMPORT: scaling(1)})
    observe_descriptions(meter, is_changed=True)
    meter.knowledge.descriptions[EXPORT] = scaling(2)
    observe_descriptions(meter, is_changed=True)
    [observation] = meter.observations
    assert observation.noticed is not None
    assert [each["object"] for each in observation.noticed.details["descriptions"]] == [
        "ACTIVE_ENERGY_EXPORT",
        "ACTIVE_ENERGY_IMPORT",
    ]
    assert observation.noticed.text.startswith("The meter describes 2 attributes otherwise than SMR 5.1 does")


def test_a_note_is_bounded() -> None:
    columns = Data(
        DataType.ARRAY, tuple(encode_columns(PROFILE.list_capture_columns("INTERVAL_VALUES_E")) * 3_000)
    )
    told = {
        "scaler_unit": scaling(7),
        "capture_objects": columns,
        "capture_period": Data(DataType.LONG_UNSIGNED, 7),
    }
    meter = visit(
        {
            item.address_attribute(name): value
            for item in PROFILE
            if not item.per_channel
            for name, value in told.items()
            if name in item
        }
    )
    observe_descriptions(meter, is_changed=True)
    [observation] = meter.observations
    assert observation.noticed is not None
    assert len(observation.noticed.details["descriptions"]) == MOST_NAMED
    assert observation.noticed.details["description_count"] > MOST_NAMED
    assert len(str(observation.noticed.details)) < 200_000


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(Fleet.build(1, "SMR-5.1", gas_meters=1)) as simulator:
        yield simulator


@pytest.mark.django_db(transaction=True)
def test_a_note_on_the_device_and_an_event(
    organisation: Organisation, simulator: SimulatorThread, admin_client: Client
) -> None:
    device, gas_meter = meters.add_meters(organisation, simulator).values()
    Device.objects.filter(pk=gas_meter.pk).update(
        model="G4 RF1", protocol_version="2.2", protocol_name="DSMR"
    )
    [simulated] = simulator.meters.values()
    said = {("ACTIVE_ENERGY_IMPORT", 3): "02020f01161e", (f"{MBUS_VALUE}/1", 3): "02020ffe160d"}
    with saying(simulated, said):
        request = factories.make_request(organisation, device, "ActualMeterReads")
        factories.make_request(organisation, gas_meter, "ActualMeterReadsGas")
        meters.visit(device)
    request.refresh_from_db()
    assert request.state == RequestState.SUCCEEDED
    note = SystemNote.objects.get(device=device)
    assert (note.kind, note.state) == ("DESCRIPTION_DIFFERS", NoteState.OPEN)
    assert note.last_correlation_uid == request.correlation_uid
    assert note.text == (
        "The meter describes 1 attribute otherwise than SMR 5.1 does, such as scaler_unit of "
        "ACTIVE_ENERGY_IMPORT: 1, Wh instead of 0, Wh."
    )
    assert note.details["descriptions"][0]["meter"] == "1, Wh"
    assert {event.data["kind"] for event in Event.objects.filter(kind="system.event")} == {note.kind}
    # Whatever a gas meter was registered with, its objects are those of its gateway.
    assert SystemNote.objects.get(device=gas_meter).details["descriptions"][0]["meter"] == "-2, m³"
    page = admin_client.get(f"/admin/devices/device/{device.pk}/change/").content.decode()
    assert "Other description than the profile" in page
    page = admin_client.get(f"/admin/system_notes/systemnote/{note.pk}/change/").content.decode()
    assert "ACTIVE_ENERGY_IMPORT" in page


@pytest.mark.django_db
def test_it_is_resolved_once_all_is_as_the_profile_says(device: Device) -> None:
    Device.objects.update(protocol_name="SMR", protocol_version="5.1")
    states = []
    for scaler in (1, 0):
        meter = visit({IMPORT: scaling(scaler)}, model=device.model)
        observe_descriptions(meter, is_changed=True)
        keep(device.pk, meter.observations, None, "ActualMeterReads")
        states.append(SystemNote.objects.get().state)
    assert states == [NoteState.OPEN, NoteState.RESOLVED]
