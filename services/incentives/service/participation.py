"""Use cases of creators and of those who look at their videos: joining, submitting, reviewing, progress."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from chassis.errors import Unavailable, Violation
from chassis.ids import derived_id
from chassis.paging import decode, encode, query_hash, size
from services.incentives.answers import Page, ProgressView, SubmissionView
from services.incentives.domain import Campaign, Creator, Terms
from services.incentives.eligibility import Entrant, creator_reasons
from services.incentives.errors import (
    CampaignNotActive,
    EnrolmentsFull,
    NotEligible,
    SubmissionNotFound,
    SubmissionsTooMany,
    TeamFixed,
    TeamNotFound,
    TeamRequired,
    VideoOfAnotherCreator,
)
from services.incentives.feed import told_by_platform
from services.incentives.lifecycle import OPEN_TO_JOIN, claims_open, state_now
from services.incentives.participation import (
    Enrolment,
    Grant,
    OutboxEvent,
    Review,
    SubmissionState,
)
from services.incentives.progress import reviewed, stepped, submitted, summary, task_progress
from services.incentives.service.renewal import Renewal, until_stored
from services.incentives.service.stocks import StockBoard
from services.incentives.standing import reward_progress
from services.incentives.store.enrolments import enrolment_id
from services.incentives.store.stores import Stores

SEAT_TRIES_MAX: Final = 64
PROGRESS_DEFAULT = 20
ENROLMENTS_READ = 100


class ParticipationCases:
    def __init__(
        self,
        stores: Stores,
        renewal: Renewal,
        board: StockBoard,
        *,
        now: Callable[[], datetime],
        token_key: bytes,
    ) -> None:
        self._stores = stores
        self._renewal = renewal
        self._board = board
        self._now = now
        self._token_key = token_key

    async def enrol(self, campaign_id: str, creator_id: str, team_id: str, request_id: str) -> Enrolment:
        async def join() -> dict[str, str]:
            campaign = await self._open(campaign_id)
            known = await self._stores.enrolments.find_many([enrolment_id(campaign_id, creator_id)])
            if not known:
                self._check_team(campaign.terms, team_id)
                await self._check_eligible(campaign, creator_id)
                await self._seated(campaign, await self._new(campaign, creator_id, team_id))
                # A match that was approved while they joined did not find them yet.
                await self._renewal.renewed(campaign, creator_id)
            return {"enrolment_id": enrolment_id(campaign_id, creator_id)}

        await self._stores.requests.once("enrol", request_id, (campaign_id, creator_id, team_id), join)
        return await self._stores.enrolments.get(campaign_id, creator_id)

    async def choose_team(self, campaign_id: str, creator_id: str, team_id: str, request_id: str) -> Enrolment:
        async def choose() -> dict[str, str]:
            campaign = await self._open(campaign_id)
            enrolment = await self._stores.enrolments.get(campaign_id, creator_id)
            self._check_team(campaign.terms, team_id)
            if enrolment.team_id != team_id:
                mine = await self._stores.grants.of_creators(campaign_id, [creator_id])
                if any(grant.is_open for grant in mine):
                    raise TeamFixed(metadata={"team_id": enrolment.team_id})
                await self._renewal.renewed(campaign, creator_id, partial(_in_team, team_id, self._now()))
            return {"enrolment_id": enrolment.id}

        await self._stores.requests.once("choose_team", request_id, (campaign_id, creator_id, team_id), choose)
        return await self._stores.enrolments.get(campaign_id, creator_id)

    async def accept_revision(self, campaign_id: str, creator_id: str, request_id: str) -> Enrolment:
        async def accept() -> dict[str, str]:
            campaign = await self._open(campaign_id)
            revision = campaign.revision
            await self._renewal.renewed(campaign, creator_id, partial(_under, revision, self._now()))
            return {"enrolment_id": enrolment_id(campaign_id, creator_id)}

        await self._stores.requests.once("accept_revision", request_id, (campaign_id, creator_id), accept)
        return await self._stores.enrolments.get(campaign_id, creator_id)

    async def list_enrolments(
        self, campaign_id: str, revision: int, page_size: int, page_token: str
    ) -> Page[Enrolment]:
        await self._stores.campaigns.get(campaign_id)
        query = query_hash("list_enrolments", campaign_id, revision)
        position = decode(self._token_key, query, page_token)
        limit = size(page_size)
        wanted = {"revision": revision} if revision else {}
        after = str(position[0]) if position else ""
        found = await self._stores.enrolments.page(campaign_id, wanted, after, limit + 1)
        token = encode(self._token_key, query, [found[limit - 1].id]) if len(found) > limit else ""
        return Page(items=tuple(found[:limit]), next_token=token)

    async def submit_video(self, campaign_id: str, creator_id: str, video_id: str, request_id: str) -> SubmissionView:
        async def submit() -> dict[str, str]:
            campaign = await self._open(campaign_id)
            video = (await self._stores.videos.find_many([video_id])).get(video_id)
            if video is not None and video.creator_id != creator_id:
                raise VideoOfAnotherCreator(metadata={"video_id": video_id})
            enrolment = await self._stores.enrolments.get(campaign_id, creator_id)
            terms = await self._stores.campaigns.terms_at(campaign, enrolment.revision)
            now = self._now()
            await self._renewal.renewed(
                campaign, creator_id, lambda before: self._entered(before, terms, video_id, now)
            )
            return {"video_id": video_id}

        body = (campaign_id, creator_id, video_id)
        await self._stores.requests.once("submit_video", request_id, body, submit)
        return self._view(await self._stores.enrolments.get(campaign_id, creator_id), video_id)

    async def review_submission(
        self, campaign_id: str, video_id: str, review: Review, *, reason: str, request_id: str, actor: str
    ) -> SubmissionView:
        async def decide() -> dict[str, str]:
            campaign = await self._stores.campaigns.get(campaign_id)
            creator_id = (await self._stores.enrolments.of_video(campaign_id, video_id)).creator_id
            now = self._now()

            def change(before: Enrolment) -> Enrolment:
                known = before.submission(video_id)
                if known is not None and (known.review, known.review_reason) == (review, reason):
                    return before
                return reviewed(before, video_id, review, reason=reason, now=now, actor=actor)

            await self._renewal.renewed(campaign, creator_id, change)
            return {"creator_id": creator_id}

        body = (campaign_id, video_id, review, reason, actor)
        done = await self._stores.requests.once("review_submission", request_id, body, decide)
        return self._view(await self._stores.enrolments.get(campaign_id, str(done["creator_id"])), video_id)

    async def list_submissions(
        self, campaign_id: str, creator_id: str, state: SubmissionState | None, page_size: int, page_token: str
    ) -> Page[SubmissionView]:
        """Submissions in the order of creators; a page ends within a creator where it must."""
        await self._stores.campaigns.get(campaign_id)
        query = query_hash("list_submissions", campaign_id, creator_id, state)
        position = decode(self._token_key, query, page_token)
        limit = size(page_size)
        found: list[SubmissionView] = []
        after = (str(position[0]), str(position[1])) if position else ("", "")
        async for view in self._submissions(campaign_id, creator_id, after):
            if state is None or view.submission.state is state:
                found.append(view)
            if len(found) > limit:
                break
        token = ""
        if len(found) > limit:
            last = found[limit - 1]
            token = encode(self._token_key, query, [last.creator_id, last.submission.video_id])
        return Page(items=tuple(found[:limit]), next_token=token)

    async def get_progress(
        self, creator_id: str, campaign_id: str, page_size: int, page_token: str
    ) -> Page[ProgressView]:
        query = query_hash("get_progress", creator_id, campaign_id)
        position = decode(self._token_key, query, page_token)
        if campaign_id:
            await self._stores.campaigns.get(campaign_id)
            joined = [await self._stores.enrolments.get(campaign_id, creator_id)]
        else:
            joined = await self._stores.enrolments.of_creators([creator_id])
            joined.sort(key=lambda each: (each.create_time, each.id), reverse=True)
        first = int(position[0] or 0) if position else 0
        limit = min(size(page_size or PROGRESS_DEFAULT), 50)
        page = joined[first : first + limit]
        campaigns = await self._stores.campaigns.find_many(each.campaign_id for each in page)
        views = [await self._progress(campaigns[each.campaign_id], each) for each in page]
        more = len(joined) > first + limit
        return Page(items=tuple(views), next_token=encode(self._token_key, query, [first + limit]) if more else "")

    async def batch_update_creators(self, creators: Sequence[Creator], request_id: str) -> int:
        async def update() -> dict[str, int]:
            await until_stored(lambda: self._tell(creators))
            told = {each.id for each in creators}
            await self._renewal.renew_creators(told)
            return {"count": len(told)}

        done = await self._stores.requests.once("batch_update_creators", request_id, tuple(creators), update)
        return int(done["count"])

    async def _tell(self, creators: Sequence[Creator]) -> bool:
        known = await self._stores.creators.find_many(each.id for each in creators)
        now, after = self._now(), dict(known)
        for told in creators:
            after[told.id] = told_by_platform(after.get(told.id), told, now)
        return await self._stores.creators.put(known, after.values())

    async def _open(self, campaign_id: str) -> Campaign:
        campaign = await self._stores.campaigns.get(campaign_id)
        state = state_now(campaign, self._now())
        if state not in OPEN_TO_JOIN:
            raise CampaignNotActive(metadata={"state": state.value})
        return campaign

    @staticmethod
    def _check_team(terms: Terms, team_id: str) -> None:
        if terms.teams and not team_id:
            raise TeamRequired(violations=[Violation("team_id", "is needed in this campaign")])
        if team_id and team_id not in {team.id for team in terms.teams}:
            raise TeamNotFound(metadata={"team_id": team_id})

    async def _check_eligible(self, campaign: Campaign, creator_id: str) -> None:
        known = await self._stores.creators.find_many([creator_id])
        creator = known.get(creator_id, Creator(id=creator_id))
        reasons = creator_reasons(Entrant(terms=campaign.terms, creator=creator, now=self._now()))
        if reasons:
            raise NotEligible(
                violations=[Violation(each.code, each.description) for each in reasons],
                metadata={each.code: f"{each.gap:g}" for each in reasons},
            )

    async def _new(self, campaign: Campaign, creator_id: str, team_id: str) -> Enrolment:
        """The enrolment with the videos that count from the start, and the event that tells of it."""
        now = self._now()
        identity = enrolment_id(campaign.id, creator_id)
        fresh = Enrolment(
            id=identity,
            campaign_id=campaign.id,
            creator_id=creator_id,
            revision=campaign.revision,
            team_id=team_id,
            create_time=now,
            outbox=(OutboxEvent(id=derived_id("joined", identity), kind="campaign_join", create_time=now),),
        )
        joined = stepped(fresh, "joined", reason=f"revision {campaign.revision}", now=now)
        return await self._renewal.looked_at(campaign, joined)

    async def _seated(self, campaign: Campaign, enrolment: Enrolment) -> None:
        """Stores it; where the campaign bounds its creators, under the next free seat, which a unique index keeps."""
        most = campaign.terms.limits.enrolments_max
        for _ in range(SEAT_TRIES_MAX):
            seat = await self._stores.enrolments.last_seat(campaign.id) + 1 if most else 0
            if seat > most:
                raise EnrolmentsFull(metadata={"limit": str(most)})
            if await self._stores.enrolments.insert(replace(enrolment, seat=seat)) is not None:
                return
        raise Unavailable(retry_after_s=0.1)

    @staticmethod
    def _entered(before: Enrolment, terms: Terms, video_id: str, now: datetime) -> Enrolment:
        if before.submission(video_id) is not None:
            return before
        if len(before.submissions) >= terms.submissions_max:
            raise SubmissionsTooMany(metadata={"limit": str(terms.submissions_max)})
        return submitted(before, video_id, now, before.creator_id)

    async def _submissions(
        self, campaign_id: str, creator_id: str, after: tuple[str, str]
    ) -> AsyncIterator[SubmissionView]:
        """All submissions behind a position, in the order of creators and videos."""
        last_creator, last_video = after
        wanted = {"creator_id": creator_id} if creator_id else {}
        start = enrolment_id(campaign_id, last_creator)[:-1] if last_creator else ""
        while page := await self._stores.enrolments.page(campaign_id, wanted, start, ENROLMENTS_READ):
            for enrolment in page:
                for each in sorted(enrolment.submissions, key=lambda submission: submission.video_id):
                    if (enrolment.creator_id, each.video_id) > (last_creator, last_video):
                        yield SubmissionView(campaign_id=campaign_id, creator_id=enrolment.creator_id, submission=each)
            start = page[-1].id

    @staticmethod
    def _view(enrolment: Enrolment, video_id: str) -> SubmissionView:
        found = enrolment.submission(video_id)
        if found is None:
            raise SubmissionNotFound(metadata={"video_id": video_id})
        return SubmissionView(campaign_id=enrolment.campaign_id, creator_id=enrolment.creator_id, submission=found)

    async def _progress(self, campaign: Campaign, enrolment: Enrolment) -> ProgressView:
        terms = await self._stores.campaigns.terms_at(campaign, enrolment.revision)
        tasks = tuple(task_progress(task, terms, enrolment.submissions) for task in terms.tasks)
        stocks = await self._board.stocks(campaign)
        mine: list[Grant] = await self._stores.grants.of_creators(campaign.id, [enrolment.creator_id])
        is_open = claims_open(campaign, self._now())
        rewards = tuple(
            reward_progress(terms, reward, enrolment, mine, stocks[reward.id].available_count, claims_open=is_open)
            for reward in terms.rewards
        )
        current = replace(campaign, state=state_now(campaign, self._now()))
        return ProgressView(
            campaign=current,
            enrolment=enrolment,
            tasks=tasks,
            rewards=rewards,
            summary=summary(tasks),
            as_of_time=enrolment.counted_time or enrolment.create_time,
        )


def _in_team(team_id: str, now: datetime, before: Enrolment) -> Enrolment:
    if before.team_id == team_id:
        return before
    return stepped(replace(before, team_id=team_id), "team_chosen", reason=team_id, now=now)


def _under(revision: int, now: datetime, before: Enrolment) -> Enrolment:
    """Moved to newer rules by the creator's own wish."""
    if before.revision == revision:
        return before
    moved = replace(before, revision=revision, has_moved=True)
    return stepped(moved, "revision_accepted", reason=f"revision {revision}", now=now)
