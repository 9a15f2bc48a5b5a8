"""SetActivityCalendar: the octets, the steps and their order, what meters had and have."""

from copy import deepcopy
from datetime import datetime
from typing import Any
from unittest import mock

import pytest

from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.operation import MeterOperation
from osgp.messages.registry import find_operation
from osgp.simulator import FaultKind
from osgp.simulator.codec.axdr import DataType, decode, encode
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.catalogue.generations import ALL
from tests.configuration.calendars import (
    LOW,
    OCTETS,
    SAMPLE,
    SUMMER,
    WEEKDAYS,
    WINTER,
    WORKDAY,
    calendar,
    season,
    shown,
    week,
)
from tests.configuration.reluctant import forgetting, hiding, keeping, kept, refusing
from tests.visited import Visits, having, outcome_with, perform, saying

MESSAGE = "SetActivityCalendar"
TAG = "ACTIVITY_CALENDAR"
TIME = "activate_passive_calendar_time"
LATER = "2090-07-01T00:00:00+02:00"
"""By the clock of the platform, which is that of the machine."""
LATER_UTC = "2090-06-30T22:00:00Z"
NEVER = "090cffffffffffffffffff8000ff"
ACTIVE = {(TAG, number): octets for number, octets in zip(range(2, 6), OCTETS.values(), strict=True)}
OTHER = calendar(season("5", WINTER, week("7", WORKDAY, LOW)), name="A b~ ok")
FACTORY = {
    "calendar_name": "DEFAULT",
    "season_profiles": [season("1", "FFFF0101FF00000000800000", week("1"))],
}


def parts(simulated: SimulatedMeter, which: str) -> dict[str, str]:
    """What was written of a calendar."""
    return {part: kept(simulated, TAG, f"{part}_{which}") for part in OCTETS}


def operation() -> MeterOperation:
    found = find_operation(MESSAGE)
    assert isinstance(found, MeterOperation)
    return found


def test_all_profiles_have_it() -> None:
    assert {profile for profile, _ in having(TAG)} >= set(ALL)


@pytest.mark.parametrize(("profile", "polyphase"), having(TAG))
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    with saying(simulated, {}), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, SAMPLE) == {"before": FACTORY, "after": shown(SAMPLE), TIME: None}
        assert parts(simulated, "passive") == parts(simulated, "active") == OCTETS
        assert perform(meter, MESSAGE, {**OTHER, TIME: LATER}) == {
            "before": shown(SAMPLE),
            "after": shown(OTHER),
            TIME: LATER_UTC,
        }
        assert parts(simulated, "active") == OCTETS
        # In the zone of the meter, a Saturday in summer; nothing is unspecified.
        assert kept(simulated, TAG, TIME) == "090c082a07010600000000ff8880"


def sent_by(visits: Visits, parameters: dict[str, Any], with_list_max: int) -> list[str]:
    """What goes to the meter."""
    simulated = visits.simulated("SMR-5.1")
    sent: list[str] = []
    connection = {
        "with_list_max": with_list_max,
        "trace": lambda record: sent.append(record.apdu.hex()) if record.direction == "sent" else None,
    }
    with saying(simulated, {}), visits.visit(simulated, connection=connection) as meter:
        perform(meter, MESSAGE, parameters)
    requests = [apdu[:4] + apdu[6:] for apdu in sent if apdu[:2] in ("c0", "c1", "c3")]
    return requests[1:]  # the first one belongs to the association


def descriptor(number: int) -> str:
    return f"001400000d0000ff{number:02x}"


def test_the_steps_one_by_one(visits: Visits) -> None:
    octets = list(OCTETS.values())
    reads_before = [f"c001{descriptor(number)}00" for number in (2, 3, 4, 5, 10)]
    writes = [f"c101{descriptor(number)}00{octets[number - 6]}" for number in (6, 7, 8, 9)]
    reads_passive = [f"c001{descriptor(number)}00" for number in (6, 7, 8, 9)]
    activation = [f"c301{descriptor(1)}010f00"]
    reads_active = [f"c001{descriptor(number)}00" for number in (2, 3, 4, 5)]
    assert sent_by(visits, SAMPLE, 1) == reads_before + writes + reads_passive + activation + reads_active
    plan = [f"c101{descriptor(10)}00090c082a07010600000000ff8880", f"c001{descriptor(10)}00"]
    assert sent_by(visits, {**SAMPLE, TIME: LATER}, 1) == reads_before + writes + reads_passive + plan


