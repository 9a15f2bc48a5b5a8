"""Host names of meters in a worker with greenlets, with name servers that do not answer."""

import json
import subprocess
import sys

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import json, socket, time
import django, gevent
django.setup()
from osgp.processes import cooperative_names
from osgp.protocol_dlms import errors
from osgp.protocol_dlms.transport import names
from osgp.visits import restores

silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 0))
asked = set()

def serve():
    while True:
        query, whom = silent.recvfrom(4096)
        question = query[12:query.index(b"\\0", 12) + 5]
        asked.add(question[1:5])
        if question.startswith(b"\\4good") and question[-3] == 1:
            answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4" + socket.inet_aton("10.0.0.1")
            silent.sendto(query[:2] + b"\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0" + question + answer, whom)
        elif question.startswith(b"\\4good"):
            silent.sendto(query[:2] + b"\\x81\\x80\\0\\1\\0\\0\\0\\0\\0\\0" + question, whom)
        elif question.startswith(b"\\4gone"):
            silent.sendto(query[:2] + b"\\x81\\x83\\0\\1\\0\\0\\0\\0\\0\\0" + question, whom)

gevent.spawn(serve)
make = cooperative_names.NameServers
cooperative_names.NameServers = lambda: make(servers=["127.0.0.1"], udp_port=silent.getsockname()[1])
restores.start_watch = lambda: None
import osgp.visits.worker_process
done = []

def find(name, seconds=60):
    try:
        done.append((name, names.find_addresses(name, seconds)))
    except errors.DlmsError as error:
        done.append((name, type(error).__name__))

dead = [gevent.spawn(find, f"dead{n}.example", 0.5) for n in range(30)]
gevent.sleep(0.05)
find("good.example")
find("gone.example")
find("localhost")
gevent.joinall(dead)
others = [[name, outcome] for name, outcome in done if not name.startswith("dead")]
threads = gevent.get_hub().threadpool.size
print(json.dumps([others, sorted({outcome for name, outcome in done if name.startswith("dead")}), threads]))
"""


def test_thirty_names_without_an_answer_keep_nobody() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    others, dead, threads = json.loads(ran.stdout)
    assert others[:2] == [["good.example", ["10.0.0.1"]], ["gone.example", "NameNotFound"]]
    assert "127.0.0.1" in others[2][1]
    assert (dead, threads) == (["NameNotResolved"], 0)
