"""CPU of secured sessions without a head-end, by client:
`python -m scripts.benchmarks.session_clients CLIENT FLEET COUNTER SESSIONS`.

Each session associates (HLS 5, security suite 0), reads the clock and six registers and releases. CLIENT is
``stock``: gurux-dlms as it is, parsing and ciphering included; ``own``: osgp.protocol_dlms, one attribute per
request as well; or ``own-lists``: as the platform does it, several attributes in one request. Prints JSON.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REGISTERS = ("1.8.0", "1.8.1", "1.8.2", "2.8.0", "2.8.1", "2.8.2")
SYSTEM_TITLE = b"OSGPHES\x01"

Described = dict[str, dict[str, Any]]


def stock_session(described: Described, counter: int) -> None:
    """One session with gurux-dlms alone."""
    import socket

    from gurux_dlms import GXByteBuffer, GXReplyData
    from gurux_dlms.enums import Authentication, InterfaceType, Security
    from gurux_dlms.objects import GXDLMSClock, GXDLMSRegister
    from gurux_dlms.secure import GXDLMSSecureClient

    fields, keys = described["add_device"], described["keys"]
    client = GXDLMSSecureClient(
        True, 1, fields["logical_device_address"], Authentication.HIGH_GMAC, None, InterfaceType.WRAPPER
    )
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.ciphering.systemTitle = SYSTEM_TITLE
    client.ciphering.blockCipherKey = bytes.fromhex(keys["encryption_key"])
    client.ciphering.authenticationKey = bytes.fromhex(keys["authentication_key"])
    client.ciphering.invocationCounter = counter
    with socket.create_connection((fields["network_address"], fields["port"]), 10) as line:

        def exchange(frames: Any) -> Any:
            reply = GXReplyData()
            for frame in frames if isinstance(frames, list) else [frames]:
                line.sendall(frame)
                received = GXByteBuffer()
                while True:
                    octets = line.recv(65_536)
                    if not octets:
                        raise ConnectionError("the meter hung up")
                    received.set(octets)
                    if client.getData(received, reply, GXReplyData()):
                        break
            return reply

        client.parseAareResponse(exchange(client.aarqRequest()).data)
        proof = exchange(client.getApplicationAssociationRequest())
        client.parseApplicationAssociationResponse(proof.data)
        for item in (
            GXDLMSClock("0.0.1.0.0.255"),
            *(GXDLMSRegister(f"1.0.{code}.255") for code in REGISTERS),
        ):
            if exchange(client.read(item, 2)).value is None:
                raise ValueError(f"{item.logicalName} was not read")
        exchange(client.releaseRequest())


def own_session(with_list_max: int) -> Callable[[Described, int], None]:
    """Sessions with osgp.protocol_dlms."""
    from osgp.catalogue import obis
    from osgp.catalogue.cosem import AttributeDescriptor
    from osgp.protocol_dlms import AccessResult, Keys, Meter, MeterAddress, Security
    from osgp.protocol_dlms.transport import destinations

    # Without a head-end nobody else says where meters may be: these are simulated ones.
    destinations.use(lambda address, port: True)
    wanted = [AttributeDescriptor(8, obis.parse("0-0:1.0.0.255"), 2)]
    wanted += [AttributeDescriptor(3, obis.parse(f"1-0:{code}.255"), 2) for code in REGISTERS]

    class Counter:
        def __init__(self, first: int) -> None:
            self._values = itertools.count(first)

        def take_value(self) -> int:
            return next(self._values)

    def session(described: Described, counter: int) -> None:
        fields, keys = described["add_device"], described["keys"]
        with Meter.connect(
            MeterAddress(fields["network_address"], fields["port"], fields["logical_device_address"]),
            security=Security.HLS5,
            keys=Keys(bytes.fromhex(keys["authentication_key"]), bytes.fromhex(keys["encryption_key"])),
            counter=Counter(counter),
            client_system_title=SYSTEM_TITLE,
            with_list_max=with_list_max,
        ) as meter:
            if any(isinstance(value, AccessResult) for value in meter.get_many(wanted)):
                raise ValueError("a register was not read")
            meter.release()

    return session


def main(client: str, fleet: str, counter: str, most: str) -> None:
    """One warm-up session, then one with each of so many other meters of the fleet."""
    described = json.loads(Path(fleet).read_text())
    sessions = {
        "stock": lambda: stock_session,
        "own": lambda: own_session(1),
        "own-lists": lambda: own_session(32),
    }
    session = sessions[client]()
    first, *others = described
    others = others[: int(most)] or [first]
    session(first, int(counter))
    counter = str(int(counter) + 100)
    cpu, begun = time.process_time(), time.perf_counter()
    for item in others:
        session(item, int(counter))
    count = len(others)
    print(
        json.dumps(
            {
                "sessions": count,
                "cpu_ms": (time.process_time() - cpu) / count * 1000,
                "elapsed_ms": (time.perf_counter() - begun) / count * 1000,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
