"""The gateway process: HTTP and gRPC in one event loop."""

import asyncio

from chassis.config import load
from chassis.server import run, serve
from chassis.telemetry import Telemetry
from gateway.config import GatewaySettings
from gateway.wiring import Gateway

NAME = "gateway"


async def main() -> None:
    """Serve until SIGTERM."""
    settings = load(GatewaySettings)
    telemetry = Telemetry(NAME)
    gateway = Gateway(settings, telemetry=telemetry)
    stop = asyncio.Event()
    await serve(
        name=NAME,
        settings=settings,
        registrations=gateway.registrations,
        background=gateway.background(stop),
        telemetry=telemetry,
        identify=gateway.identify,
        stop=stop,
    )
    await gateway.close()


if __name__ == "__main__":
    run(main, name=NAME)
