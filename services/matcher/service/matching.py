"""Matching videos: search, decide, and write what changed, a batch at a time."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from chassis.clock import Clock
from chassis.errors import InvalidArgument, Violation
from chassis.ids import NewId
from chassis.mongo import RequestIdReused
from services.matcher import touched
from services.matcher.calibration import calibrated
from services.matcher.domain import Candidate, Cause, Stats, StoredVideo, Video, standing_of, with_stats
from services.matcher.errors import Contended
from services.matcher.index import LiveIndex
from services.matcher.matching import candidate_of, post_of, ranked
from services.matcher.queueing import FINISHED, reopened, revalued, task_for, task_id_of, task_needs
from services.matcher.registry import registered
from services.matcher.results import Matched, RequestKey
from services.matcher.reviewing import Task, closed
from services.matcher.rulings import Basis, Ruling, ruled
from services.matcher.seen import SeenVideos
from services.matcher.service.looking import Look, Looking
from services.matcher.service.pooling import EnginePool
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.shelf import Shelf
from services.matcher.store.commit import Stale, Unit
from services.matcher.store.segments import Archive
from services.matcher.thresholds import bin_of

ATTEMPTS_MAX = 5
BATCH = "videos[{}]"  # how refusals name the videos of a batch


class Sight(Protocol):
    """What the pictures of videos say, joined with what their words said."""

    async def fused(
        self, videos: Sequence[Video], found: Sequence[Sequence[Candidate]], at: str
    ) -> list[tuple[Candidate, ...]]: ...


class Matching:
    """Matches videos as they come, and again when something they rest on changed."""

    def __init__(
        self,
        shelf: Shelf,
        index: LiveIndex,
        regime: RegimeFollower,
        sight: Sight,
        looking: Looking,
        *,
        clock: Clock,
        new_id: NewId,
        touch_index: touched.TouchIndex,
        seen: SeenVideos,
    ) -> None:
        self._shelf = shelf
        self._index = index
        self._pool = EnginePool(index)
        self._regime = regime
        self._sight = sight
        self._looking = looking
        self._clock = clock
        self._new_id = new_id
        self._touch_index = touch_index
        self._seen = seen
        self._counts: Counter[int] = Counter()

    async def match_videos(
        self, videos: Sequence[Video], request: RequestKey, *, validate_only: bool = False, at: str = BATCH
    ) -> tuple[Matched, ...]:
        """Matches a batch and stores it; what is known and unchanged writes nothing. `at` names videos in refusals."""
        _require_distinct(videos)
        is_news = not self._seen.may_hold_any(video.id for video in videos)
        videos, looks = await self._looking.read(videos, at, is_news=is_news)
        for _ in range(ATTEMPTS_MAX):
            try:
                request = await self._unknown(request)
                with self._pool.caller():
                    return await self._match(videos, looks, request, at, validate_only=validate_only, is_news=is_news)
            except Stale:
                is_news = False  # another process has seen one of them
        raise Contended

    async def _unknown(self, request: RequestKey) -> RequestKey:
        """The request as something to remember: nothing, when it is remembered already."""
        known = await self._shelf.videos.known_request(request.id) if request.id else None
        if known is not None and known != request.body_hash:
            raise RequestIdReused
        return RequestKey("" if known else request.id, request.body_hash)

    def take_counts(self) -> Mapping[int, int]:
        """The probabilities of new matches by bin, since the last time."""
        counts, self._counts = self._counts, Counter()
        return counts

    async def candidates(self, videos: Sequence[Video], at: str = BATCH) -> tuple[list[tuple[Candidate, ...]], Basis]:
        """What the index in use finds for each video."""
        names, found = await self._pool.match([post_of(video) for video in videos])
        calibration = self._regime.calibration_for(names.engine.model_version)
        basis = Basis(
            model_version=names.engine.model_version,
            calibration_version=calibration.version,
            catalog_revision=names.revision,
        )
        registry = self._index.registry
        by_words = [
            [calibrated(calibration, registered(registry, candidate_of(match))) for match in matches]
            for matches in found
        ]
        return [ranked(each) for each in await self._sight.fused(videos, by_words, at)], basis

    async def write(self, rulings: Sequence[Ruling], unit: Unit) -> None:
        """Writes decisions together with the rest of a unit; may raise Stale.

        Review tasks come and go with the decisions, except those the unit itself settles.
        """
        settled = {task.id for task, _ in unit.tasks}
        created, updated = await self._task_changes(rulings, unit.time, settled)
        await self._shelf.committer.commit(
            replace(
                unit,
                created=[each.video for each in rulings if each.video.version == 1],
                updated=[each.video for each in rulings if each.video.version > 1],
                changes=[change for each in rulings for change in each.changes],
                new_tasks=[*unit.new_tasks, *created],
                tasks=[*unit.tasks, *updated],
            )
        )

    async def write_rulings(self, rulings: Sequence[Ruling], now: datetime) -> None:
        """Writes decisions made anew; what did not change is not written. May raise Stale."""
        changed = [ruling for ruling in rulings if ruling.is_changed]
        if changed:
            await self.write(changed, Unit(time=now))

    async def match_again(self, videos: Sequence[Video], cause: Cause) -> int:
        """Matches archived videos against the index in use; the number of matches that changed."""
        now = self._clock.now()
        found, basis = await self.candidates(videos)
        known = await self._before_again(videos, now)
        regime = self._regime.now()
        rulings: list[Ruling] = []
        for before, candidates in zip(known, found, strict=True):
            ruling = ruled(regime, now, before, candidates, basis=basis, cause=cause)
            if ruling.is_changed and (ruling.video.matches or before.version):
                rulings.append(ruling)
        await self.write_rulings(rulings, now)
        return sum(len(ruling.changes) for ruling in rulings)

    async def revise(self, video: Video) -> None:
        """Matches a video anew with what a closer look found; a version of it that was sent meanwhile stands."""
        for _ in range(ATTEMPTS_MAX):
            now = self._clock.now()
            digests = await self._shelf.segments.digests([video.id])
            if digests.get(video.id) != video.digest:
                return
            found, basis = await self.candidates([video])
            (before,) = await self._before_again([video], now)
            before = replace(before, body=video.body)
            ruling = ruled(self._regime.now(), now, before, found[0], basis=basis, cause=Cause.REMATCH)
            written = [ruling] if ruling.video.matches or before.version else []
            try:
                await self._write([video], written, RequestKey("", ""), now)
            except Stale:
                continue
            return
        raise Contended

    async def _before_again(self, videos: Sequence[Video], now: datetime) -> list[StoredVideo]:
        """What is known of archived videos, with their latest numbers."""
        known = await self._shelf.videos.batch([video.id for video in videos])
        cold = [video.id for video in videos if video.id not in known]
        stats = await self._shelf.videos.stats_of(cold) if cold else {}
        return [known.get(video.id) or _archived(video, stats.get(video.id), now) for video in videos]

    async def _match(
        self,
        videos: Sequence[Video],
        looks: Sequence[Look],
        request: RequestKey,
        at: str,
        *,
        validate_only: bool,
        is_news: bool,
    ) -> tuple[Matched, ...]:
        now = self._clock.now()
        found, basis = await self.candidates(videos, at)
        known = {} if is_news else await self._shelf.videos.batch([video.id for video in videos])
        regime = self._regime.now()
        rulings = {
            video.id: ruled(
                regime, now, _before(video, known.get(video.id), now), candidates, basis=basis, cause=Cause.POLICY
            )
            for video, candidates in zip(videos, found, strict=True)
            if candidates or video.id in known
        }
        fresh = {video.id for video in videos} if is_news else await self._fresh(videos, known)
        written = [
            ruling
            for video_id, ruling in rulings.items()
            if (ruling.is_changed or video_id in fresh) and (ruling.video.matches or video_id in known)
        ]
        if not validate_only:
            if looks:
                matches = {video_id: ruling.video.matches for video_id, ruling in rulings.items()}
                await self._looking.keep_pictures(looks, matches)
            await self._write([video for video in videos if video.id in fresh], written, request, now)
            self._looking.look_closer(looks)
        touched_ids = set() if validate_only else fresh | {ruling.video.id for ruling in written}
        return tuple(
            Matched(
                video_id=video.id,
                matches=rulings[video.id].video.matches if video.id in rulings else (),
                is_unchanged=video.id not in touched_ids,
            )
            for video in videos
        )

    async def _fresh(self, videos: Sequence[Video], known: Mapping[str, StoredVideo]) -> set[str]:
        """The videos that were never sent with these inputs."""
        cold = [video.id for video in videos if video.id not in known]
        digests = await self._shelf.segments.digests(cold) if cold else {}
        digests |= {video_id: video.digest for video_id, video in known.items()}
        return {video.id for video in videos if digests.get(video.id) != video.digest}

    async def _write(
        self, archived: Sequence[Video], written: Sequence[Ruling], request: RequestKey, now: datetime
    ) -> None:
        if not archived and not written:
            return
        archive, tags = self._archive(archived) if archived else (None, frozenset())
        unit = Unit(
            time=now,
            archives=[archive] if archive else [],
            requests=[{"_id": request.id, "h": request.body_hash, "t": now}] if request.id else [],
        )
        try:
            await self.write(written, unit)
        finally:
            # Also where nobody knows whether it was written: no other process will tell this one of it.
            if archive:
                self._touch_index.add(archive.id, archive.tokens, tags, len(archived))
                self._seen.add(archive.video_ids)
        self._counts.update(bin_of(match.candidate.probability) for each in written for match in each.video.matches)

    def _archive(self, videos: Sequence[Video]) -> tuple[Archive, frozenset[str]]:
        footprint = touched.footprint_of(*videos)
        archive = Archive(
            id=self._new_id(),
            writer=self._shelf.segments.writer,
            video_ids=tuple(video.id for video in videos),
            digests=tuple(video.digest for video in videos),
            bodies=tuple(video.body for video in videos),
            tokens=footprint.packed(),
            tags=tuple(sorted(footprint.tags)),
        )
        return archive, footprint.tags

    async def _task_changes(
        self, rulings: Sequence[Ruling], now: datetime, settled: Collection[str]
    ) -> tuple[list[Task], list[tuple[Task, Task]]]:
        """Review tasks to open, those that are worth more or less than they were, and those to close."""
        needs = [(ruling, task_needs(ruling)) for ruling in rulings]
        policy = self._regime.policy
        wanted = [
            task_for(match, ruling.video.standing, self._index.card_of(match.title_id), policy, now)
            for ruling, need in needs
            for match in need.opened
        ]
        waiting = {
            task_id: (match, ruling.video.standing)
            for ruling, need in needs
            for match in need.waiting
            if (task_id := task_id_of(match.id)) not in settled
        }
        unwanted = {task_id_of(match.id) for _, need in needs for match in need.closed} - set(settled)
        old = [task_id_of(match.id) for ruling, need in needs if ruling.video.version > 1 for match in need.opened]
        asked = [*old, *waiting, *unwanted]
        known = await self._shelf.tasks.batch(asked) if asked else {}
        updated: list[tuple[Task, Task]] = []
        for before in known.values():
            after = before
            if before.id in waiting:
                after = revalued(before, *waiting[before.id])
            elif before.id in unwanted and before.state not in FINISHED:
                after = closed(before, now)
            if after != before:
                updated.append((before, after))
        updated += [
            (known[task.id], reopened(known[task.id], task))
            for task in wanted
            if task.id in known and known[task.id].state in FINISHED
        ]
        return [task for task in wanted if task.id not in known], updated


def _before(video: Video, known: StoredVideo | None, now: datetime) -> StoredVideo:
    """What the decision starts from: the known video, with what is new of it."""
    if known is not None and known.digest == video.digest:
        return known
    return StoredVideo(
        id=video.id,
        standing=standing_of(video, now.timestamp()),
        matches=known.matches if known else (),
        digest=video.digest,
        body=video.body,
        version=known.version if known else 0,
    )


def _archived(video: Video, newer: Stats | None, now: datetime) -> StoredVideo:
    """A video that no store of matches knows, with the numbers that came since it was sent."""
    standing = standing_of(video, now.timestamp())
    return StoredVideo(
        id=video.id,
        standing=with_stats(standing, newer) if newer else standing,
        digest=video.digest,
        body=video.body,
    )


def _require_distinct(videos: Sequence[Video]) -> None:
    """A batch names each video once."""
    seen: set[str] = set()
    for number, video in enumerate(videos):
        if video.id in seen:
            raise InvalidArgument(
                violations=[Violation(f"videos[{number}].id", "names a video that this batch already has")]
            )
        seen.add(video.id)
