"""The same code under gevent: many sessions in one thread, each waiting for its meter without holding up
others.
"""

import subprocess
import sys

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import gevent, time
from osgp.protocol_dlms.transport import destinations
from tests.protocol_dlms.peers import Peer, WrapperMeter
from tests.protocol_dlms.sessions import ENERGY, connect

waiting = most = 0

def slowly(request):
    # Counts how many sessions wait for their answer at the same time.
    global waiting, most
    waiting += 1
    most = max(most, waiting)
    while most < 100:
        time.sleep(0.01)
    waiting -= 1
    return bytes((0xC4, 1)) + request[2:3] + bytes.fromhex("001105")

def visit(port):
    with connect(port) as meter:
        return meter.get(ENERGY).value

destinations.use(lambda address, port: True)
with Peer(lambda connection: WrapperMeter(slowly)(connection)) as peer:
    visits = [gevent.spawn(visit, peer.port) for _ in range(100)]
    gevent.joinall(visits, timeout=300)
    print(sum(visit.value for visit in visits), most)
"""


def test_a_hundred_sessions_wait_side_by_side() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False
    )
    assert (result.stdout.split(), result.returncode) == (["500", "100"], 0), result.stderr
