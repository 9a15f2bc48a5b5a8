#!/usr/bin/env bash
# gevent 26.9.0 (the behaviour came with 25.8.1): in a patched process whose hub is in use, os.close() of a pipe
# leaves the descriptor open until the event loop has gone round once; gevent.sleep(0) is not enough for that. The
# usual way to wait for a forked child (close your own writing end, read to the end of the pipe) waits for itself.
#
# Guess before running: os.close() closes, patched or not.
# Seen:
#   plain: open after os.close: False
#   patched: open after os.close: True
#   patched: open after gevent.sleep(0): True
#   patched: open after gevent.sleep(0.05): False
#   patched: open after the original os.close: False
# Exits with 0 as long as that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gevent==26.9.0 >&2

cat > "$folder/closing.py" <<'PYTHON'
import os
import sys


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


if sys.argv[1] == "plain":
    reading, writing = os.pipe()
    os.close(writing)
    print("plain: open after os.close:", is_open(writing))
    sys.exit()

from gevent import monkey

monkey.patch_all()
import gevent

gevent.sleep(0)  # the hub is in use
reading, writing = os.pipe()
os.close(writing)
print("patched: open after os.close:", is_open(writing))
gevent.sleep(0)
print("patched: open after gevent.sleep(0):", is_open(writing))
gevent.sleep(0.05)
print("patched: open after gevent.sleep(0.05):", is_open(writing))
reading, writing = os.pipe()
monkey.get_original("os", "close")(writing)
print("patched: open after the original os.close:", is_open(writing))
PYTHON

{
    "$folder/venv/bin/python" "$folder/closing.py" plain
    "$folder/venv/bin/python" "$folder/closing.py" patched
} > "$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'EXPECTED'
plain: open after os.close: False
patched: open after os.close: True
patched: open after gevent.sleep(0): True
patched: open after gevent.sleep(0.05): False
patched: open after the original os.close: False
EXPECTED