def test_the_steps_in_lists(visits: Visits) -> None:
    def lists(*numbers: int) -> str:
        return f"{len(numbers):02x}" + "".join(f"{descriptor(number)}00" for number in numbers)

    assert sent_by(visits, SAMPLE, 32) == [
        f"c003{lists(2, 3, 4, 5, 10)}",
        f"c104{lists(6, 7, 8, 9)}04{''.join(OCTETS.values())}",
        f"c003{lists(6, 7, 8, 9)}",
        f"c301{descriptor(1)}010f00",
        f"c003{lists(2, 3, 4, 5)}",
    ]


def test_an_activation_of_before_is_called_off_first(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    planned = {(TAG, 10): "090c082a07010600000000ff8880"}
    with saying(simulated, planned), visits.visit(simulated) as meter:
        perform(meter, MESSAGE, SAMPLE)
        assert kept(simulated, TAG, TIME) == NEVER
    with (
        saying(simulated, planned),
        refusing(simulated, TAG, "season_profile_passive"),
        visits.visit(simulated) as meter,
    ):
        with pytest.raises(Fault):
            perform(meter, MESSAGE, {**SAMPLE, TIME: LATER})
        # Or the meter would activate half of a calendar then.
        assert kept(simulated, TAG, TIME) == NEVER
    with (
        saying(simulated, {**planned, **ACTIVE}),
        refusing(simulated, TAG, TIME),
        visits.visit(simulated) as meter,
    ):
        with pytest.raises(Fault, match="type-unmatched"):
            perform(meter, MESSAGE, SAMPLE)
        assert meter.get(TAG, "calendar_name_passive").value == b"DEFAULT"


def test_a_large_calendar_in_blocks(visits: Visits) -> None:
    days = [
        {
            "day_id": day_id,
            "actions": [
                {"start_time": f"{half // 2:02}:{half % 2 * 30:02}", "script_selector": half % 2 + 1}
                for half in range(48)
            ],
        }
        for day_id in (0, 9, 128, 255)
    ]
    seasons = [
        season(
            str(number), f"FFFF{number + 1:02X}01FF00000000FFC400", week(str(number), days[number], days[0])
        )
        for number in range(4)
    ]
    simulated = visits.simulated("SMR-5.5")
    for with_list_max in (1, 32):
        with (
            saying(simulated, {}),
            visits.visit(simulated, connection={"with_list_max": with_list_max}) as meter,
        ):
            result = perform(meter, MESSAGE, calendar(*seasons, name="12345678"))
        assert result["after"] == shown(calendar(*seasons, name="12345678"))


def test_shared_weeks_and_days_are_written_once(visits: Visits) -> None:
    shared = calendar(
        season("2", SUMMER, week("0", WORKDAY, LOW)), season("1", WINTER, week("0", WORKDAY, LOW))
    )
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {}), visits.visit(simulated) as meter:
        after = perform(meter, MESSAGE, shared)["after"]
        # Written in the order of the request, told in that of the names.
        assert parts(simulated, "passive")["season_profile"].startswith("0102" + "0203090102")
        assert [each["name"] for each in after["season_profiles"]] == ["1", "2"]
        assert parts(simulated, "passive")["week_profile_table"] == "01010208090100" + "1100" * 5 + "1101" * 2
        assert parts(simulated, "passive")["day_profile_table"].startswith("0102" + "02021100")


def test_meters_keep_tables_in_orders_of_their_own(visits: Visits) -> None:
    sample = calendar(season("1", WINTER, week("1", WORKDAY, LOW)), season("2", SUMMER, week("2", LOW, LOW)))
    simulated = visits.simulated("SMR-5.1")

    def reverse(octets: bytes) -> bytes:
        data = decode(octets)
        return encode(data._replace(value=data.value[::-1])) if data.type is DataType.ARRAY else octets

    with (
        saying(simulated, {}),
        keeping(simulated, reverse),
        visits.visit(simulated) as meter,
    ):
        assert perform(meter, MESSAGE, sample)["after"] == shown(sample)
        assert kept(simulated, TAG, "day_profile_table_passive").startswith("0102" + "02021101")


