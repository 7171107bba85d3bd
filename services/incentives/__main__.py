"""Runs an incentives process: `python -m services.incentives`."""

import contextlib

from chassis import client, config, mongo, paging, server
from chassis.client import Client
from chassis.server import Registration
from chassis.telemetry import Telemetry
from protos.incentives.v1 import incentives_pb2_grpc
from protos.matcher.v1 import matcher_pb2_grpc
from protos.metrics.v1 import metrics_pb2_grpc
from services.incentives.config import IncentivesSettings, code_keys
from services.incentives.rpc import SERVICE_NAME, IncentivesServicer
from services.incentives.service.followers import Pace
from services.incentives.wire.peers import EventSink, MatchFeed, VideoCounter
from services.incentives.wiring import Peers, wire

NAME = "incentives"


async def main() -> None:
    settings = config.load(IncentivesSettings)
    telemetry = Telemetry(NAME)
    database = mongo.connect(settings.mongo_url, settings.database)
    async with contextlib.AsyncExitStack() as closing:
        closing.callback(mongo.close, database)
        peers = Peers()
        if settings.matcher_address:
            matcher = await closing.enter_async_context(client.channel(settings.matcher_address, settings))
            feed = Client(matcher_pb2_grpc.MatcherServiceStub, matcher, telemetry=telemetry)
            peers = Peers(feed=MatchFeed(feed))
        if settings.metrics_address:
            metrics = await closing.enter_async_context(client.channel(settings.metrics_address, settings))
            counting = Client(metrics_pb2_grpc.MetricsServiceStub, metrics, telemetry=telemetry)
            peers = Peers(feed=peers.feed, counts=VideoCounter(counting), events=EventSink(counting))
        wired = await wire(
            database,
            token_key=paging.token_key(settings),
            code_keys=code_keys(settings),
            telemetry=telemetry,
            peers=peers,
            pace=Pace(counts_s=settings.counts_s, events_s=settings.events_s),
            sweep_s=settings.sweep_s,
        )
        servicer = IncentivesServicer(wired.campaigns, wired.participation, wired.rewards)
        add = incentives_pb2_grpc.add_IncentivesServiceServicer_to_server
        await server.serve(
            name=NAME,
            settings=settings,
            registrations=[Registration(add, servicer, SERVICE_NAME)],
            checks={"mongo": lambda: mongo.ping(database)},
            background=wired.background,
            telemetry=telemetry,
        )


if __name__ == "__main__":
    server.run(main, name=NAME)
