"""CPU of a day of quarters of an hour: 96 rows in one ciphered answer.

The peer is gurux-dlms as it is. Each runs in a process of its own, since our cipher takes the place of that
of gurux-dlms wherever both are; both get the same octets, made by the simulator's codec, and must find the
same in them. `python -m scripts.benchmarks.day_profile own 5` (or `stock`) prints what one of them costs, at
best in so many rounds.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from scripts.benchmarks.head_end import HeadEnd
from scripts.benchmarks.measuring import Figure, run_and_read
from scripts.benchmarks.sizes import Sizes

ENCRYPTION_KEY, AUTHENTICATION_KEY = bytes(range(16)), bytes(range(0xD0, 0xE0))
METER_TITLE, CLIENT_TITLE = b"SIM\x00\x00\x00\x00\x01", b"OSGPHES\x01"
ZONE = ZoneInfo("Europe/Amsterdam")
FIRST = datetime(2026, 1, 31, 23, 15, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
ROWS = 96
ROUND_SECONDS = 0.4
PEER = "gurux-dlms with its own cipher"

Costs = dict[str, Any]


def measure(head_end: HeadEnd, sizes: Sizes, folder: Path) -> Iterator[Figure]:
    """Decoding alone, and all the way to a result."""
    own, stock = (measure_costs(who, sizes.rounds) for who in ("own", "stock"))
    if own["rows"] != stock["rows"]:
        raise RuntimeError("the two do not find the same rows")
    yield Figure("ciphered answer to rows of plain values", own["rows_ms"], "ms", "", stock["rows_ms"], PEER)
    yield Figure("– so many times faster", stock["rows_ms"] / own["rows_ms"], "×", "≥ 20 ×")
    yield Figure(
        "ciphered answer to the result of PeriodicMeterReads",
        own["result_ms"],
        "ms",
        "",
        stock["result_ms"],
        f"{PEER}, to the rows of its profile object",
    )
    yield Figure("– so many times faster", stock["result_ms"] / own["result_ms"], "×")


def measure_costs(who: str, rounds: int) -> Costs:
    """What ``own`` or ``stock`` costs, in a process of its own."""
    costs: Costs = json.loads(run_and_read(["-m", __name__, who, str(rounds)], {}).splitlines()[-1])
    return costs


def answer() -> bytes:
    """A ciphered get-response with the rows of an interval profile."""
    from osgp.simulator.codec.axdr import array, double_long_unsigned, octet_string, structure, unsigned
    from osgp.simulator.codec.ciphering import Cipher
    from osgp.simulator.codec.cosem_time import encode_date_time

    rows = [
        structure(
            octet_string(encode_date_time((FIRST + number * QUARTER).astimezone(ZONE))),
            unsigned(0),
            double_long_unsigned(12_345_678 + number * 97),
            double_long_unsigned(2_345_678 + number * 13),
        )
        for number in range(ROWS)
    ]
    cipher = Cipher(ENCRYPTION_KEY, AUTHENTICATION_KEY, METER_TITLE, CLIENT_TITLE)
    return cipher.encipher(0xCC, 1, b"\xc4\x01\xc1\x00" + array(rows))


def cpu_ms(work: Callable[[], Any], rounds: int) -> float:
    """The least of some rounds: the machine may have other things to do."""
    best = float("inf")
    for _ in range(rounds):
        count, begin = 0, time.process_time()
        while (used := time.process_time() - begin) < ROUND_SECONDS:
            work()
            count += 1
        best = min(best, used / count)
    return 1000 * best


def own(rounds: int) -> Costs:
    """osgp.protocol_dlms, and the message on top of it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "osgp.settings"
    import django

    django.setup()
    from osgp import catalogue
    from osgp.messages.visited_meter import VisitedMeter
    from osgp.monitoring.periodic_meter_reads import PeriodicMeterReads
    from osgp.monitoring.periodic_reads import PeriodicReadsParameters, PeriodType
    from osgp.protocol_dlms import AccessResult, axdr
    from osgp.protocol_dlms.ciphering import Deciphering
    from osgp.protocol_dlms.octets import Cursor
    from osgp.protocol_dlms.session import unprotect

    received = answer()

    def rows(*_: Any) -> Any:
        plain = unprotect(received, Deciphering(ENCRYPTION_KEY, AUTHENTICATION_KEY, METER_TITLE))
        response = Cursor(plain)
        response.read(4)
        return axdr.decode_native(response.read_rest())

    class Answered:
        """Stands in for an association: the answer is there already."""

        read_profile = staticmethod(rows)
        seconds_left = 60.0

        @staticmethod
        def get_many(attributes: Sequence[Any]) -> list[Any]:
            """Nothing is asked for: scalers and units are in the profile."""
            assert not attributes
            return []

        @staticmethod
        def get_each(attributes: Sequence[Any]) -> list[Any]:
            """How the meter describes its buffer is known, or in the profile."""
            return [AccessResult.READ_WRITE_DENIED for _ in attributes]

    meter = VisitedMeter("", catalogue.find_profile("SMR", "5.1"), Answered(), ZONE)  # type: ignore[arg-type]
    operation = PeriodicMeterReads()
    asked: PeriodicReadsParameters = {
        "period_type": PeriodType.INTERVAL,
        "begin_date": FIRST,
        "end_date": FIRST + ROWS * QUARTER,
    }

    def result() -> Any:
        return operation.represent_result(operation.perform(meter, asked))

    if len(result()["periodic_meter_reads"]) != ROWS:
        raise RuntimeError("rows were lost")
    return {
        "rows": _make_comparable(rows()),
        "rows_ms": cpu_ms(rows, rounds),
        "result_ms": cpu_ms(result, rounds),
    }