def test_names_and_tables_of_other_head_ends(visits: Visits) -> None:
    """What can be told of a calendar is told."""
    simulated = visits.simulated("SMR-5.1")
    start = "090cffff0101ff00000000ffc400"
    said = {
        (TAG, 2): "090200ff",
        (TAG, 3): f"0103 0203 0906{b'SUMMER'.hex()} {start} 0901 31 0203 0900 {start} 0901 0a"
        f"0203 090109 {start} 090101",
        (TAG, 4): "0101 0208 0901 31 1101 1101 1101 1101 1101 1101 1102",
        (TAG, 5): "0101 0202 1101 0102 0203 09040700ffff 090600000a0064ff 120002"
        "0203 090400000000 090600000a0064ff 12ffff",
    }
    with (
        saying(simulated, {key: octets.replace(" ", "") for key, octets in said.items()}),
        visits.visit(simulated) as meter,
    ):
        before = perform(meter, MESSAGE, SAMPLE)["before"]
    day = {
        "day_id": 1,
        "actions": [
            {"start_time": "00:00", "script_selector": 0xFFFF},
            {"start_time": "0700FFFF", "script_selector": 2},
        ],
    }
    unknown = dict.fromkeys(WEEKDAYS)
    assert before == {
        "calendar_name": "0x00FF",
        "season_profiles": [
            season("", WINTER, {"name": "0x0A", **unknown}),
            season("9", WINTER, {"name": "1", **unknown}),
            season(
                "SUMMER",
                WINTER,
                {
                    **week("0x31", day, day),
                    "sunday": {"day_id": 2, "actions": None},
                },
            ),
        ],
    }


NO_WEEK = {"name": "1", **dict.fromkeys(WEEKDAYS)}
NO_ACTIONS = {"day_id": 0, "actions": None}


@pytest.mark.parametrize(
    ("number", "octets", "before"),
    [
        (2, "00", {"calendar_name": None}),
        (2, "0a0141", {"calendar_name": None}),
        (2, "0921" + "41" * 33, {"calendar_name": None}),
        (3, "00", {"season_profiles": None}),
        (3, "0101 1101", {"season_profiles": None}),
        (3, "0101 0202 090101 090101", {"season_profiles": None}),
        (3, "0101 0203 090101 090cffff021eff00000000ffc400 090101", {"season_profiles": None}),
        (3, "0101 0203 1101 090cffff0101ff00000000ffc400 090101", {"season_profiles": None}),
        (3, "0121" + "0203 090101 090cffff0101ff00000000ffc400 090101" * 33, {"season_profiles": None}),
        (4, "0100", NO_WEEK),
        (4, "0101 0208 090101 1100 1100 1100 1100 1100 1100 0901ff", NO_WEEK),
        (4, "0101 0208 090101 1100 1100 1100 1100 1100 1100 0301", NO_WEEK),
        (4, "0101 0207 090101 1100 1100 1100 1100 1100 1100", NO_WEEK),
        (5, "0100", week("1", NO_ACTIONS, NO_ACTIONS)),
        (5, "0101 0202 0900 0100", week("1", NO_ACTIONS, NO_ACTIONS)),
        (5, "0101 0202 1100 1101", week("1", NO_ACTIONS, NO_ACTIONS)),
        (
            5,
            "0101 0202 1100 0101 0203 090400000000 0906000000000000 120001",
            week("1", NO_ACTIONS, NO_ACTIONS),
        ),
        (
            5,
            "0101 0202 1100 0101 0203 090418000000 090600000a0064ff 120001",
            week("1", NO_ACTIONS, NO_ACTIONS),
        ),
        (
            5,
            "0101 0202 1100 0131" + "0203 090400000000 090600000a0064ff 120001" * 49,
            week("1", NO_ACTIONS, NO_ACTIONS),
        ),
    ],
)
def test_answers_that_are_no_calendar(
    visits: Visits, number: int, octets: str, before: dict[str, Any]
) -> None:
    simulated = visits.simulated("SMR-5.1")
    said = {**ACTIVE, (TAG, number): octets.replace(" ", "")}
    expected = deepcopy(shown(SAMPLE))
    if "name" in before:
        for index, each in enumerate(expected["season_profiles"], 1):
            each["week_profile"] = {**before, "name": str(index)}
    else:
        expected.update(before)
    with saying(simulated, said), visits.visit(simulated) as meter:
        # Whatever it was, it can be replaced.
        result = perform(meter, MESSAGE, SAMPLE)
    assert result == {"before": expected, "after": shown(SAMPLE), TIME: None}


