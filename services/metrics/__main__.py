"""Runs a metrics process: `python -m services.metrics`."""

from chassis import client, config, mongo, paging, server
from chassis.client import Client
from chassis.server import Registration
from chassis.telemetry import Telemetry
from protos.catalog.v1 import catalog_pb2_grpc
from protos.metrics.v1 import metrics_pb2_grpc
from services.metrics.config import MetricsSettings
from services.metrics.rpc.feed import CatalogFeed
from services.metrics.rpc.servicer import SERVICE_NAME, MetricsServicer
from services.metrics.wiring import wire

NAME = "metrics"


async def main() -> None:
    settings = config.load(MetricsSettings)
    telemetry = Telemetry(NAME)
    database = mongo.connect(settings.mongo_url, settings.database)
    catalog = client.channel(settings.catalog_address, settings)
    feed = CatalogFeed(Client(catalog_pb2_grpc.CatalogServiceStub, catalog, telemetry=telemetry))
    wired = await wire(database, settings, feed, token_key=paging.token_key(settings), telemetry=telemetry)
    servicer = MetricsServicer(wired.ingest, wired.reports, wired.board, wired.found)
    try:
        await server.serve(
            name=NAME,
            settings=settings,
            registrations=[Registration(metrics_pb2_grpc.add_MetricsServiceServicer_to_server, servicer, SERVICE_NAME)],
            checks={"mongo": lambda: mongo.ping(database)},
            background=wired.background,
            telemetry=telemetry,
        )
    finally:
        await catalog.close()
        mongo.close(database)


if __name__ == "__main__":
    server.run(main, name=NAME)
