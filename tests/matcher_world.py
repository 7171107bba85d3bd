"""A matcher over a real store and a real channel, with a catalog and an engine that tests turn by hand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc.aio
import pytest

from chassis.clock import FakeClock
from chassis.ids import SequentialIds
from chassis.mongo import Database
from chassis.telemetry import Telemetry
from chassis.testing import running_server
from protos.matcher.v1 import matcher_pb2 as pb
from protos.matcher.v1 import matcher_pb2_grpc, policy_pb2_grpc, review_pb2_grpc
from services.matcher.__main__ import registrations
from services.matcher.calibration import logit_of, probability_of
from services.matcher.domain import TitleCard, TitleState
from services.matcher.text.matches import Evidence, SignalType, TextMatch
from services.matcher.text.posts import Field, Post
from services.matcher.text.titles import MediaType, Name, TitleNames
from services.matcher.titles import CatalogChange, CatalogFeed, CatalogTitle, ReferenceBank
from services.matcher.touched import words_of
from services.matcher.visual.worker import FrameWorker
from services.matcher.wire.videos import kept_video_of, with_made
from services.matcher.wiring import Outside, Wired, wire


def a_title(
    id: str = "t1", name: str = "Dune", probability: float = 0.95, *, state=TitleState.ACTIVE, **card
) -> CatalogTitle:
    """A title the toy engine finds by its name, with this probability."""
    names = TitleNames(title_id=id, media_type=MediaType.MOVIE, names=(Name(text=name),), popularity=probability)
    given = {"media_type": "movie", "studio_id": "s1", **card}
    return CatalogTitle(names=names, card=TitleCard(name, state, **given))


def a_video(id: str = "v1", text: str = "I love Dune", **fields) -> pb.Video:
    """A video whose creator and views pass every gate of the default policy."""
    given = {
        "creator": pb.Creator(id="c1", username="fan", follower_count=5_000),
        "view_count": 10_000,
        "video_description": text,
        "create_time": 1_700_000_000,
    }
    return pb.Video(id=id, **{**given, **fields})


class ToyIndex:
    """Names by title, as a TextIndex would be used."""

    def __init__(self, titles: Sequence[TitleNames]) -> None:
        self.titles = {title.title_id: title for title in titles}
        self.base = SimpleNamespace(alias_key=list(self.titles))

    @classmethod
    def build(cls, titles):
        return cls(list(titles))

    @classmethod
    def load(cls, path: Path):
        raise FileNotFoundError(path)

    def save(self, path: Path) -> None:
        path.write_text("toy")

    def with_changes(self, changed, removed):
        kept = {**self.titles, **{title.title_id: title for title in changed}}
        return ToyIndex([title for title in kept.values() if title.title_id not in set(removed)])


@dataclass
class ToyEngine:
    """Finds every title whose name stands in the caption or a hashtag; its popularity is the probability."""

    index: ToyIndex
    model_version: str = "toy-1"

    def match_batch(self, posts: Sequence[Post]) -> list[list[TextMatch]]:
        return [self._match(post) for post in posts]

    def _match(self, post: Post) -> list[TextMatch]:
        read = (post.caption, *post.ocr)
        words = f" {' '.join(word for text in read for word in words_of(text))} {' '.join(post.hashtags).lower()} "
        found = [
            self._text_match(title, words)
            for title in self.index.titles.values()
            if any(f" {' '.join(words_of(name.text))} " in words for name in title.names)
        ]
        return sorted(found, key=lambda match: -match.probability)

    def _text_match(self, title: TitleNames, words: str) -> TextMatch:
        logit = logit_of(title.popularity)
        name = title.names[0].text
        evidence = (
            Evidence(signal_type=SignalType.PRIOR, factor="bias", contribution=-1.0),
            Evidence(
                signal_type=SignalType.TITLE,
                factor="name",
                contribution=logit + 1.0,
                value=name,
                field=Field.CAPTION,
                start=0,
                end=len(name),
                reference_id=name.lower(),
            ),
        )
        return TextMatch(title_id=title.title_id, probability=probability_of(logit), logit=logit, evidence=evidence)


@dataclass
class ToyCatalog:
    """A catalog in memory, with a feed."""

    held: dict[str, CatalogTitle] = field(default_factory=dict)
    feed: list[CatalogChange] = field(default_factory=list)
    banks: dict[str, ReferenceBank] = field(default_factory=dict)
    jpegs: dict[str, bytes] = field(default_factory=dict)  # pictures of reference images by id
    failure: Exception | None = None

    def put(self, title: CatalogTitle, **touches) -> None:
        known = self.held.get(title.id)
        given = {
            "touches_names": known is None or known.names != title.names,
            "touches_state": known is not None and known.card != title.card,
            **touches,
        }
        self.held[title.id] = title
        self.feed.append(CatalogChange(revision=len(self.feed) + 1, title=title, **given))

    def set_state(self, title_id: str, state: TitleState) -> None:
        title = self.held[title_id]
        card = title.card
        self.put(
            CatalogTitle(
                names=title.names,
                card=TitleCard(card.name, state, card.media_type, card.studio_id, card.embargo_lift_s),
            )
        )

    async def export(self):
        self._check()
        yield list(self.held.values()), len(self.feed)

    async def changes(self, after_revision: int, wait_s: float):
        self._check()
        if after_revision >= len(self.feed):
            await asyncio.sleep(min(wait_s, 0.02))
        return self.feed[after_revision:], len(self.feed)

    async def titles(self, title_ids: Sequence[str]):
        self._check()
        return [self.held[title_id] for title_id in title_ids if title_id in self.held]

    async def registry(self):
        self._check()
        return {title.id: title.registry for title in self.held.values()}

    async def references(self, title_id: str = ""):
        for bank in list(self.banks.values()):
            if not title_id or bank.title_id == title_id:
                yield bank

    async def pictures(self, reference_ids: Sequence[str]):
        self._check()
        return {each: self.jpegs[each] for each in reference_ids if each in self.jpegs}

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


@dataclass
class World:
    """A running matcher and the hands on it."""

    wired: Wired
    catalog: ToyCatalog
    clock: FakeClock
    database: Database
    matcher: Any
    review: Any
    policy: Any
    channel: grpc.aio.Channel
    outside: Outside

    async def follow(self, *titles: CatalogTitle) -> None:
        """Puts titles into the catalog and lets the matcher take them in and match again what they touch."""
        for title in titles:
            self.catalog.put(title)
        await self.wired.follower.step(0)
        await self.wired.follower.touch_pending()
        await self.wired.rematching.run_pending()

    async def match(self, *videos: pb.Video, **request) -> pb.BatchMatchVideosResponse:
        return await self.matcher.BatchMatchVideos(pb.BatchMatchVideosRequest(videos=videos, **request))

    async def anchors(self, *video_ids: str, region: str = "") -> dict[str, str]:
        request = pb.BatchGetAnchorsRequest(video_ids=video_ids, viewer_region=region)
        response = await self.matcher.BatchGetAnchors(request)
        return {anchor.video_id: anchor.title_id for anchor in response.anchors}

    async def changes(self, after: int = 0) -> list[pb.MatchChange]:
        response = await self.matcher.ListMatchChanges(pb.ListMatchChangesRequest(after_sequence=after, page_size=200))
        return list(response.changes)

    async def again(self) -> Wired:
        """A second process over the same store."""
        return await wire(replace(self.outside, telemetry=Telemetry()))


@asynccontextmanager
async def a_world(
    database: Database, folder: Path, *titles: CatalogTitle, new_id=None, feed: CatalogFeed | None = None, **settings
) -> AsyncIterator[World]:
    """A matcher whose index holds these titles, or those of another catalog, given as its feed."""
    clock, catalog = FakeClock(), ToyCatalog()
    for title in titles:
        catalog.put(title)
    async with FrameWorkerLater() as worker, FrameWorkerLater() as reader:
        outside = Outside(
            database=database,
            feed=feed or catalog,
            worker=worker,
            reader=reader,
            engine_of=ToyEngine,
            text_class=ToyIndex,
            decode_video=kept_video_of,
            with_made=with_made,
            clock=clock,
            new_id=new_id or SequentialIds(),
            telemetry=Telemetry(),
            token_key=b"k" * 32,
            index_folder=folder,
            rematch_videos_per_s=1_000_000,
            **settings,
        )
        wired = await wire(outside)
        await wired.follower.first_load()
        await wired.back_catalog.remember()
        async with running_server(registrations(wired, clock)) as channel:
            yield World(
                wired=wired,
                catalog=catalog,
                clock=clock,
                database=database,
                matcher=matcher_pb2_grpc.MatcherServiceStub(channel),
                review=review_pb2_grpc.ReviewServiceStub(channel),
                policy=policy_pb2_grpc.PolicyServiceStub(channel),
                channel=channel,
                outside=outside,
            )


class FrameWorkerLater:
    """A frame worker that starts its child at the first picture, not before."""

    async def __aenter__(self) -> FrameWorker:
        self._worker = FrameWorker()
        return self._worker

    async def __aexit__(self, *raised: object) -> None:
        await self._worker.__aexit__(None, None, None)


async def refused(call: Awaitable[Any]) -> str:
    """The reason for which a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return reason_of(raised.value)


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason an error carries on the wire."""
    from chassis.status import from_rpc_error

    return from_rpc_error(error).reason


def fields_of(error: grpc.aio.AioRpcError) -> list[str]:
    """The fields an INVALID_ARGUMENT names."""
    from chassis.status import from_rpc_error

    return [violation.field for violation in from_rpc_error(error).violations]
