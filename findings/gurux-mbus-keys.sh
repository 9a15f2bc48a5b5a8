#!/usr/bin/env bash
# gurux-dlms 1.0.203: the M-Bus client (class 72) cannot carry keys to M-Bus devices. transferKey and setEncryptionKey
# raise AttributeError for every key, be it bytes, a bytearray or a GXByteBuffer: they look for an attribute Length,
# as arrays have it in C#. Only an empty octet-string can be sent. sendData, which is for other keys, writes the tag of a
# structure between the tag of its array and the number of elements, so that a meter reads an array of two with an array
# in it. (Its items must have a Length as well; the script gives them one.)
#
# Guess before running: an octet-string of the key, and an array of one structure of three.
# Seen:
#   transferKey bytes: AttributeError
#   transferKey bytearray: AttributeError
#   transferKey GXByteBuffer: AttributeError
#   transferKey empty: 0900
#   setEncryptionKey bytes: AttributeError
#   setEncryptionKey bytearray: AttributeError
#   setEncryptionKey GXByteBuffer: AttributeError
#   setEncryptionKey empty: 0900
#   sendData: 010201020309010d0902fd190904aabbccdd (due: 0101020309010d0902fd190904aabbccdd)
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gurux-dlms==1.0.203 >&2

cat > "$folder/keys.py" <<'PYTHON'
from gurux_dlms import GXByteBuffer, GXDLMSClient
from gurux_dlms.enums import InterfaceType
from gurux_dlms.objects.GXDLMSMBusClient import GXDLMSMBusClient

KEY = bytes(range(24))
BEFORE_PARAMETER = 26  # hexadecimal digits: action-request-normal, invoke id, method, "there is a parameter"
client = GXDLMSClient(True, interfaceType=InterfaceType.WRAPPER)
channel = GXDLMSMBusClient("0.1.24.1.0.255")


def show(requests):
    """The parameter of the method, in hexadecimal."""
    [request] = requests
    text = bytes(request).hex()
    return text[text.index("c301") + BEFORE_PARAMETER :]


for name in ("transferKey", "setEncryptionKey"):
    for kind, key in (("bytes", KEY), ("bytearray", bytearray(KEY)), ("GXByteBuffer", GXByteBuffer(KEY)), ("empty", b"")):
        try:
            print(f"{name} {kind}: {show(getattr(channel, name)(client, key))}")
        except AttributeError:
            print(f"{name} {kind}: AttributeError")


class Octets(bytes):
    Length = property(len)


class Item:
    DataInformation, ValueInformation, Data = Octets(b"\x0d"), Octets(b"\xfd\x19"), b"\xaa\xbb\xcc\xdd"


print("sendData:", show(channel.sendData(client, [Item()])))
PYTHON

"$folder/venv/bin/python" "$folder/keys.py" > "$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'EXPECTED'
transferKey bytes: AttributeError
transferKey bytearray: AttributeError
transferKey GXByteBuffer: AttributeError
transferKey empty: 0900
setEncryptionKey bytes: AttributeError
setEncryptionKey bytearray: AttributeError
setEncryptionKey GXByteBuffer: AttributeError
setEncryptionKey empty: 0900
sendData: 010201020309010d0902fd190904aabbccdd
EXPECTED