@pytest.mark.parametrize("part", OCTETS)
def test_a_part_that_is_refused(visits: Visits, part: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, ACTIVE), visits.visit(simulated) as meter:
        with refusing(simulated, TAG, f"{part}_passive"), pytest.raises(Fault) as info:
            perform(meter, MESSAGE, OTHER)
        assert info.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
        assert f"Refused: {part}_passive: type-unmatched" in info.value.message
        assert info.value.message.count("_passive") == 4
        # It was not activated.
        assert parts(simulated, "active") == OCTETS


DIFFERENCES = {
    "calendar_name": "has DEFAULT instead of A b~ ok ",
    "season_profile": "has season 1 from FFFF0101FF00000000800000 with week 1 instead of season 5 from "
    f"{WINTER} with week 7 ",
    "week_profile_table": "has week 1 of days 0, 0, 0, 0, 0, 0, 0 instead of week 7 of days "
    "0, 0, 0, 0, 0, 2, 2 ",
    "day_profile_table": "has day 1 with script 1 at 00:00 instead of day 2 with script 1 at 00:00 ",
}


@pytest.mark.parametrize("part", OCTETS)
def test_a_meter_that_keeps_another_passive_calendar(visits: Visits, part: str) -> None:
    other = calendar(season("5", WINTER, week("7", WORKDAY, {**LOW, "day_id": 2})), name="A b~ ok")
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, ACTIVE), visits.visit(simulated) as meter:
        with forgetting(simulated, TAG, f"{part}_passive"), pytest.raises(Fault) as info:
            perform(meter, MESSAGE, other)
        assert info.value.code == FaultCode.ILLEGAL_RESPONSE
        assert f"accepted {part}_passive, but {DIFFERENCES[part]}" in info.value.message
        assert parts(simulated, "active") == OCTETS


def test_a_long_difference_is_told_in_short(visits: Visits) -> None:
    seasons = [season(str(n), f"FFFF{n:02X}01FF00000000FFC400", week(str(n))) for n in range(1, 5)]
    simulated = visits.simulated("SMR-5.1")
    with (
        saying(simulated, {}),
        forgetting(simulated, TAG, "season_profile_passive"),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match="…") as info,
    ):
        perform(meter, MESSAGE, calendar(*seasons))
    assert len(info.value.message) < 500


