"""The policy's versions, what another one would do, and the kill switches."""

from dataclasses import replace

from chassis import paging
from chassis.clock import Clock
from chassis.errors import InvalidArgument, Violation
from chassis.mongo import Document, run_idempotent
from services.matcher import audit
from services.matcher.anchors import KillSwitch, SwitchScope, judged
from services.matcher.domain import Cause
from services.matcher.errors import PolicyNotFound
from services.matcher.policy import Policy
from services.matcher.results import RequestKey, Simulation, ThresholdProposal
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.rematches import Rematching
from services.matcher.service.shelf import Shelf
from services.matcher.simulation import Tally
from services.matcher.store.commit import Unit
from services.matcher.thresholds import Costs, propose

SIMULATED_MAX = 20_000
PAGE = 1_000


class Policies:
    """Policies, simulations, kill switches."""

    def __init__(
        self,
        shelf: Shelf,
        regime: RegimeFollower,
        rematching: Rematching,
        *,
        clock: Clock,
        token_key: bytes,
    ) -> None:
        self._shelf = shelf
        self._regime = regime
        self._rematching = rematching
        self._clock = clock
        self._token_key = token_key

    async def get_policy(self, version: str) -> Policy:
        if version in {"", self._regime.policy.version}:
            return self._regime.policy
        found = await self._shelf.versions.policy(version)
        if found is None:
            raise PolicyNotFound(metadata={"version": version})
        return found

    async def list_policies(self, page_size: int, page_token: str) -> tuple[tuple[Policy, ...], str]:
        query = paging.query_hash("policies")
        after = paging.decode(self._token_key, query, page_token)
        count = paging.size(page_size)
        found = await self._shelf.versions.policies(str(after[0]) if after else "", count)
        token = paging.encode(self._token_key, query, (found[-1].version,)) if len(found) == count else ""
        return tuple(found), token

    async def create_policy_version(
        self, policy: Policy, request: RequestKey, *, activate: bool, actor: str, validate_only: bool
    ) -> Policy:
        """Stores a version; with `activate` it decides from now on."""
        _require_order(policy)
        if validate_only:
            return policy

        async def create() -> Document:
            stored = await self._shelf.versions.add_policy(
                replace(policy, version="", author=actor or policy.author, create_time=self._clock.now())
            )
            await self._log(actor, "policy.create", stored.version)
            return {"version": stored.version}

        done = await run_idempotent(self._shelf.database, request.id, request.body_hash, create)
        version = str(done["version"])
        if activate:
            return await self._activate(version, actor)
        return await self.get_policy(version)

    async def activate_policy_version(self, version: str, request: RequestKey, *, actor: str) -> Policy:
        """Puts a stored version in force; matches already stored are decided anew in the background."""

        async def activate() -> Document:
            await self._activate(version, actor)
            return {"version": version}

        await run_idempotent(self._shelf.database, request.id, request.body_hash, activate)
        return await self.get_policy(version)

    async def simulate_policy(
        self, version: str, policy: Policy | None, *, title_id: str, match_count_max: int
    ) -> Simulation:
        """What stored videos would show under another policy; changes nothing."""
        tried = policy or await self.get_policy(version)
        _require_order(tried)
        tally = Tally(match_count_max or SIMULATED_MAX)
        regime = self._regime.now()
        other = replace(regime, policy=tried)
        async for _, page in self._shelf.videos.walk(title_id=title_id, batch_size=PAGE):
            for video in page:
                if tally.is_full:
                    break
                tally.add(video, judged(regime, video), judged(other, video), title_id)
            if tally.is_full:
                break
        return tally.result()

    async def propose_thresholds(self, costs: Costs, window_days: float) -> ThresholdProposal:
        """Thresholds for what reviewers can read and what errors cost."""
        histogram = await self._shelf.state.probabilities(self._clock.now(), window_days)
        return propose(histogram, costs, window_days)

    async def set_kill_switch(
        self, scope: SwitchScope, target: str, request: RequestKey, *, is_on: bool, note: str, actor: str
    ) -> tuple[tuple[KillSwitch, ...], int]:
        """In force here when it returns, in every other process within the second."""
        switch = KillSwitch(scope=scope, target=target, note=note, actor=actor, set_time=self._clock.now())

        async def set_it() -> Document:
            await self._shelf.state.set_switch(switch, is_on=is_on)
            await self._log(
                actor, "kill_switch.set" if is_on else "kill_switch.lift", f"{scope.name.lower()}:{target}", note=note
            )
            return {}

        await run_idempotent(self._shelf.database, request.id, request.body_hash, set_it)
        await self._regime.refresh()
        if scope is SwitchScope.TITLE:
            await self._rematching.sweep_later(Cause.KILL_SWITCH, target)
        return self.list_kill_switches(), self._regime.switches.epoch

    def list_kill_switches(self) -> tuple[KillSwitch, ...]:
        return self._regime.kill_switches

    async def _activate(self, version: str, actor: str) -> Policy:
        if await self._shelf.versions.policy(version) is None:
            raise PolicyNotFound(metadata={"version": version})
        if self._regime.policy.version != version:
            await self._shelf.state.activate(policy=version)
            await self._log(actor, "policy.activate", version)
            await self._regime.refresh()
            await self._rematching.sweep_later(Cause.POLICY)
        return self._regime.policy

    async def _log(self, actor: str, act: str, subject: str, **detail: object) -> None:
        now = self._clock.now()
        entries = [audit.entry(actor or "unknown", act, f"policy:{subject}", now, **detail)]
        await self._shelf.committer.commit(Unit(time=now, audit=entries))


def _require_order(policy: Policy) -> None:
    """Thresholds fall: approve, review, drop."""
    ordered = (policy.drop_threshold, policy.review_threshold, policy.approve_threshold)
    if list(ordered) != sorted(ordered):
        raise InvalidArgument(
            violations=[Violation("policy.review_threshold", "must lie between the other two thresholds")]
        )
