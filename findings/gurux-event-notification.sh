#!/usr/bin/env bash
# gurux-dlms 1.0.203: the value of an event-notification-request, with which meters of DSMR 2.2 push, cannot be had.
# getData takes the message and says which command it is, but gives no value, as it does for a data-notification.
# parseReport is for that: with an object that the client knows it raises AttributeError, and with one that it does not
# know it gives nothing and calls it an information report.
#
# Guess before running: getData gives no value, and parseReport sets that of the object.
# Seen:
#   data-notification: command 15, value [5]
#   event-notification-request: command 194, value None
#   parseReport, object known: AttributeError 'GXDLMSData' object has no attribute 'settings'; its value: None
#   InformationReport message. Unknown object : 1 0.0.96.1.1.255
#   parseReport, object unknown: []
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gurux-dlms==1.0.203 >&2

cat > "$folder/event.py" <<'PYTHON'
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import InterfaceType
from gurux_dlms.objects import GXDLMSData

# Version, wPorts and length of the wrapper; then the APDU, both without a time.
DATA = "0001 0001 0010 000a" + "0f 00000001 00 0201 1105"
# Class 1, 0.0.96.1.1.255, attribute 2: octet-string "E123".
EVENT = "0001 0001 0010 0011" + "c2 00 0001 0000600101ff 02 0904 45313233"


def receive(client, octets):
    """What a message that the meter sends on its own becomes."""
    notification = GXReplyData()
    client.getData(GXByteBuffer(bytes.fromhex(octets)), GXReplyData(), notification)
    return notification


def make_client():
    return GXDLMSClient(True, interfaceType=InterfaceType.WRAPPER)


told = receive(make_client(), DATA)
print(f"data-notification: command {int(told.command)}, value {told.value}")
client = make_client()
told = receive(client, EVENT)
print(f"event-notification-request: command {int(told.command)}, value {told.value}")

known = GXDLMSData("0.0.96.1.1.255")
client.objects.append(known)
try:
    client.parseReport(told, [])
except AttributeError as error:
    print(f"parseReport, object known: AttributeError {error}; its value: {known.value}")

client = make_client()
found = []
client.parseReport(receive(client, EVENT), found)
print(f"parseReport, object unknown: {found}")
PYTHON

"$folder/venv/bin/python" "$folder/event.py" > "$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'EXPECTED'
data-notification: command 15, value [5]
event-notification-request: command 194, value None
parseReport, object known: AttributeError 'GXDLMSData' object has no attribute 'settings'; its value: None
InformationReport message. Unknown object : 1 0.0.96.1.1.255
parseReport, object unknown: []
EXPECTED
