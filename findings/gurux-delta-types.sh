#!/usr/bin/env bash
# gurux-dlms 1.0.203: the delta types of the Blue Book (data types, tags 28 to 33), with which a meter sends a value in
# a buffer as its difference to the row before, are not known. The whole answer is refused, with the rows before it.
#
# Guess before running: the second row has 1005, or the difference.
# Seen:
#   ValueError Invalid data type.
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gurux-dlms==1.0.203 >&2

cat > "$folder/deltas.py" <<'PYTHON'
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import InterfaceType
from gurux_dlms.objects import GXDLMSCaptureObject, GXDLMSClock, GXDLMSProfileGeneric, GXDLMSRegister

CLOCK = "090c 07ea 06 01 ff %s 00 00 00 ff88 80"


def read(*rows):
    """Have the client take an array of rows of clock and register, and print them."""
    client = GXDLMSClient(True, interfaceType=InterfaceType.WRAPPER)
    profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
    profile.captureObjects += [
        (GXDLMSClock(), GXDLMSCaptureObject(2, 0)),
        (GXDLMSRegister("1.0.1.8.0.255"), GXDLMSCaptureObject(2, 0)),
    ]
    profile.capturePeriod = 3600
    data = bytes.fromhex(("01%02x" % len(rows)) + "".join("0202" + row for row in rows).replace(" ", ""))
    apdu = bytes.fromhex("c401c100") + data
    frame = bytes.fromhex("000100010010") + len(apdu).to_bytes(2, "big") + apdu
    reply = GXReplyData()
    client.getData(GXByteBuffer(frame), reply, None)
    client.updateValue(profile, 2, reply.value)
    for clock, value in profile.buffer:
        print(clock.value.strftime("%H:%M"), value)


try:
    # The second row has a delta-unsigned (tag 31) of 5.
    read(CLOCK % "0a" + "06000003e8", CLOCK % "0b" + "1f05")
except ValueError as error:
    print(type(error).__name__, error)
PYTHON

"$folder/venv/bin/python" "$folder/deltas.py" > "$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'EXPECTED'
ValueError Invalid data type.
EXPECTED
