"""Fills a new house with the sample data, through the same APIs everybody uses; a second time it does nothing.

    catalog import → matcher's index has it → sample videos matched → reviews → creators → a campaign → traffic

Each step leaves a mark when it is done, so that one that broke off goes on there.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc.aio
from rich.progress import Progress

from chassis import context
from chassis.client import Client, channel
from chassis.config import Settings
from chassis.errors import FailedPrecondition, SpotlightError
from chassis.timestamps import timestamp
from deploy.local import samples, traffic
from deploy.local.plan import Plan
from deploy.local.preflight import NotReady
from protos.catalog.v1 import catalog_pb2_grpc
from protos.incentives.v1 import campaign_pb2, incentives_pb2, incentives_pb2_grpc, participation_pb2
from protos.matcher.v1 import matcher_pb2, matcher_pb2_grpc, review_pb2, review_pb2_grpc
from protos.metrics.v1 import metrics_pb2_grpc
from services.catalog.importer.__main__ import Order, import_file

VERSION = 3
CALL_S = 20.0
TASK_CLOSED = "TASK_CLOSED"  # the matcher's reason, docs/reference/errors.md
INDEX_S = 90.0
POLL_S = 0.2
VIDEOS_PER_CALL = 50
ANCHORS_PER_CALL = 100
ACTOR = "sample-admin"
REVIEWER = "sample-reader"


@dataclass(frozen=True, slots=True)
class House:
    """The four services, as a caller sees them."""

    catalog: Client
    matcher: Client
    review: Client
    incentives: Client
    metrics: Client


Step = Callable[[House, Progress], Awaitable[None]]


async def seed(plan: Plan, shown: Progress) -> samples.Shown:
    """Does the steps that this data has not seen yet; gives what is worth showing."""
    mark = plan.folder / "seed.json"
    fingerprint = f"{VERSION}:{samples.digest()}:{plan.mongo_url}"
    try:
        known = json.loads(mark.read_text())
        done = list(known["done"]) if known["fingerprint"] == fingerprint else []
    except (OSError, ValueError, KeyError):
        done = []
    channels = {name: channel(plan.address(_SERVER.get(name, name)), Settings(local=True)) for name in _STUBS}
    house = House(**{name: Client(_STUBS[name], channels[name], timeout_s=CALL_S) for name in _STUBS})
    try:
        for name, step in STEPS.items():
            if name not in done:
                with context.scope(request_id=f"seed-{name}", principal=context.Principal.of(ACTOR, ["catalog.write"])):
                    await step(house, shown)
                done.append(name)
                mark.write_text(json.dumps({"fingerprint": fingerprint, "done": done}))
        return await _shown(house)
    except SpotlightError as error:
        msg = f"the sample data could not be sent ({error.reason}: {error.message}): see the logs in {plan.log_folder}"
        raise NotReady(msg) from error
    finally:
        await asyncio.gather(*(each.close() for each in channels.values()))


async def _shown(house: House) -> samples.Shown:
    """The title with the most sample videos that carry an anchor, the campaign's when it is among the first."""
    found: dict[str, list[str]] = {}
    video_ids = [video.id for video in samples.videos()]
    for start in range(0, len(video_ids), ANCHORS_PER_CALL):
        request = matcher_pb2.BatchGetAnchorsRequest(
            video_ids=video_ids[start : start + ANCHORS_PER_CALL], viewer_region="US"
        )
        answer = await house.matcher.call("BatchGetAnchors", request)
        for anchor in answer.anchors:
            found.setdefault(anchor.title_id, []).append(anchor.video_id)
    if not found:
        return samples.SHOWN
    best = max(found, key=lambda title_id: (len(found[title_id]), title_id == samples.TITLE_ID))
    return samples.Shown(best, tuple(found[best][:3]))


async def _catalog(house: House, shown: Progress) -> None:
    for path in samples.catalog_files():
        # Named by its content: a file that was touched is not imported twice.
        order = Order(path=path, import_id=f"sample:{samples.digest()}:{path.stem}", source=f"data/catalog/{path.name}")
        done = await import_file(house.catalog, order, shown)
        if done.error_count:
            problem = done.errors[0]
            msg = f"{path.name}:{problem.line} could not be imported"
            raise NotReady(msg)


async def _index(house: House, shown: Progress) -> None:
    """Waits until the matcher's index holds what was imported: only then are videos worth matching."""
    task = shown.add_task("indexing the catalog", total=1)
    give_up = time.monotonic() + INDEX_S
    while time.monotonic() < give_up:
        found = await house.matcher.call("GetIndexInfo", matcher_pb2.GetIndexInfoRequest())
        if found.is_ready and found.title_count and found.catalog_revision >= found.latest_catalog_revision:
            shown.update(task, completed=1)
            return
        await asyncio.sleep(POLL_S)
    msg = f"the matcher's index does not hold the sample catalog after {INDEX_S:.0f} s"
    raise NotReady(msg)


async def _videos(house: House, shown: Progress) -> None:
    videos = samples.videos()
    task = shown.add_task("matching sample videos", total=len(videos))
    for start in range(0, len(videos), VIDEOS_PER_CALL):
        piece = videos[start : start + VIDEOS_PER_CALL]
        name = f"sample-videos:{samples.digest()}:{start}"
        request = matcher_pb2.BatchMatchVideosRequest(request_id=name, videos=piece)
        await house.matcher.call("BatchMatchVideos", request)
        shown.advance(task, len(piece))


