"""Use cases around grants: claiming, redeeming, shipping, taking back, releasing, codes, and the ledger."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from chassis.mongo import StoreConflict
from chassis.paging import decode, encode, query_hash, size
from services.incentives import grants
from services.incentives.answers import CodeImport, GrantView, LedgerPage, Page
from services.incentives.claims import Claim
from services.incentives.codes import CodeSafe
from services.incentives.domain import STOCK_MAX, RequestMark, with_mark
from services.incentives.errors import CodesTooMany, GrantNotFound, RewardNotFound, RewardNotTicket
from services.incentives.lifecycle import claims_open
from services.incentives.participation import Grant, GrantAct, GrantState, LedgerKind, ShippingState
from services.incentives.service.desk import ClaimDesk
from services.incentives.service.ledger import Ledger
from services.incentives.service.stockroom import Stockroom
from services.incentives.store.codes import CodePool, PoolImport
from services.incentives.store.stores import Stores

TRIES_MAX = 16


class RewardCases:
    def __init__(
        self,
        stores: Stores,
        desk: ClaimDesk,
        stockroom: Stockroom,
        ledger: Ledger,
        safe: CodeSafe,
        *,
        now: Callable[[], datetime],
        token_key: bytes,
    ) -> None:
        self._stores = stores
        self._desk = desk
        self._stockroom = stockroom
        self._ledger = ledger
        self._safe = safe
        self._now = now
        self._token_key = token_key

    async def claim_reward(self, claim: Claim) -> GrantView:
        return await self._viewed(await self._desk.claim(claim), with_code=True)

    async def redeem_grant(self, grant_id: str, creator_id: str, request_id: str) -> GrantView:
        def redeem(grant: Grant) -> Grant:
            self._check_owner(grant, creator_id)
            return grants.redeemed(grant, self._now(), creator_id)

        grant = await self._acted("redeem_grant", grant_id, request_id, (grant_id, creator_id), redeem)
        return await self._viewed(grant, with_code=True)

    async def get_grant(self, grant_id: str, creator_id: str) -> GrantView:
        grant = await self._stores.grants.get(grant_id)
        if creator_id:
            self._check_owner(grant, creator_id)
        return await self._viewed(grant, with_code=bool(creator_id))

    async def list_grants(
        self,
        *,
        campaign_id: str,
        reward_id: str,
        creator_id: str,
        state: GrantState | None,
        held_only: bool,
        page_size: int,
        page_token: str,
    ) -> Page[GrantView]:
        query = query_hash("list_grants", campaign_id, reward_id, creator_id, state, held_only)
        position = decode(self._token_key, query, page_token)
        wanted = {"campaign_id": campaign_id, "reward_id": reward_id, "creator_id": creator_id}
        filters: dict[str, object] = {key: value for key, value in wanted.items() if value}
        if state is not None:
            filters["state"] = state.value
        if held_only:
            filters["holds.0"] = {"$exists": True}
        limit = size(page_size)
        found = await self._stores.grants.page(filters, str(position[0]) if position else "", limit + 1)
        token = encode(self._token_key, query, [found[limit - 1].id]) if len(found) > limit else ""
        views = [await self._viewed(grant, with_code=False) for grant in found[:limit]]
        return Page(items=tuple(views), next_token=token)

    async def fulfil_grant(
        self,
        grant_id: str,
        shipping_state: ShippingState,
        *,
        carrier: str,
        tracking_reference: str,
        request_id: str,
        actor: str,
    ) -> GrantView:
        def ship(grant: Grant) -> Grant:
            return grants.shipped(
                grant,
                shipping_state,
                carrier=carrier,
                tracking_reference=tracking_reference,
                now=self._now(),
                actor=actor,
            )

        body = (grant_id, shipping_state, carrier, tracking_reference, actor)
        return await self._viewed(await self._acted("fulfil_grant", grant_id, request_id, body, ship), with_code=False)

    async def revoke_grant(self, grant_id: str, reason: str, request_id: str, actor: str) -> GrantView:
        def revoke(grant: Grant) -> Grant:
            return grants.ended(grant, GrantAct.REVOKE, self._now(), actor, reason)

        grant = await self._acted("revoke_grant", grant_id, request_id, (grant_id, reason, actor), revoke)
        return await self._viewed(grant, with_code=False)

    async def roll_back_grant(self, grant_id: str, creator_id: str, reason: str, request_id: str) -> GrantView:
        def roll_back(grant: Grant) -> Grant:
            self._check_owner(grant, creator_id)
            return grants.ended(grant, GrantAct.ROLL_BACK, self._now(), creator_id, reason)

        body = (grant_id, creator_id, reason)
        grant = await self._acted("roll_back_grant", grant_id, request_id, body, roll_back)
        return await self._viewed(grant, with_code=False)

    async def release_grant(
        self, grant_id: str, *, approve: bool, reason: str, request_id: str, actor: str
    ) -> GrantView:
        def release(grant: Grant) -> Grant:
            free = grants.released(grant, self._now(), actor, reason)
            return free if approve else grants.ended(grant, GrantAct.REVOKE, self._now(), actor, reason)

        body = (grant_id, approve, reason, actor)
        grant = await self._acted("release_grant", grant_id, request_id, body, release)
        return await self._viewed(grant, with_code=False)

    async def list_ledger(
        self,
        campaign_id: str,
        *,
        reward_id: str,
        creator_id: str,
        kind: LedgerKind | None,
        page_size: int,
        page_token: str,
    ) -> LedgerPage:
        return await self._ledger.page(
            campaign_id,
            reward_id=reward_id,
            creator_id=creator_id,
            kind=kind,
            page_size=page_size,
            page_token=page_token,
        )

    async def import_reward_codes(
        self, campaign_id: str, reward_id: str, codes: Sequence[str], request_id: str, actor: str
    ) -> CodeImport:
        reward_key = f"{campaign_id}/{reward_id}"
        # The request's record must not hold what a code could be guessed from.
        prints = {self._safe.fingerprint(reward_key, code): code for code in codes}

        async def bring() -> dict[str, int]:
            campaign = await self._stores.campaigns.get(campaign_id)
            reward = campaign.terms.reward(reward_id)
            if reward is None:
                raise RewardNotFound(metadata={"reward_id": reward_id})
            if not reward.kind.has_codes:
                raise RewardNotTicket(metadata={"reward_id": reward_id})
            for _ in range(TRIES_MAX):
                done = await self._import(reward_key, prints, request_id, actor)
                if done is not None:
                    return done
            raise StoreConflict

        body = (campaign_id, reward_id, sorted(prints), actor)
        done = await self._stores.requests.once("import_reward_codes", request_id, body, bring)
        await self._promote(campaign_id, reward_id)
        return CodeImport(
            imported_count=int(done["imported"]),
            duplicate_count=len(codes) - int(done["imported"]),
            total_count=int(done["total"]),
        )

    async def _import(
        self, reward_key: str, prints: dict[str, str], request_id: str, actor: str
    ) -> dict[str, int] | None:
        """Inserts what is new and raises the pool's total; None when another import came between."""
        stores = self._stores.codes
        pool = (await stores.pools([reward_key])).get(reward_key, CodePool(id=reward_key))
        known = await stores.known(reward_key, list(prints))
        fresh = [code for mark, code in prints.items() if mark not in known]
        last = await stores.last_number(reward_key, pool.total)
        if last + len(fresh) > STOCK_MAX:
            raise CodesTooMany
        sealed = [
            (number, self._safe.seal(reward_key, number, code)) for number, code in enumerate(fresh, start=last + 1)
        ]
        if sealed and not await stores.insert(reward_key, request_id, sealed):
            return None
        total = last + len(fresh)
        if total > pool.total:
            mark = PoolImport(request_id=request_id, count=total - pool.total, actor=actor, create_time=self._now())
            grown = replace(pool, total=total, imports=(*pool.imports, mark))
            if not await stores.raise_total(pool, grown):
                return None
        # A code this very request brought in an earlier try is imported by it, not a duplicate.
        mine = sum(1 for brought_by in known.values() if brought_by == request_id)
        return {"imported": len(fresh) + mine, "total": total}

    async def _acted(
        self, method: str, grant_id: str, request_id: str, body: object, act: Callable[[Grant], Grant]
    ) -> Grant:
        """The grant after an act that is carried out once; the request's mark lies in the grant itself."""
        request = RequestMark(request_id=request_id, body_hash=method)

        async def do() -> dict[str, str]:
            for _ in range(TRIES_MAX):
                before = await self._stores.grants.get(grant_id)
                if request in before.requests:
                    return {"grant_id": grant_id}
                after = act(before)
                after = replace(after, requests=with_mark(after.requests, request))
                if await self._stores.grants.replace(before, after) is not None:
                    await self._returned(before, after)
                    return {"grant_id": grant_id}
            raise StoreConflict

        await self._stores.requests.once(method, request_id, body, do)
        return await self._stores.grants.get(grant_id)

    async def _returned(self, before: Grant, after: Grant) -> None:
        """A unit came back, or a place in the line became free."""
        if before.state is GrantState.WAITLISTED and after.state is not GrantState.WAITLISTED:
            await self._stores.lines.leave(before.reward_key, before.id)
        if before.holds_unit and not after.holds_unit:
            await self._promote(before.campaign_id, before.reward_id)

    async def _promote(self, campaign_id: str, reward_id: str) -> None:
        campaign = await self._stores.campaigns.find(campaign_id)
        reward = None if campaign is None else campaign.terms.reward(reward_id)
        if campaign is None or reward is None or not reward.waitlist_max or not claims_open(campaign, self._now()):
            return
        await self._stockroom.promote(await self._stockroom.shelf(campaign, reward), self._now)

    async def _viewed(self, grant: Grant, *, with_code: bool) -> GrantView:
        position = 0
        if grant.state is GrantState.WAITLISTED:
            line = await self._stores.lines.ids(grant.reward_key)
            position = line.index(grant.id) + 1 if grant.id in line else 0
        shown = with_code and grant.reward_kind.has_codes and grant.state is GrantState.FULFILLED and not grant.is_held
        if not shown:
            return GrantView(grant=grant, waitlist_position=position)
        sealed = await self._stores.codes.sealed(grant.reward_key, grant.unit_number)
        return GrantView(grant=grant, code=self._safe.open(grant.reward_key, grant.unit_number, sealed))

    @staticmethod
    def _check_owner(grant: Grant, creator_id: str) -> None:
        if grant.creator_id != creator_id:
            raise GrantNotFound(metadata={"grant_id": grant.id})
