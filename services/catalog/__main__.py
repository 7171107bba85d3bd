"""Runs a catalog process: `python -m services.catalog`."""

from chassis import config, mongo, paging, server
from chassis.server import Registration
from chassis.telemetry import Telemetry
from protos.catalog.v1 import catalog_pb2_grpc
from services.catalog.config import CatalogSettings
from services.catalog.rpc import SERVICE_NAME, CatalogServicer
from services.catalog.wiring import wire

NAME = "catalog"


async def main() -> None:
    settings = config.load(CatalogSettings)
    telemetry = Telemetry(NAME)
    database = mongo.connect(settings.mongo_url, settings.database)
    wired = await wire(database, token_key=paging.token_key(settings), telemetry=telemetry)
    servicer = CatalogServicer(wired.catalog)
    try:
        await server.serve(
            name=NAME,
            settings=settings,
            registrations=[Registration(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, servicer, SERVICE_NAME)],
            # Not search: it says itself that its index is being built, and hubs do not wait for it.
            checks={"mongo": lambda: mongo.ping(database)},
            background=wired.background,
            telemetry=telemetry,
        )
        await wired.journal.drain()
    finally:
        mongo.close(database)


if __name__ == "__main__":
    server.run(main, name=NAME)
