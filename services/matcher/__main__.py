"""Runs a matcher process: `python -m services.matcher`."""

import contextlib
import gc
import sys
from dataclasses import replace

from chassis import clock, config, ids, mongo, paging, server
from chassis.client import Client, channel
from chassis.server import Registration
from chassis.telemetry import Telemetry
from protos.catalog.v1 import catalog_pb2_grpc
from protos.matcher.v1 import matcher_pb2_grpc, policy_pb2_grpc, review_pb2_grpc
from services.matcher.config import MatcherSettings
from services.matcher.rpc.catalog_feed import GrpcCatalogFeed
from services.matcher.rpc.matcher import MatcherServicer
from services.matcher.rpc.policy import PolicyServicer
from services.matcher.rpc.review import ReviewServicer
from services.matcher.scoring.factors import FACTOR_OF
from services.matcher.scoring.weights import DEFAULT_PATH, load_weights
from services.matcher.text.engine import TextEngine
from services.matcher.text.explaining import shares_by_factor
from services.matcher.visual.pictures import DEFAULT_LIMITS
from services.matcher.visual.worker import FrameWorker
from services.matcher.wire.videos import kept_video_of, with_made
from services.matcher.wiring import Outside, Wired, wire

NAME = "matcher"
SERVICES = "spotlight.matcher.v1."
# Less is not worth explaining: a policy drops far more, and no calibration or picture lifts it to an anchor.
PROBABILITY_MIN = 0.05
# A batch on its way makes thousands of values that all live until it is stored, and a dozen batches are on their way
# under load: to look through them every 700, as is the default, costs 11 µs a post and finds nothing.
GARBAGE_EVERY = 100_000
# The index is changed in a thread of its own: each time the engine lets go of the interpreter, it would wait until that
# thread has had 5 ms.
TURN_S = 0.0005
READING = replace(DEFAULT_LIMITS, file_s_max=30.0)  # off the request path; loading RapidOCR alone takes seconds


async def main() -> None:
    settings = config.load(MatcherSettings)
    gc.set_threshold(GARBAGE_EVERY)
    sys.setswitchinterval(TURN_S)
    telemetry = Telemetry(NAME)
    database = mongo.connect(settings.mongo_url, settings.database)
    peer = channel(settings.catalog_address, settings)
    worker = FrameWorker(frame_model=settings.frame_model_file, model_name=settings.frame_model_name)
    reader = FrameWorker(limits=READING)
    weights = load_weights(settings.weights_file or DEFAULT_PATH)
    shares_by_factor(weights, FACTOR_OF)  # a second's work, before anybody waits for this process
    wired = await wire(
        Outside(
            database=database,
            feed=GrpcCatalogFeed(Client(catalog_pb2_grpc.CatalogServiceStub, peer, telemetry=telemetry)),
            worker=worker,
            reader=reader,
            engine_of=lambda index: TextEngine(index, weights, probability_min=PROBABILITY_MIN),
            decode_video=kept_video_of,
            with_made=with_made,
            clock=clock.SystemClock(),
            new_id=ids.new_id,
            telemetry=telemetry,
            token_key=paging.token_key(settings),
            index_folder=settings.index_folder,
            rematch_videos_per_s=settings.rematch_videos_per_s,
            has_likeness_checks=settings.has_likeness_checks,
            screen_text_share=settings.screen_text_share,
            frame_picture_days=settings.frame_picture_days,
            frame_picture_videos_max=settings.frame_picture_videos_max,
        )
    )
    async with contextlib.AsyncExitStack() as closing:
        closing.callback(mongo.close, database)
        closing.push_async_callback(peer.close)
        closing.push_async_exit(worker)
        if settings.frame_model_file is not None:
            await worker.start()  # a frame model that cannot be used is said now, not to the first caller
        closing.push_async_exit(reader)
        await server.serve(
            name=NAME,
            settings=settings,
            registrations=registrations(wired, clock.SystemClock()),
            checks={"mongo": lambda: mongo.ping(database), "index": wired.index.check_ready},
            background=wired.background,
            telemetry=telemetry,
        )


def registrations(wired: Wired, now: clock.Clock) -> list[Registration]:
    """The three servicers."""
    matcher = MatcherServicer(wired.matching, wired.anchors, wired.stats, wired.rematching, wired.looking, clock=now)
    review = ReviewServicer(wired.reviews, wired.hearings, wired.oversight, clock=now)
    policy = PolicyServicer(wired.policies, wired.learning, wired.regime)
    return [
        Registration(matcher_pb2_grpc.add_MatcherServiceServicer_to_server, matcher, SERVICES + "MatcherService"),
        Registration(review_pb2_grpc.add_ReviewServiceServicer_to_server, review, SERVICES + "ReviewService"),
        Registration(policy_pb2_grpc.add_PolicyServiceServicer_to_server, policy, SERVICES + "PolicyService"),
    ]


if __name__ == "__main__":
    server.run(main, name=NAME)
