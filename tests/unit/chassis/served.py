"""A whole process for the tests of chassis.server: `python -m tests.unit.chassis.served`."""

import asyncio
from typing import ClassVar

from chassis import server
from chassis.config import Settings, load
from tests.unit.chassis.echo import Echo, registration


class ServedSettings(Settings):
    prefix: ClassVar[str] = "SPOTLIGHT_SERVED_"


async def slow(request, call):
    await asyncio.sleep(0.4)


async def main() -> None:
    settings = load(ServedSettings)
    await server.serve(name="served", settings=settings, registrations=[registration(Echo(slow))])


if __name__ == "__main__":
    server.run(main, name="served")
