"""Runs a metrics process: `python -m services.metrics`; with `verify` or `rebuild` it derives rollups from the log."""

import sys

from chassis import client, config, mongo, paging, server
from chassis.client import Client
from chassis.server import Registration
from chassis.telemetry import Telemetry
from protos.catalog.v1 import catalog_pb2_grpc
from services.metrics import allocator, collector, processor, rebuild
from services.metrics.config import MetricsSettings
from services.metrics.rpc.feed import CatalogFeed
from services.metrics.rpc.servicer import SERVICE_NAME, MetricsServicer, add_to_server
from services.metrics.wiring import wire

NAME = "metrics"
# Segments merge in threads: calls wait for the interpreter no longer than this, not Python's 5 ms, each time.
TURN_S = 0.0005


async def main() -> None:
    settings = config.load(MetricsSettings)
    telemetry = Telemetry(NAME)
    database = mongo.connect(settings.mongo_url, settings.database)
    catalog = client.channel(settings.catalog_address, settings)
    feed = CatalogFeed(Client(catalog_pb2_grpc.CatalogServiceStub, catalog, telemetry=telemetry))
    wired = await wire(database, settings, feed, token_key=paging.token_key(settings), telemetry=telemetry)
    collector.settle()
    servicer = MetricsServicer(wired.ingest, wired.reports, wired.board, wired.found)
    try:
        await server.serve(
            name=NAME,
            settings=settings,
            registrations=[Registration(add_to_server, servicer, SERVICE_NAME)],
            checks={"mongo": lambda: mongo.ping(database)},
            background=wired.background,
            telemetry=telemetry,
        )
    finally:
        await catalog.close()
        mongo.close(database)


async def derive(act: str) -> None:
    """`verify` compares the stored rollups with ones derived anew; `rebuild` derives them again in place."""
    settings = config.load(MetricsSettings)
    database = mongo.connect(settings.mongo_url, settings.database)
    stored, anew = await rebuild.verify(database) if act == "verify" else (await rebuild.rebuild(database),) * 2
    mongo.close(database)
    print(f"stored  {stored}\nderived {anew}")  # noqa: T201 - the answer to the operator
    if stored != anew:
        raise SystemExit(1)


if __name__ == "__main__":
    processor.tune()
    allocator.tune()
    sys.setswitchinterval(TURN_S)
    acts = [act for act in sys.argv[1:] if act in {"verify", "rebuild"}]
    server.run(lambda: derive(acts[0]) if acts else main(), name=NAME)
