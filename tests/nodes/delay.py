"""A line with latency, as a process of its own: what goes in comes out after so many seconds, in order, however much of it is on the way.

`python -S tests/nodes/delay.py PORT SECONDS` prints its own port, and leads to PORT of this machine until it is killed.
"""

from __future__ import annotations

import asyncio
import sys

_PIECE = 1 << 16


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, seconds: float) -> None:
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def arrive() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                break
            sink.write(data)
            await sink.drain()
        sink.close()

    arriving = asyncio.ensure_future(arrive())
    data = b"?"
    while data:
        try:
            data = await source.read(_PIECE)
        except OSError:
            data = b""
        under_way.put_nowait((loop.time() + seconds, data))
    await asyncio.gather(arriving, return_exceptions=True)


async def main(port: int, seconds: float) -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_carry(reader, there_writer, seconds), _carry(there_reader, writer, seconds))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=256)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
