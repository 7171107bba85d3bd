"""Use cases of studios: campaigns, their states, revisions and simulation."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chassis.ids import NewId, derived_id
from chassis.paging import decode, encode, query_hash, size
from services.incentives.answers import CampaignView, Impact, Page, RevisionView
from services.incentives.campaigns import (
    Touched,
    changed_paths,
    check,
    check_complete,
    check_running_change,
    merged,
    stock_counts,
    touched,
)
from services.incentives.domain import (
    SYSTEM_ACTOR,
    Campaign,
    CampaignAct,
    CampaignState,
    Creator,
    RequestMark,
    RevisionMark,
    StateMark,
    Terms,
    with_mark,
)
from services.incentives.errors import CampaignClosed, CampaignNotDraft, EtagMismatch, PeriodInvalid
from services.incentives.lifecycle import due_act, next_campaign_state, state_now
from services.incentives.participation import Enrolment, Video
from services.incentives.peers import CountPeer
from services.incentives.service.stockroom import Stockroom
from services.incentives.service.stocks import JoinBoard, StockBoard
from services.incentives.simulate import VIDEOS_MAX, Simulation, simulated
from services.incentives.store.stores import Stores

PERIOD_MAX = timedelta(days=366)
IMPACT_CREATORS_MAX = 100
CHUNK = 1_000
ACTIVE_DEFAULT = 10


class CampaignCases:
    def __init__(
        self,
        stores: Stores,
        stockroom: Stockroom,
        board: StockBoard,
        joined: JoinBoard,
        counts: CountPeer,
        *,
        now: Callable[[], datetime],
        new_id: NewId,
        token_key: bytes,
    ) -> None:
        self._stores = stores
        self._stockroom = stockroom
        self._board = board
        self._joined = joined
        self._counts = counts
        self._now = now
        self._new_id = new_id
        self._token_key = token_key

    async def create_campaign(self, studio_id: str, terms: Terms, request_id: str, actor: str) -> Campaign:
        check(terms)
        now = self._now()
        campaign = Campaign(
            id=derived_id("campaign", request_id), studio_id=studio_id, terms=terms, create_time=now, update_time=now
        )

        async def create() -> dict[str, str]:
            return {"campaign_id": (await self._stores.campaigns.insert(campaign)).id}

        done = await self._stores.requests.once("create_campaign", request_id, (studio_id, terms, actor), create)
        return await self._stores.campaigns.get(done["campaign_id"])

    async def get_campaign(self, campaign_id: str) -> CampaignView:
        return await self.viewed(await self._stores.campaigns.get(campaign_id))

    async def viewed(self, campaign: Campaign) -> CampaignView:
        """The campaign with its stocks and the number of creators in it."""
        stocks = await self._board.count(campaign)
        joined = await self._joined.counts([campaign.id])
        return CampaignView(campaign=self._current(campaign), stocks=stocks, enrolment_count=joined[campaign.id])

    async def list_campaigns(
        self, studio_id: str, state: CampaignState | None, title_id: str, page_size: int, page_token: str
    ) -> Page[CampaignView]:
        query = query_hash("list_campaigns", studio_id, state, title_id)
        position = decode(self._token_key, query, page_token)
        before = (datetime.fromisoformat(str(position[0])), str(position[1])) if position else None
        limit = size(page_size)
        found = await self._stores.campaigns.page(
            studio_id=studio_id, state=state, title_id=title_id, before=before, limit=limit + 1
        )
        token = ""
        if len(found) > limit:
            last = found[limit - 1]
            token = encode(self._token_key, query, [last.create_time.isoformat(), last.id])
        joined = await self._joined.counts(each.id for each in found[:limit])
        views = (
            CampaignView(campaign=self._current(each), stocks={}, enrolment_count=joined[each.id])
            for each in found[:limit]
        )
        return Page(items=tuple(views), next_token=token)

    async def update_campaign(
        self,
        campaign_id: str,
        terms: Terms,
        paths: Sequence[str],
        *,
        etag: str,
        validate_only: bool,
        request_id: str,
        actor: str,
    ) -> tuple[CampaignView, Impact | None]:
        if validate_only:
            before = await self._stores.campaigns.get(campaign_id)
            after = self._changed(before, terms, paths, etag, actor)
            return await self.viewed(after), await self._impact(after, touched(before.terms, after.terms))
        body = (campaign_id, terms, tuple(paths), etag, actor)
        request = RequestMark(request_id=request_id, body_hash="update_campaign")

        async def update() -> dict[str, object]:
            before = await self._stores.campaigns.get(campaign_id)
            if request in before.requests:
                return {"revision": next((each.revision for each in before.revisions if each.request == request), 0)}
            after = self._changed(before, terms, paths, etag, actor, request)
            await self._store(before, replace(after, requests=with_mark(after.requests, request)))
            return {"revision": after.revision if after.revision != before.revision else 0}

        done = await self._stores.requests.once("update_campaign", request_id, body, update)
        campaign = await self._stores.campaigns.get(campaign_id)
        change = await self._change_of(campaign, int(done["revision"]))
        return await self.viewed(campaign), await self._impact(campaign, change)

    async def delete_campaign(self, campaign_id: str, etag: str, request_id: str, actor: str) -> None:
        async def delete() -> dict[str, str]:
            campaign = await self._stores.campaigns.get(campaign_id)
            self._check_etag(campaign, etag)
            if campaign.state is not CampaignState.DRAFT:
                raise CampaignNotDraft(metadata={"state": campaign.state.value})
            await self._stores.campaigns.delete(campaign)
            return {"campaign_id": campaign_id}

        await self._stores.requests.once("delete_campaign", request_id, (campaign_id, etag, actor), delete)

    async def change_campaign_state(
        self, campaign_id: str, act: CampaignAct, *, reason: str, etag: str, request_id: str, actor: str
    ) -> CampaignView:
        request = RequestMark(request_id=request_id, body_hash="change_campaign_state")

        async def change() -> dict[str, str]:
            before = await self._stores.campaigns.get(campaign_id)
            if request not in before.requests:
                self._check_etag(before, etag)
                # What is due may be done by hand as well; every other act meets the state the clock has brought.
                current = before if act is due_act(before, self._now()) else self._caught_up(before)
                after = self.moved(current, act, reason, actor)
                await self._store(before, replace(after, requests=with_mark(after.requests, request)))
            return {"campaign_id": campaign_id}

        body = (campaign_id, act, reason, etag, actor)
        await self._stores.requests.once("change_campaign_state", request_id, body, change)
        return await self.get_campaign(campaign_id)

    async def list_campaign_revisions(self, campaign_id: str, page_size: int, page_token: str) -> Page[RevisionView]:
        campaign = await self._stores.campaigns.get(campaign_id)
        query = query_hash("list_campaign_revisions", campaign_id)
        position = decode(self._token_key, query, page_token)
        limit = size(page_size)
        marks = [mark for mark in reversed(campaign.revisions) if not position or mark.revision < int(position[0] or 0)]
        texts = await self._stores.campaigns.texts([mark.body_id for mark in marks[:limit]])
        joined = await self._stores.enrolments.count_by_revision(campaign_id)
        items = tuple(
            RevisionView(
                campaign=campaign,
                mark=mark,
                terms=texts[mark.body_id],
                enrolment_count=joined.get(mark.revision, 0),
            )
            for mark in marks[:limit]
        )
        more = len(marks) > limit
        return Page(items=items, next_token=encode(self._token_key, query, [items[-1].mark.revision]) if more else "")

    async def list_active_campaigns(self, title_id: str, region: str, page_size: int) -> tuple[Campaign, ...]:
        now = self._now()
        found = await self._stores.campaigns.of_title(title_id, CHUNK)
        visible = [
            self._current(campaign)
            for campaign in found
            if campaign.terms.runs_in(region)
            and (campaign.terms.visible_from is None or campaign.terms.visible_from <= now)
            and state_now(campaign, now) in {CampaignState.SCHEDULED, CampaignState.ACTIVE}
        ]
        visible.sort(key=lambda campaign: (campaign.terms.end_time or now, campaign.id))
        return tuple(visible[: page_size or ACTIVE_DEFAULT])

    async def simulate_campaign(self, campaign_id: str, start: datetime, end: datetime) -> Simulation:
        campaign = await self._stores.campaigns.get(campaign_id)
        check(campaign.terms)
        if not start < end <= self._now() or end - start > PERIOD_MAX:
            raise PeriodInvalid
        videos: list[Video] = []
        after_id = ""
        while len(videos) < VIDEOS_MAX:
            page = await self._stores.videos.of_titles(campaign.terms.title_ids, start, end, after_id, CHUNK)
            videos += await self._counted(page)
            if len(page) < CHUNK:
                break
            after_id = page[-1].id
        creator_ids = sorted({video.creator_id for video in videos})
        creators: dict[str, Creator] = {}
        for first in range(0, len(creator_ids), CHUNK):
            creators |= await self._stores.creators.find_many(creator_ids[first : first + CHUNK])
        stocks = {each.id: await self._stockroom.total(campaign, each) for each in campaign.terms.rewards}
        # 100,000 videos take two seconds: beside the event loop, so that claims are answered meanwhile.
        outcome = await asyncio.to_thread(simulated, campaign.terms, videos, creators, (start, end), stocks)
        return replace(outcome, is_truncated=len(videos) >= VIDEOS_MAX)

    async def _counted(self, videos: Sequence[Video]) -> list[Video]:
        """The videos with the counts metrics has of them."""
        counts = await self._counts.counts([video.id for video in videos]) if videos else {}
        return [
            replace(
                video,
                view_count=max(video.view_count, counts[video.id].view_count),
                like_count=max(video.like_count, counts[video.id].like_count),
            )
            if video.id in counts
            else video
            for video in videos
        ]

    def moved(self, campaign: Campaign, act: CampaignAct, reason: str, actor: str) -> Campaign:
        """The campaign after an act; by hand, the window begins or ends with it."""
        now = self._now()
        state = next_campaign_state(campaign.state, act)
        terms = campaign.terms
        if act is CampaignAct.SCHEDULE:
            check_complete(terms, now)
        if act is CampaignAct.START and terms.start_time is not None and terms.start_time > now:
            terms = replace(terms, start_time=now)
        if act is CampaignAct.END and terms.end_time is not None and terms.end_time > now:
            terms = replace(
                terms, end_time=now, start_time=min(terms.start_time or now, now - timedelta(milliseconds=1))
            )
        mark = StateMark(act=act, reason=reason, actor=actor, create_time=now)
        moved = replace(campaign, state=state, states=(*campaign.states, mark), update_time=now)
        if act is CampaignAct.SCHEDULE or terms != campaign.terms:
            return self._revised(moved, terms, actor)
        return moved

    def _caught_up(self, campaign: Campaign) -> Campaign:
        """The campaign after what the clock has done and nobody has written yet."""
        while (act := due_act(campaign, self._now())) is not None:
            campaign = self.moved(campaign, act, "", SYSTEM_ACTOR)
        return campaign

    async def _store(self, before: Campaign, after: Campaign) -> Campaign:
        """Stores a change; the text of a new revision goes first."""
        if after.revision != before.revision:
            await self._stores.campaigns.put_text(after.revisions[-1].body_id, after.id, after.terms)
        return await self._stores.campaigns.replace(before, after)

    async def tick(self, campaign: Campaign, act: CampaignAct, actor: str) -> None:
        """What the clock does; another process may have done it already."""
        try:
            await self._store(campaign, self.moved(campaign, act, "", actor))
        except EtagMismatch:
            return

    def _changed(
        self,
        before: Campaign,
        terms: Terms,
        paths: Sequence[str],
        etag: str,
        actor: str,
        request: RequestMark | None = None,
    ) -> Campaign:
        """The campaign with other terms: in place while a draft, as a new revision afterwards."""
        self._check_etag(before, etag)
        campaign, now = self._caught_up(before), self._now()
        if campaign.state in {CampaignState.ENDED, CampaignState.ARCHIVED}:
            raise CampaignClosed(metadata={"state": campaign.state.value})
        after = merged(campaign.terms, terms, paths)
        check(after)
        if after == campaign.terms:
            return campaign
        if campaign.state is CampaignState.DRAFT:
            return replace(campaign, terms=after, update_time=now)
        check_running_change(campaign, after)
        check_complete(after, now)
        return self._revised(replace(campaign, update_time=now), after, actor, request)

    def _revised(self, campaign: Campaign, terms: Terms, actor: str, request: RequestMark | None = None) -> Campaign:
        mark = RevisionMark(
            revision=campaign.revision + 1,
            body_id=self._new_id(),
            changed_paths=changed_paths(campaign.terms, terms),
            actor=actor,
            create_time=self._now(),
            stock_counts=stock_counts(terms),
            request=request,
        )
        return replace(campaign, terms=terms, revision=mark.revision, revisions=(*campaign.revisions, mark))

    async def _change_of(self, campaign: Campaign, revision: int) -> Touched:
        """What a revision changed; nothing where a request made none."""
        marks = [each.body_id for each in campaign.revisions if each.revision in {revision - 1, revision}]
        if not revision or len(marks) < len(("before", "after")):
            return Touched()
        texts = await self._stores.campaigns.texts(marks)
        return touched(texts[marks[0]], texts[marks[1]])

    async def _impact(self, campaign: Campaign, change: Touched) -> Impact | None:
        """Whom a change reaches and who keeps what it changes; None for a draft, which nobody has joined."""
        if campaign.state is CampaignState.DRAFT:
            return None
        joined = await self._stores.enrolments.count_by_revision(campaign.id) if change.changed_paths else {}
        earlier = {each: count for each, count in joined.items() if each < campaign.revision}
        kept = earlier if change.kept_paths else {}
        first: list[Enrolment] = []
        if kept:
            before = {"revision": {"$lt": campaign.revision}}
            first = await self._stores.enrolments.page(campaign.id, before, "", IMPACT_CREATORS_MAX)
        return Impact(
            change=change,
            kept_enrolments=tuple(sorted(kept.items())),
            applied_enrolment_count=sum(earlier.values()) if change.applied_paths else 0,
            creator_ids=tuple(each.creator_id for each in first),
        )

    def _current(self, campaign: Campaign) -> Campaign:
        """The campaign in the state the clock has brought it to."""
        return replace(campaign, state=state_now(campaign, self._now()))

    @staticmethod
    def _check_etag(campaign: Campaign, etag: str) -> None:
        if etag and etag != campaign.etag:
            raise EtagMismatch(metadata={"etag": campaign.etag})