def test_an_activation_that_is_refused(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    method = simulated.type.profile[TAG].address_method("activate_passive_calendar")
    entry = simulated.type.objects[method.logical_name]
    with saying(simulated, ACTIVE), visits.visit(simulated) as meter:
        with (
            mock.patch.object(entry, "handlers", {}),
            pytest.raises(Fault, match="written, but not made active: read-write-denied") as info,
        ):
            perform(meter, MESSAGE, OTHER)
        assert info.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
        assert parts(simulated, "active") == OCTETS


def test_an_activation_that_changes_nothing(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    with (
        saying(simulated, ACTIVE),
        visits.visit(simulated) as meter,
        mock.patch.object(meter.association, "invoke"),
        pytest.raises(
            Fault, match="accepted calendar_name_active, but has SAMPLE instead of A b~ ok"
        ) as info,
    ):
        perform(meter, MESSAGE, OTHER)
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


@pytest.mark.parametrize(
    ("hold", "text"),
    [(refusing, "type-unmatched"), (forgetting, "has nothing instead of 2090-06-30 22:00:00")],
)
def test_a_time_that_is_not_accepted(visits: Visits, hold: Any, text: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with (
        saying(simulated, ACTIVE),
        hold(simulated, TAG, TIME),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=text),
    ):
        perform(meter, MESSAGE, {**OTHER, TIME: LATER})


def test_a_meter_that_tells_the_time_in_its_own_way(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")

    def turn_to_utc(octets: bytes) -> bytes:
        is_time = octets.hex() == "090c082a07010600000000ff8880"
        return bytes.fromhex("090c082a061eff160000ff000000") if is_time else octets

    with (
        saying(simulated, {}),
        keeping(simulated, turn_to_utc),
        visits.visit(simulated) as meter,
    ):
        assert perform(meter, MESSAGE, {**OTHER, TIME: LATER})[TIME] == LATER_UTC
        assert kept(simulated, TAG, TIME) == "090c082a061eff160000ff000000"


def test_a_meter_that_does_not_say(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    names = [f"{part}_{which}" for part in OCTETS for which in ("active", "passive")]
    nothing = {"calendar_name": None, "season_profiles": None}
    with saying(simulated, {}), hiding(simulated, TAG, *names, TIME), visits.visit(simulated) as meter:
        for others in ({}, {TIME: LATER}):
            result = perform(meter, MESSAGE, {**SAMPLE, **others})
            assert (result["before"], result["after"]) == (nothing, nothing)
        assert parts(simulated, "active") == OCTETS


@pytest.mark.parametrize(
    "kind", [FaultKind.WRONG_TYPES, FaultKind.CUT_SHORT, FaultKind.DROP_MID_ANSWER, FaultKind.HUGE_LENGTH]
)
def test_answers_that_are_wrong(visits: Visits, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, ACTIVE):
        assert isinstance(outcome_with(visits, kind, simulated, MESSAGE, OTHER), Fault)


# The time of the activation


@pytest.mark.parametrize(
    ("written", "moment", "octets"),
    [
        (LATER, LATER_UTC, "082a07010600000000ff8880"),
        ("2090-12-31T23:00:00Z", "2090-12-31T23:00:00Z", "082b01010100000000ffc400"),
        # In the form of a meter, it is sent as it is.
        ("082a0701ff00000000ff8880", LATER_UTC, "082a0701ff00000000ff8880"),
        ("082A0701FF000000FF8000FF", LATER_UTC, "082a0701ff000000ff8000ff"),
        ("082A061EFF160000FF000000", LATER_UTC, "082a061eff160000ff000000"),
    ],
)
def test_times(visits: Visits, written: str, moment: str, octets: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {}), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, {**SAMPLE, TIME: written})[TIME] == moment
        assert kept(simulated, TAG, TIME) == f"090c{octets}"
    stored = operation().represent_parameters(operation().parse({**SAMPLE, TIME: written}))
    assert operation().parse(stored) == operation().parse({**SAMPLE, TIME: written})


@pytest.mark.parametrize(
    "written", ["2001-07-01T00:00:00+02:00", "07D10701FF00000000FF8880", "00000101FF00000000FF8880"]
)
def test_times_that_have_passed(visits: Visits, written: str) -> None:
    parsed = operation().parse({**SAMPLE, TIME: written})
    with pytest.raises(Fault, match="in the future") as info:
        operation().check_device(Device(time_zone="Europe/Amsterdam"), parsed)
    assert (info.value.code, info.value.pointer) == (FaultCode.VALIDATION_ERROR, f"/{TIME}")
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {}), visits.visit(simulated) as meter:
        with pytest.raises(Fault, match="in the future") as info:
            perform(meter, MESSAGE, {**SAMPLE, TIME: written})
        assert info.value.code == FaultCode.VALIDATION_ERROR
        assert not info.value.retryable
        assert not simulated.memory.overrides


def test_times_to_come_are_accepted() -> None:
    device = Device(time_zone="Europe/Amsterdam")
    for others in ({}, {TIME: LATER}, {TIME: "082A0701FF000000FF8000FF"}):
        operation().check_device(device, operation().parse({**SAMPLE, **others}))


def test_local_time_is_that_of_the_meter() -> None:
    """Between two midnights it depends on the zone whether a time has passed."""
    parsed = operation().parse({**SAMPLE, TIME: "082A0701FF000000008000FF"})
    now = datetime.fromisoformat("2090-06-30T23:00:00+00:00")
    with mock.patch("django.utils.timezone.now", return_value=now):
        with pytest.raises(Fault):
            operation().check_device(Device(time_zone="Europe/Amsterdam"), parsed)
        operation().check_device(Device(time_zone="America/New_York"), parsed)
