#!/usr/bin/env bash
# gurux-dlms 1.0.203: in a buffer (profile generic, class 7) null-data stands for the value of the row before (Blue
# Book, class 7, buffer). The client fills it in for the clock, which counts on by the capture period, but leaves a
# register without a value. So a meter that compresses its rows seems to have no readings between two changes.
#
# Guess before running: both columns of the second row are those of the first, the clock an hour later.
# Seen:
#   10:00 1000
#   11:00 None
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gurux-dlms==1.0.203 >&2

cat > "$folder/nulls.py" <<'PYTHON'
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


# The second row is null-data in both columns.
read(CLOCK % "0a" + "06000003e8", "00" + "00")
PYTHON

"$folder/venv/bin/python" "$folder/nulls.py" > "$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'EXPECTED'
10:00 1000
11:00 None
EXPECTED
