"""Puts a matcher together, by hand: stores, index, use cases, background work."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chassis.clock import Clock
from chassis.ids import NewId
from chassis.mongo import Database
from chassis.server import Background
from chassis.telemetry import Telemetry
from services.matcher.index import EngineOf, LiveIndex
from services.matcher.seen import SeenVideos
from services.matcher.service.anchors import Anchors, DecodeVideo
from services.matcher.service.backcatalog import BackCatalog
from services.matcher.service.closer import CloserLook
from services.matcher.service.follower import CatalogFollower
from services.matcher.service.hearings import Hearings
from services.matcher.service.learning import Learning
from services.matcher.service.looking import Looking, LookQueue, WithMade
from services.matcher.service.matching import Matching
from services.matcher.service.oversight import Oversight
from services.matcher.service.policies import Policies
from services.matcher.service.qualities import Qualities
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.rematches import Rematching
from services.matcher.service.reviews import Reviews
from services.matcher.service.shelf import Shelf
from services.matcher.service.sight import Pictures
from services.matcher.service.stats import VideoStats
from services.matcher.store.pictures import FramePictures
from services.matcher.text.index import TextIndex
from services.matcher.titles import CatalogFeed
from services.matcher.touched import TouchIndex
from services.matcher.visual.worker import FrameWorker


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a matcher is given."""

    database: Database
    feed: CatalogFeed
    worker: FrameWorker
    reader: FrameWorker
    engine_of: EngineOf
    text_class: type[TextIndex] = TextIndex
    decode_video: DecodeVideo
    with_made: WithMade
    clock: Clock
    new_id: NewId
    telemetry: Telemetry
    token_key: bytes
    index_folder: Path
    rematch_videos_per_s: int
    has_likeness_checks: bool = True
    screen_text_share: float = 0.0
    frame_picture_days: int = 30
    frame_picture_videos_max: int = 100_000


@dataclass(frozen=True, slots=True)
class StoreClock:
    """The given clock in milliseconds, as times are stored: what is answered is what is read back."""

    clock: Clock

    def now(self) -> datetime:
        now = self.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def monotonic(self) -> float:
        return self.clock.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A matcher's use cases and what must run beside them."""

    index: LiveIndex
    regime: RegimeFollower
    matching: Matching
    looking: Looking
    closer: CloserLook
    anchors: Anchors
    stats: VideoStats
    back_catalog: BackCatalog
    rematching: Rematching
    follower: CatalogFollower
    policies: Policies
    learning: Learning
    reviews: Reviews
    hearings: Hearings
    oversight: Oversight
    background: Sequence[Background]


async def wire(outside: Outside) -> Wired:
    """Makes what is missing in the database and everything above it."""
    clock, new_id, token_key = StoreClock(outside.clock), outside.new_id, outside.token_key
    shelf = _shelf(outside)
    await shelf.ensure_indexes()
    await shelf.segments.announce(clock.now())
    touch_index, seen = TouchIndex(), SeenVideos()
    index = LiveIndex(clock, outside.engine_of, outside.text_class)
    regime = RegimeFollower(shelf.state, shelf.versions, index, clock=clock, telemetry=outside.telemetry)
    await regime.begin()
    queue = LookQueue(outside.screen_text_share)
    looking = _looking(outside, shelf, queue, clock)
    matching = Matching(
        shelf, index, regime, Pictures(index), looking, clock=clock, new_id=new_id, touch_index=touch_index, seen=seen
    )
    closer = _closer(outside, queue, matching, index)
    decode_video = outside.decode_video
    anchors = Anchors(
        shelf, index, regime, decode_video=decode_video, token_key=token_key, clock=clock, touch_index=touch_index
    )
    back_catalog = BackCatalog(shelf.segments, touch_index, seen, decode_video=decode_video, clock=clock)
    rematching = _rematching(outside, matching, regime, shelf, back_catalog, clock)
    follower = _follower(outside, index, rematching, shelf, clock)
    qualities = Qualities(shelf.tasks, clock)
    learning = Learning(shelf, index, regime, qualities, clock=clock, token_key=token_key)
    hearings = Hearings(shelf, matching, anchors, regime, clock=clock, new_id=new_id, token_key=token_key)
    reviews = Reviews(
        shelf, matching, anchors, regime, qualities=qualities, clock=clock, new_id=new_id, token_key=token_key
    )
    oversight = Oversight(
        shelf,
        matching,
        hearings,
        regime,
        learning=learning,
        qualities=qualities,
        clock=clock,
        telemetry=outside.telemetry,
    )
    return Wired(
        index=index,
        regime=regime,
        matching=matching,
        looking=looking,
        closer=closer,
        anchors=anchors,
        stats=VideoStats(shelf, matching, regime, clock=clock),
        back_catalog=back_catalog,
        rematching=rematching,
        follower=follower,
        policies=Policies(shelf, regime, rematching, clock=clock, token_key=token_key),
        learning=learning,
        reviews=reviews,
        hearings=hearings,
        oversight=oversight,
        background=(
            back_catalog.remember,
            back_catalog.keep_announced,
            follower.follow,
            follower.touch,
            regime.follow,
            rematching.run,
            oversight.keep_up,
            looking.tidy,
            closer.run,
        ),
    )


def _shelf(outside: Outside) -> Shelf:
    pictures = FramePictures(
        outside.database, days=outside.frame_picture_days, videos_max=outside.frame_picture_videos_max
    )
    return Shelf.of(outside.database, pictures, outside.new_id())


def _looking(outside: Outside, shelf: Shelf, queue: LookQueue, clock: StoreClock) -> Looking:
    return Looking(
        shelf,
        outside.worker,
        queue,
        decode_video=outside.decode_video,
        with_made=outside.with_made,
        clock=clock,
    )


def _closer(outside: Outside, queue: LookQueue, matching: Matching, index: LiveIndex) -> CloserLook:
    return CloserLook(
        queue,
        matching,
        index,
        outside.feed,
        worker=outside.worker,
        reader=outside.reader,
        has_checks=outside.has_likeness_checks,
        with_made=outside.with_made,
        telemetry=outside.telemetry,
    )


def _follower(
    outside: Outside, index: LiveIndex, rematching: Rematching, shelf: Shelf, clock: StoreClock
) -> CatalogFollower:
    return CatalogFollower(
        index,
        outside.feed,
        rematching,
        state=shelf.state,
        folder=outside.index_folder,
        clock=clock,
        telemetry=outside.telemetry,
    )


def _rematching(
    outside: Outside,
    matching: Matching,
    regime: RegimeFollower,
    shelf: Shelf,
    back_catalog: BackCatalog,
    clock: StoreClock,
) -> Rematching:
    return Rematching(
        matching,
        regime,
        shelf,
        feed=outside.feed,
        back_catalog=back_catalog,
        decode_video=outside.decode_video,
        clock=clock,
        new_id=outside.new_id,
        videos_per_s=outside.rematch_videos_per_s,
    )