async def _reviews(house: House, shown: Progress) -> None:
    """A reviewer confirms two of three doubtful matches that are right; the others wait for whoever tries the page."""
    found = await house.review.call("ListReviewTasks", review_pb2.ListReviewTasksRequest(page_size=200))
    about = samples.about()
    right = [each for each in found.tasks if each.title_id in about.get(each.video_id, ()) and each.required_votes == 1]
    chosen = [each for number, each in enumerate(right) if number % 3]
    task = shown.add_task("reviewing doubtful matches", total=len(chosen))
    for each in chosen:
        await _approve(house, each.id)
        shown.advance(task)


async def _approve(house: House, task_id: str) -> None:
    """One decision; a match that meanwhile left review (its catalog is still new) needs none."""
    leasing = review_pb2.LeaseReviewTaskRequest(reviewer_id=REVIEWER, task_id=task_id)
    try:
        leased = await house.review.call("LeaseReviewTask", leasing)
        decision = review_pb2.DecideReviewTaskRequest(
            task_id=task_id,
            reviewer_id=REVIEWER,
            lease_token=leased.lease.token,
            verdict=review_pb2.VERDICT_APPROVE,
            request_id=f"sample-review:{task_id}"[:128],
        )
        await house.review.call("DecideReviewTask", decision)
    except FailedPrecondition as error:
        if error.reason != TASK_CLOSED:
            raise


async def _creators(house: House, shown: Progress) -> None:
    """What campaigns ask of creators: followers, strikes, age of the account."""
    known = samples.creators().values()
    task = shown.add_task("introducing creators", total=len(known))
    opened = timestamp(datetime(2023, 1, 1, tzinfo=UTC))
    creators = [
        participation_pb2.Creator(
            id=each.id,
            follower_count=each.follower_count,
            region_code=each.region_code,
            strike_score=each.strike_score,
            account_create_time=opened,
        )
        for each in known
    ]
    request = incentives_pb2.BatchUpdateCreatorsRequest(
        creators=creators, request_id=f"sample-creators:{samples.digest()}"
    )
    await house.incentives.call("BatchUpdateCreators", request)
    shown.advance(task, len(creators))


async def _campaign(house: House, shown: Progress) -> None:
    task = shown.add_task("starting a campaign", total=3)
    # By the day, so that a repetition is the same request.
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    name = f"sample-campaign:{today:%Y%m%d}"
    created = await house.incentives.call(
        "CreateCampaign",
        incentives_pb2.CreateCampaignRequest(
            studio_id=samples.STUDIO_ID, campaign=_a_campaign(today), request_id=name, actor=ACTOR
        ),
    )
    shown.advance(task)
    for number, act in enumerate((campaign_pb2.CAMPAIGN_ACT_SCHEDULE, campaign_pb2.CAMPAIGN_ACT_START)):
        found = await house.incentives.call("GetCampaign", incentives_pb2.GetCampaignRequest(campaign_id=created.id))
        if found.state == campaign_pb2.CAMPAIGN_STATE_ACTIVE:
            break
        request = incentives_pb2.ChangeCampaignStateRequest(
            campaign_id=created.id, act=act, request_id=f"{name}:{number}", actor=ACTOR
        )
        await house.incentives.call("ChangeCampaignState", request)
    shown.advance(task)
    await house.incentives.call(
        "Enrol",
        incentives_pb2.EnrolRequest(campaign_id=created.id, creator_id=samples.CREATOR_ID, request_id=f"{name}:enrol"),
    )
    shown.advance(task)


def _a_campaign(today: datetime) -> campaign_pb2.Campaign:
    return campaign_pb2.Campaign(
        display_name="Ten years among the stars",
        description="Show what Interstellar means to you: a scene, a sound, a costume.",
        title_ids=[samples.TITLE_ID],
        visible_time=timestamp(today - timedelta(days=1)),
        start_time=timestamp(today - timedelta(days=1)),
        end_time=timestamp(today + timedelta(days=30)),
        claim_end_time=timestamp(today + timedelta(days=44)),
        rules=campaign_pb2.EligibilityRules(
            follower_count_min=1_000, required_match=campaign_pb2.REQUIRED_MATCH_APPROVED
        ),
        tasks=[
            campaign_pb2.Task(
                id="one-video", display_name="Post one video", kind=campaign_pb2.TASK_KIND_VIDEOS, target=1
            ),
            campaign_pb2.Task(
                id="views", display_name="Reach 50,000 views", kind=campaign_pb2.TASK_KIND_TOTAL_VIEWS, target=50_000
            ),
        ],
        rewards=[
            campaign_pb2.Reward(
                id="frame",
                display_name="Profile frame",
                kind=campaign_pb2.REWARD_KIND_PROFILE_FRAME,
                stock_count=100,
                task_ids=["one-video"],
            ),
            campaign_pb2.Reward(
                id="poster",
                display_name="Signed poster",
                kind=campaign_pb2.REWARD_KIND_MERCHANDISE,
                stock_count=10,
                waitlist_max=50,
                task_ids=["one-video", "views"],
            ),
        ],
    )


async def _traffic(house: House, shown: Progress) -> None:
    await traffic.replay(house.matcher, house.incentives, house.metrics, shown)


_STUBS: dict[str, Callable[[grpc.aio.Channel], Any]] = {
    "catalog": catalog_pb2_grpc.CatalogServiceStub,
    "matcher": matcher_pb2_grpc.MatcherServiceStub,
    "review": review_pb2_grpc.ReviewServiceStub,
    "incentives": incentives_pb2_grpc.IncentivesServiceStub,
    "metrics": metrics_pb2_grpc.MetricsServiceStub,
}
# Review is served by the matcher's process.
_SERVER = {"review": "matcher"}
STEPS: dict[str, Step] = {
    "catalog": _catalog,
    "index": _index,
    "videos": _videos,
    "reviews": _reviews,
    "creators": _creators,
    "campaign": _campaign,
    "traffic": _traffic,
}
