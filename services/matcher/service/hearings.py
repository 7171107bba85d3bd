"""Appeals: filed by creators within the window, heard by someone else, granted when nobody hears them."""

from datetime import timedelta

from chassis import paging
from chassis.clock import Clock
from chassis.ids import NewId
from chassis.mongo import Document, run_idempotent
from services.matcher import audit
from services.matcher.appeals import EXPIRED_ANSWER, Appeal, heard
from services.matcher.domain import Cause, DecidedBy, Match, MatchState, StoredVideo
from services.matcher.errors import (
    AppealExists,
    AppealNotFound,
    AppealWindowClosed,
    Contended,
    MatchNotFound,
    NothingToAppeal,
    NotYourVideo,
    SameReviewer,
)
from services.matcher.lifecycle import AppealAct, AppealState
from services.matcher.results import RequestKey
from services.matcher.rulings import said
from services.matcher.service.anchors import Anchors
from services.matcher.service.matching import Matching
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.shelf import Shelf
from services.matcher.store.commit import Stale, Unit

ATTEMPTS_MAX = 8


class Hearings:
    """Hears appeals."""

    def __init__(
        self,
        shelf: Shelf,
        matching: Matching,
        anchors: Anchors,
        regime: RegimeFollower,
        *,
        clock: Clock,
        new_id: NewId,
        token_key: bytes,
    ) -> None:
        self._shelf = shelf
        self._matching = matching
        self._anchors = anchors
        self._regime = regime
        self._clock = clock
        self._new_id = new_id
        self._token_key = token_key

    async def file_appeal(
        self, creator_id: str, video_id: str, title_id: str, text: str, request: RequestKey
    ) -> Appeal:
        """Against the state of a match; one appeal a decision."""

        async def file() -> Document:
            appeal = await self._new_appeal(creator_id, video_id, title_id, text)
            entry = audit.entry(
                f"creator:{creator_id}", "appeal.file", f"match:{appeal.match_id}", appeal.create_time, id=appeal.id
            )
            unit = Unit(time=appeal.create_time, new_appeals=[appeal], audit=[entry])
            await self._shelf.committer.commit(unit)
            return {"id": appeal.id}

        done = await run_idempotent(self._shelf.database, request.id, request.body_hash, file)
        return await self._appeal(str(done["id"]))

    async def get_appeal(self, appeal_id: str, creator_id: str) -> Appeal:
        appeal = await self._appeal(appeal_id)
        if creator_id and appeal.creator_id != creator_id:
            raise NotYourVideo
        return appeal

    async def list_appeals(
        self, state: AppealState | None, creator_id: str, page_size: int, page_token: str
    ) -> tuple[tuple[Appeal, ...], str]:
        """Nearest deadline first: ids sort by time of filing, and all have the same time to be heard."""
        query = paging.query_hash("appeals", int(state or 0), creator_id)
        after = paging.decode(self._token_key, query, page_token)
        count = paging.size(page_size)
        found = await self._shelf.appeals.page(state, creator_id, after, count)
        token = paging.encode(self._token_key, query, (found[-1].id,)) if len(found) == count else ""
        return tuple(found), token

    async def decide_appeal(
        self, appeal_id: str, reviewer_id: str, request: RequestKey, *, is_granted: bool, answer: str
    ) -> Appeal:
        """By another person than those who decided the match."""

        async def decide() -> Document:
            appeal = await self._appeal(appeal_id)
            if reviewer_id in await self._judges_of(appeal):
                raise SameReviewer
            act = AppealAct.GRANT if is_granted else AppealAct.DENY
            await self._hear(appeal_id, act, reviewer_id, answer)
            return {}

        await run_idempotent(self._shelf.database, request.id, request.body_hash, decide)
        return await self._appeal(appeal_id)

    async def expire(self, appeal_id: str) -> None:
        """Nobody heard it in time: the creator gets the benefit of the doubt."""
        await self._hear(appeal_id, AppealAct.EXPIRE, "", EXPIRED_ANSWER)

    async def _new_appeal(self, creator_id: str, video_id: str, title_id: str, text: str) -> Appeal:
        video = await self._anchors.get_video(video_id)
        if video.standing.creator_id != creator_id:
            raise NotYourVideo
        match = _match(video, title_id)
        if match.state is not MatchState.REJECTED:
            raise NothingToAppeal
        now = self._clock.now()
        policy = self._regime.policy
        if now > match.update_time + timedelta(days=policy.appeal_window_days):
            raise AppealWindowClosed
        for other in await self._shelf.appeals.of_match(match.id):
            if other.state is AppealState.OPEN or other.create_time > match.update_time:
                raise AppealExists
            if match.decided_by is DecidedBy.APPEAL:
                raise AppealExists
        return Appeal(
            id=self._new_id(),
            match_id=match.id,
            video_id=video_id,
            title_id=match.title_id,
            creator_id=creator_id,
            text=text,
            state=AppealState.OPEN,
            create_time=now,
            sla_deadline_time=now + timedelta(hours=policy.appeal_sla_hours),
        )

    async def _hear(self, appeal_id: str, act: AppealAct, reviewer_id: str, answer: str) -> None:
        for _ in range(ATTEMPTS_MAX):
            now = self._clock.now()
            appeal = await self._appeal(appeal_id)
            after = heard(appeal, act, reviewer_id=reviewer_id, answer=answer, now=now)
            video = await self._shelf.videos.get(appeal.video_id)
            is_granted = act is not AppealAct.DENY
            verdicts = {appeal.title_id: MatchState.APPROVED if is_granted else MatchState.REJECTED}
            by = DecidedBy.SLA if act is AppealAct.EXPIRE else DecidedBy.APPEAL
            rulings = [said(self._regime.now(), now, video, verdicts, by=by, cause=Cause.APPEAL)] if video else []
            entry = audit.entry(
                reviewer_id or "sla", f"appeal.{act.value}", f"match:{appeal.match_id}", now, id=appeal_id
            )
            try:
                await self._matching.write(rulings, Unit(time=now, appeals=[(appeal, after)], audit=[entry]))
            except Stale:
                continue
            return
        raise Contended

    async def _judges_of(self, appeal: Appeal) -> set[str]:
        decisions = await self._shelf.tasks.decisions(match_id=appeal.match_id, count=100)
        return {decision.vote.reviewer_id for decision in decisions}

    async def _appeal(self, appeal_id: str) -> Appeal:
        appeal = await self._shelf.appeals.get(appeal_id)
        if appeal is None:
            raise AppealNotFound(metadata={"appeal_id": appeal_id})
        return appeal


def _match(video: StoredVideo, title_id: str) -> Match:
    match = video.match_of(title_id) if title_id else next(iter(video.matches), None)
    if match is None:
        raise MatchNotFound
    return match
