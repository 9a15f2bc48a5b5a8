#!/usr/bin/env bash
# gurux-dlms 1.0.203: encoding a date-time exchanges the marks of the month. What is read as FE (the month in which
# daylight saving begins) is written as FD (in which it ends), and the other way round. A date without a time keeps
# them. So what was read of a meter and is written back means the other half of the year.
#
# Guess before running: what was decoded is encoded to the same octets.
# Seen:
#   date-time fffffe01ff00000000800000 -> fffffd01ff00000000800000
#   date-time fffffd01ff00000000800000 -> fffffe01ff00000000800000
#   date fffffe01ff -> fffffe01ff
#   date fffffd01ff -> fffffd01ff
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gurux-dlms==1.0.203 >&2

cat > "$folder/marks.py" <<'PYTHON'
from gurux_dlms import GXDLMSClient
from gurux_dlms.enums import DataType, InterfaceType
from gurux_dlms.objects import GXDLMSData

KINDS = {"date-time": DataType.DATETIME, "date": DataType.DATE}
client = GXDLMSClient(True, interfaceType=InterfaceType.WRAPPER)


def write_back(kind, octets):
    """Decode, and make the request that writes what came of it; the value is at its end."""
    written = GXDLMSData("0.0.96.1.0.255")
    written.value = GXDLMSClient.changeType(bytes.fromhex(octets), KINDS[kind])
    written.setDataType(2, KINDS[kind])
    [request] = client.write(written, 2)
    print(kind, octets, "->", bytes(request).hex()[-len(octets) :])


write_back("date-time", "fffffe01ff00000000800000")
write_back("date-time", "fffffd01ff00000000800000")
write_back("date", "fffffe01ff")
write_back("date", "fffffd01ff")
PYTHON

"$folder/venv/bin/python" "$folder/marks.py" > "$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'EXPECTED'
date-time fffffe01ff00000000800000 -> fffffd01ff00000000800000
date-time fffffd01ff00000000800000 -> fffffe01ff00000000800000
date fffffe01ff -> fffffe01ff
date fffffd01ff -> fffffd01ff
EXPECTED
