"""Deadlines hold under gevent, where notifiers run: its TLS sockets count theirs anew at each step."""

from tests.processes import run_python

PROGRAM = """
from gevent import monkey

monkey.patch_all()

import socket
import threading
import time

import django

django.setup()

from django.conf import settings

from osgp.events.receivers import parse_url
from osgp.notifications.dialling import SendError
from osgp.notifications.http import Receiver

settings.OSGP["WEBHOOK_ALLOWED_NETWORKS"] = ["127.0.0.0/8"]
settings.OSGP["WEBHOOK_ALLOW_HTTP"] = True
server = socket.create_server(("127.0.0.1", 0))


def drip(beginning):
    line, _ = server.accept()
    try:
        line.sendall(beginning)
        while True:
            time.sleep(0.05)
            line.sendall(b"a")
    except OSError:
        pass


# A record of TLS that is to have 16,384 octets, and an answer that does not come to its end.
for scheme, beginning in (("https", bytes.fromhex("1603034000")), ("http", b"HTTP/1.1 2")):
    threading.Thread(target=drip, args=(beginning,), daemon=True).start()
    url = parse_url(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/")
    try:
        Receiver().post(url, {}, b"{}", time.monotonic() + 0.5)
    except SendError as error:
        print(scheme, error)
"""


def test_an_octet_now_and_then_gains_no_time() -> None:
    ended = run_python(PROGRAM)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        # The text tells the usual deadline, not that of this call.
        f"{scheme} No answer within 10 s."
        for scheme in ("https", "http")
    ]
