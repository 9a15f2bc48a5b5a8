"""Wrapped keys of M-Bus devices: known answers, what each value does to them, counters, wrong values."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from osgp.cosem.mbus_key_wrapping import (
    MbusKeyId,
    count_seconds,
    encode_device,
    encode_key_record,
    wrap_with_cbc,
    wrap_with_gcm,
)
from osgp.protocol_dlms import axdr

DEFAULT_KEY = bytes(range(16))
KEY = bytes.fromhex("11111111222222223333333344444455")
FLO = {"identification_number": "99310014", "manufacturer": "FLO"}
AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def wrap(**changes: Any) -> bytes:
    options: dict[str, Any] = {"key_id": MbusKeyId.OPTICAL_PORT_KEY, "key_change_counter": 1, **FLO}
    return wrap_with_gcm(DEFAULT_KEY, KEY, **{**options, **changes})


def test_known_answer_of_cbc() -> None:
    assert wrap_with_cbc(DEFAULT_KEY, KEY).hex() == "08eab184363141f1e7b554939dfb75b8"


def test_known_answer_of_gcm() -> None:
    assert wrap().hex() == "000000011928dd82e493e489eed5a235e771c2232523c60ac982f22c820a"


def test_devices_in_the_initialization_vector() -> None:
    assert encode_device(**FLO).hex() == "140031998f195003"
    assert encode_device("00000561", "AAA").hex() == "6105000021045003"


def test_everything_counts_for_gcm() -> None:
    others = [
        wrap(key_id=MbusKeyId.USER_KEY),
        wrap(key_id=MbusKeyId.FIRMWARE_UPDATE_AUTHENTICATION_KEY),
        wrap(key_change_counter=2),
        wrap(identification_number="99310015"),
        wrap(manufacturer="FLP"),
    ]
    # The last eight octets are the tag, which each of them changes.
    assert len({each[-8:] for each in [wrap(), *others]}) == 1 + len(others)


def test_the_longest_counter() -> None:
    assert wrap(key_change_counter=0xFFFFFFFF)[:4].hex() == "ffffffff"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"key_change_counter": -1}, "the key change counter -1 is no number of 32 bits"),
        ({"key_change_counter": 1 << 32}, "the key change counter 4294967296 is no number of 32 bits"),
        ({"identification_number": ""}, "number '' is not 8 digits"),
        ({"identification_number": "9931001"}, "number '9931001' is not 8 digits"),
        ({"identification_number": "9931001A"}, "number '9931001A' is not 8 digits"),
        ({"identification_number": "٩٩٣١٠٠١٤"}, "is not 8 digits"),
        ({"manufacturer": ""}, "manufacturer '' is not three letters"),
        ({"manufacturer": "FL"}, "manufacturer 'FL' is not three letters"),
        ({"manufacturer": "flo"}, "manufacturer 'flo' is not three letters"),
        ({"manufacturer": "FLOW"}, "manufacturer 'FLOW' is not three letters"),
    ],
)
def test_values_that_no_vector_can_hold(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        wrap(**changes)


@pytest.mark.parametrize(("default_key", "key"), [(DEFAULT_KEY[1:], KEY), (DEFAULT_KEY, KEY + b"\x5a")])
def test_keys_of_another_length(default_key: bytes, key: bytes) -> None:
    options: dict[str, Any] = {"key_id": MbusKeyId.USER_KEY, "key_change_counter": 1, **FLO}
    for form in (wrap_with_cbc, lambda *keys: wrap_with_gcm(*keys, **options)):
        with pytest.raises(ValueError, match="other than 16 octets") as info:
            form(default_key, key)
        assert key.hex() not in repr(info.value)


def test_the_record_that_passes_a_key_on() -> None:
    assert (
        axdr.encode(encode_key_record(b"\xaa\xbb")).hex() == "010102030901" + "0d" + "0902fd19" + "0902aabb"
    )


def test_counters_follow_the_clocks_of_the_zone() -> None:
    assert count_seconds(datetime(2000, 1, 1, tzinfo=AMSTERDAM), AMSTERDAM) == 0
    assert count_seconds(datetime(2000, 1, 1, tzinfo=UTC), AMSTERDAM) == 3600
    # 2026-06-15 12:20:30 in Amsterdam is 9,662 days and some hours after.
    assert count_seconds(datetime(2026, 6, 15, 10, 20, 30, tzinfo=UTC), AMSTERDAM) == 9662 * 86400 + 44430
    assert count_seconds(datetime(2026, 6, 15, 10, 20, 30, 999999, tzinfo=UTC), AMSTERDAM) == (
        9662 * 86400 + 44430
    )


def test_clocks_go_back_in_autumn() -> None:
    before = datetime(2026, 10, 25, 0, 59, 59, tzinfo=UTC)
    assert count_seconds(before + timedelta(seconds=1), AMSTERDAM) == count_seconds(before, AMSTERDAM) - 3599