def stock(rounds: int) -> Costs:
    """gurux-dlms alone."""
    from gurux_dlms import GXByteBuffer, GXReplyData
    from gurux_dlms.enums import Authentication, InterfaceType, Security
    from gurux_dlms.objects import (
        GXDLMSCaptureObject,
        GXDLMSClock,
        GXDLMSData,
        GXDLMSProfileGeneric,
        GXDLMSRegister,
    )
    from gurux_dlms.secure import GXDLMSSecureClient

    apdu = answer()
    frame = bytes.fromhex("0001 0001 0001") + len(apdu).to_bytes(2, "big") + apdu
    client = GXDLMSSecureClient(True, 1, 1, Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER)
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.ciphering.systemTitle = CLIENT_TITLE
    client.ciphering.blockCipherKey = ENCRYPTION_KEY
    client.ciphering.authenticationKey = AUTHENTICATION_KEY
    client.settings.sourceSystemTitle = METER_TITLE
    profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
    captured = [
        GXDLMSClock("0.0.1.0.0.255"),
        GXDLMSData("0.0.96.10.2.255"),
        GXDLMSRegister("1.0.1.8.0.255"),
        GXDLMSRegister("1.0.2.8.0.255"),
    ]
    profile.captureObjects = [(item, GXDLMSCaptureObject(2, 0)) for item in captured]

    def rows() -> Any:
        reply = GXReplyData()
        client.getData(GXByteBuffer(frame), reply, GXReplyData())
        return reply.value

    def result() -> Any:
        client.updateValue(profile, 2, rows())
        return profile.buffer

    if len(result()) != ROWS:
        raise RuntimeError("rows were lost")
    return {
        "rows": _make_comparable(rows()),
        "rows_ms": cpu_ms(rows, rounds),
        "result_ms": cpu_ms(result, rounds),
    }


def _make_comparable(rows: Any) -> list[list[Any]]:
    return [[cell if isinstance(cell, int) else bytes(cell).hex() for cell in row] for row in rows]


if __name__ == "__main__":
    print(json.dumps({"own": own, "stock": stock}[sys.argv[1]](int(sys.argv[2]))))
