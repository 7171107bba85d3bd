"""An older model put back: new matches are its own at once, stored ones once they are matched again."""

import asyncio
from dataclasses import replace

import grpc.aio

from protos.matcher.v1 import matcher_pb2 as pb
from protos.matcher.v1 import matcher_pb2_grpc
from services.matcher import index
from services.matcher.domain import TitleCard, TitleState
from services.matcher.scoring.weights import load_weights
from services.matcher.text.index import TextIndex
from services.matcher.text.titles import MediaType, Name, TitleNames
from tests.faults.matcher.test_reviewers_and_kills import MatcherProcess
from tests.matcher_world import a_video

TITLE = TitleNames(title_id="m1", media_type=MediaType.MOVIE, names=(Name(text="Interstellar"),), popularity=5.0)


async def test_a_model_is_rolled_back_by_its_file(database, mongo_url, tmp_path):
    weights = load_weights()
    older = tmp_path / "older.npz"
    curve = weights.calibration
    replace(weights, version="older", calibration=replace(curve, calibrated=curve.calibrated - 0.25)).save(older)
    process = MatcherProcess(database.name, mongo_url, tmp_path)
    saved = index.Saved(
        text=TextIndex.build([TITLE]),
        revision=1,
        cards={"m1": TitleCard("Interstellar", TitleState.ACTIVE)},
        soundtracks={},
    )
    index.save(saved, tmp_path / str(process.port))
    try:
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{process.port}", [("grpc.max_reconnect_backoff_ms", 300)]
        ) as channel:
            stub = matcher_pb2_grpc.MatcherServiceStub(channel)
            await process.start()
            first = await matched(stub, "v1")
            assert first.model_version == weights.version
            await process.kill()
            process.settings["SPOTLIGHT_MATCHER_WEIGHTS_FILE"] = str(older)
            await process.start()
            assert (await matched(stub, "v2")).model_version == "older"
            stored = await stub.GetMatch(pb.GetMatchRequest(match_id="v1:m1"))
            assert (stored.model_version, stored.probability) == (first.model_version, first.probability)
            run = await stub.RematchTitle(pb.RematchTitleRequest(title_id="m1", whole_corpus=True))
            while run.state == pb.REMATCH_STATE_RUNNING:
                await asyncio.sleep(0.1)
                run = await stub.GetRematchRun(pb.GetRematchRunRequest(run_id=run.id))
            again = await stub.GetMatch(pb.GetMatchRequest(match_id="v1:m1"))
            assert again.model_version == "older"
            assert again.probability < first.probability
    finally:
        await process.kill()


async def matched(stub, video_id: str) -> pb.Match:
    """The video's match, once the process serves."""
    request = pb.MatchVideoRequest(
        video=a_video(video_id, "watched #Interstellar, the movie", hashtag_names=["Interstellar"])
    )
    while True:
        try:
            return (await stub.MatchVideo(request)).matches[0]
        except grpc.aio.AioRpcError as error:
            assert error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}, error.details()
            await asyncio.sleep(0.2)
