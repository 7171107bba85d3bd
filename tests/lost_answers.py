"""A store whose answer to one command is lost on the way, so that the driver sends the command again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis import mongo


class Eavesdropper:
    """Stands between the driver and the server, and once hangs up instead of giving the answer to what it waits for."""

    def __init__(self, port: int, words: tuple[bytes, ...]) -> None:
        self.port = port
        self.words = words
        self.hung_up = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection("127.0.0.1", self.port)
        heard = asyncio.Event()
        await asyncio.gather(
            self._ask(reader, downstream, heard), self._answer(upstream, writer, heard), return_exceptions=True
        )

    async def _ask(self, reader: asyncio.StreamReader, downstream: asyncio.StreamWriter, heard: asyncio.Event) -> None:
        while data := await reader.read(65_536):
            if all(word in data for word in self.words):
                heard.set()
            downstream.write(data)
            await downstream.drain()
        downstream.close()

    async def _answer(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: asyncio.Event) -> None:
        while data := await upstream.read(65_536):
            if heard.is_set() and not self.hung_up:
                self.hung_up += 1
                break
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def losing_an_answer(mongo_url: str, name: str, *words: bytes) -> AsyncIterator[mongo.Database]:
    """The database through a connection that loses the answer to the first command with all these words in it.

    Fails at the end when there was no such command.
    """
    ear = Eavesdropper(int(mongo_url.rpartition(":")[2]), words)
    server = await asyncio.start_server(ear.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    behind = mongo.connect(f"mongodb://127.0.0.1:{port}/?directConnection=true", name)
    try:
        yield behind
    finally:
        mongo.close(behind)
        server.close()
    assert ear.hung_up == 1, "nobody asked for what was to be lost"
