"""Receives notifications for the benchmark: `python -m scripts.benchmarks.webhook_receiver FILE`.

Paths that begin with /hang/ get no answer. Of each other notification a line is written to FILE: its id, and
the time at which it was there as a whole, in seconds since 1970.
"""

import asyncio
import sys
import time
from pathlib import Path

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
READY = "listening on port"


async def serve(file: Path) -> None:
    """Until the process is ended."""
    with file.open("w", buffering=1) as output:

        async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    first, *lines = head.split("\r\n")
                    headers = dict(line.lower().split(": ", 1) for line in lines if line)
                    await reader.readexactly(int(headers["content-length"]))
                    if " /hang/" in first:
                        await reader.read()
                        return
                    output.write(f"{headers['webhook-id']} {time.time()}\n")
                    writer.write(ANSWER)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            finally:
                writer.close()

        server = await asyncio.start_server(receive, "127.0.0.1", 0, backlog=1024)
        print(READY, server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
