"""Where claims are answered: those that wait for the same reward are read, decided and written down together.

While one batch is on its way to the store the next one gathers, so nobody waits for a timer and one journaled write
serves up to 64 claims. A batch outlives the caller who began it: whoever gave up finds the grant by repeating the
request.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.errors import SpotlightError
from chassis.mongo import RequestIdReused
from services.incentives.claims import Claim, Facts, admitted, late_holds, reward_of
from services.incentives.domain import Campaign
from services.incentives.errors import SoldOut, TooManyClaims, WaitlistFull
from services.incentives.participation import Grant, GrantState
from services.incentives.service.renewal import Renewal
from services.incentives.service.stockroom import Shelf, Stockroom, Try
from services.incentives.store.enrolments import enrolment_id
from services.incentives.store.stores import Stores

BATCH_MAX = 64
QUEUE_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """A claim and who waits for its answer."""

    claim: Claim
    answer: "asyncio.Future[Grant]"


class ClaimDesk:
    """Answers claims, batch by batch and reward by reward."""

    def __init__(
        self, stores: Stores, stockroom: Stockroom, now: Callable[[], datetime], *, queue_max: int = QUEUE_MAX
    ) -> None:
        self._stores = stores
        self._stockroom = stockroom
        self._renewal = Renewal(stores, now)
        self._now = now
        self._queue_max = queue_max
        self._queues: dict[str, deque[Waiter]] = {}
        self._workers: set[asyncio.Task[None]] = set()

    async def claim(self, claim: Claim) -> Grant:
        """The grant of this claim, new or as it is now; or the refusal."""
        queue = self._queues.get(claim.reward_key)
        waiter = Waiter(claim=claim, answer=asyncio.get_running_loop().create_future())
        if queue is None:
            queue = self._queues[claim.reward_key] = deque()
            # A context of its own: the batch must not end with the deadline of whoever came first.
            worker = asyncio.get_running_loop().create_task(
                self._work(claim.reward_key, queue), context=contextvars.Context()
            )
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        if len(queue) >= self._queue_max:
            raise TooManyClaims(retry_after_s=1.0)
        queue.append(waiter)
        return await waiter.answer

    async def _work(self, reward_key: str, queue: deque[Waiter]) -> None:
        try:
            while queue:
                batch = [queue.popleft() for _ in range(min(BATCH_MAX, len(queue)))]
                batch = [waiter for waiter in batch if not waiter.answer.done()]
                if batch:
                    await self._answer(batch)
        finally:
            self._queues.pop(reward_key, None)

    async def _answer(self, batch: Sequence[Waiter]) -> None:
        """Every waiter of the batch gets an answer, whatever happens."""
        unique = {waiter.claim: None for waiter in batch}
        try:
            outcomes = await self._decide(list(unique))
        except Exception as error:  # noqa: BLE001 - each waiter gets it, and its call reports it
            outcomes = dict.fromkeys(unique, error)
        for waiter in batch:
            outcome = outcomes[waiter.claim]
            if waiter.answer.done():
                continue
            if isinstance(outcome, Grant):
                waiter.answer.set_result(outcome)
            else:
                waiter.answer.set_exception(_copied(outcome))

    async def _decide(self, claims: Sequence[Claim]) -> dict[Claim, Grant | Exception]:
        facts, known = await self._read(claims)
        outcomes: dict[Claim, Grant | Exception] = {}
        tries: dict[Claim, Try] = {}
        begun: dict[str, Claim] = {}
        for claim in claims:
            found = known.get(claim.grant_id)
            twin = begun.setdefault(claim.grant_id, claim)
            try:
                if twin is not claim:
                    raise RequestIdReused
                if found is not None and await self._is_final(facts, found):
                    outcomes[claim] = _repeated(claim, found)
                    continue
                draft, enrolment = admitted(claim, facts), facts.enrolments[claim.creator_id]
                tries[claim] = Try(draft=draft, terms=facts.terms[enrolment.revision], has_moved=enrolment.has_moved)
            except SpotlightError as refusal:
                outcomes[claim] = refusal
        if tries:
            await self._serve(tries, facts)
            outcomes |= await self._outcomes(tries, facts)
        return outcomes

    async def _is_final(self, facts: Facts, found: Grant) -> bool:
        """Whether a claim made before is answered by its grant; one that waits without a place may be forgotten now."""
        return facts.campaign is None or await self._stockroom.stands(facts.campaign, found)

    async def _read(self, claims: Sequence[Claim]) -> tuple[Facts, dict[str, Grant]]:
        """What the batch is decided from, read at once."""
        stores, first = self._stores, claims[0]
        creator_ids = {claim.creator_id for claim in claims}
        campaign, known, enrolments, creators = await asyncio.gather(
            stores.campaigns.find(first.campaign_id),
            stores.grants.find_many(claim.grant_id for claim in claims),
            stores.enrolments.find_many(enrolment_id(first.campaign_id, each) for each in creator_ids),
            stores.creators.find_many(creator_ids),
        )
        joined = {each.creator_id: each for each in enrolments.values()}
        revisions = {each.revision for each in joined.values()}
        terms = (
            {} if campaign is None else {each: await stores.campaigns.terms_at(campaign, each) for each in revisions}
        )
        sharing = await stores.grants.sharing(
            first.campaign_id,
            {claim.device_id_hash for claim in claims},
            {creator.identity_cluster_id for creator in creators.values()},
        )
        facts = Facts(
            campaign=campaign, terms=terms, enrolments=joined, creators=creators, sharing=sharing, now=self._now()
        )
        return facts, known

    async def _serve(self, tries: dict[Claim, Try], facts: Facts) -> None:
        """Units for those for whom there are some, places in the line for the others."""
        campaign, reward = reward_of(facts, next(iter(tries)))
        shelf = await self._stockroom.shelf(campaign, reward)
        await self._stockroom.next_slots_of(shelf, [each for each in tries.values() if each.has_moved])
        held = [each for each in tries.values() if each.is_open]
        if not reward.waitlist_max or not await self._stockroom.line.ids(shelf.reward_key):
            await self._stockroom.take(shelf, held, facts.now)
        if reward.waitlist_max:
            late = [each for each in held if each.is_open or isinstance(each.outcome, SoldOut)]
            await self._stand_in_line(shelf, late, facts.now)
        await self._look_again(shelf, held, facts.now)
        await self._freeze_what_was_lost(campaign, held, facts)

    async def _stand_in_line(self, shelf: Shelf, tries: Sequence[Try], now: datetime) -> None:
        """Places in the line for those who found no unit, as many as there are; the others are refused unwritten."""
        for each in tries:
            each.outcome = None
        left = list(tries)
        while left:
            room = await self._room(shelf)
            if room <= 0:
                await self._refuse(shelf, left)
                return
            await self._write_in(shelf, left[:room], now)
            left = left[room:]

    async def _room(self, shelf: Shelf) -> int:
        """Places left. A full line is looked through first: who has a unit already does not stand in it."""
        length_max = shelf.reward.waitlist_max
        room = length_max - len(await self._stockroom.line.ids(shelf.reward_key))
        if room <= 0:
            await self._stockroom.promote(shelf, self._now)
            room = length_max - len(await self._stockroom.line.ids(shelf.reward_key))
        return room

    async def _write_in(self, shelf: Shelf, tries: Sequence[Try], now: datetime) -> None:
        await self._stockroom.wait(shelf, tries, now)
        written = [each for each in tries if isinstance(each.outcome, Grant)]
        if written:
            ids = [each.draft.id for each in written]
            placed = await self._stockroom.line.stand(shelf.reward_key, ids, shelf.reward.waitlist_max)
            for each in written:
                if each.draft.id not in placed:
                    each.outcome = WaitlistFull(metadata={"reward_id": shelf.reward.id})
        await self._stockroom.promote(shelf, self._now)

    async def _refuse(self, shelf: Shelf, tries: Sequence[Try]) -> None:
        """Who has the reward already hears that, not that the line is full."""
        await self._stockroom.next_slots_of(shelf, tries)
        for each in tries:
            if each.is_open:
                each.outcome = WaitlistFull(metadata={"reward_id": shelf.reward.id})

    async def _look_again(self, shelf: Shelf, tries: Sequence[Try], now: datetime) -> None:
        """Two claims from one device at the same moment see each other only once both are written."""
        fresh = [each.outcome for each in tries if isinstance(each.outcome, Grant)]
        devices = {grant.device_id_hash for grant in fresh} - {""}
        clusters = {grant.identity_cluster_id for grant in fresh} - {""}
        if not devices and not clusters:
            return
        sharing = await self._stores.grants.sharing(shelf.campaign.id, devices, clusters)
        for grant in await self._reread([each.id for each in fresh]):
            held = late_holds(grant, sharing, now)
            if held is not grant:
                await self._stores.grants.replace(grant, held)

    async def _freeze_what_was_lost(self, campaign: Campaign, tries: Sequence[Try], facts: Facts) -> None:
        """A match lost while its creator claimed froze the grants there were: the new ones have it done here."""
        fresh = {each.draft.creator_id: each for each in tries if isinstance(each.outcome, Grant)}
        if not fresh:
            return
        read = {facts.enrolments[creator_id].id: facts.enrolments[creator_id] for creator_id in fresh}
        for key, version in (await self._stores.enrolments.versions(read)).items():
            creator_id = read[key].creator_id
            if version != read[key].version:
                enrolment = await self._stores.enrolments.get(campaign.id, creator_id)
                await self._renewal.settle(campaign, enrolment)
                fresh[creator_id].may_have_moved = True

    async def _reread(self, ids: Sequence[str]) -> list[Grant]:
        return list((await self._stores.grants.find_many(ids)).values())

    async def _outcomes(self, tries: dict[Claim, Try], facts: Facts) -> dict[Claim, Grant | Exception]:
        """The answers; what may have moved since it was written is read once more."""
        moved = {
            claim.grant_id
            for claim, each in tries.items()
            if each.is_repeat
            or each.may_have_moved
            or (isinstance(each.outcome, Grant) and self._may_have_moved(each.outcome))
        }
        again = await self._stores.grants.find_many(moved)
        outcomes: dict[Claim, Grant | Exception] = {}
        for claim, each in tries.items():
            if claim.grant_id in moved:
                found = again.get(claim.grant_id)
                stands = found is not None and await self._is_final(facts, found)
                outcomes[claim] = _repeated(claim, found) if found is not None and stands else WaitlistFull()
            else:
                assert each.outcome is not None, "every try ends in a grant, a refusal, or a repeat"
                outcomes[claim] = each.outcome
        return outcomes

    @staticmethod
    def _may_have_moved(grant: Grant) -> bool:
        return grant.state is GrantState.WAITLISTED or bool(grant.device_id_hash or grant.identity_cluster_id)


def _repeated(claim: Claim, found: Grant) -> Grant | Exception:
    """The grant there is for a request, if it was the same request."""
    return found if found.body_hash == claim.body_hash else RequestIdReused()


def _copied(error: Exception) -> Exception:
    """An error of its own for each waiter: a traceback belongs to one."""
    if isinstance(error, SpotlightError):
        return type(error)(
            error.message,
            violations=error.violations,
            metadata=error.metadata,
            retry_after_s=error.retry_after_s,
            reason=error.reason,
        )
    return error
