"""What decisions teach: new calibrations, their activation and rollback, and how far the stream has drifted."""

from collections.abc import Sequence

from chassis import paging
from chassis.clock import Clock
from chassis.mongo import Document, run_idempotent
from services.matcher import audit
from services.matcher.appeals import Decision
from services.matcher.calibration import (
    BARE,
    DECISIONS_MIN,
    NONE,
    Calibration,
    Term,
    expected_calibration_error,
    learn,
    probability_of,
    shifted,
    split,
    trials_of,
)
from services.matcher.drift import drift_of
from services.matcher.errors import CalibrationNotFound, ModelMismatch, TooFewDecisions
from services.matcher.index import LiveIndex
from services.matcher.results import Drift, RequestKey
from services.matcher.service.qualities import Qualities
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.shelf import Shelf
from services.matcher.store.commit import Unit
from services.matcher.thresholds import from_decisions

DECISIONS_MAX = 50_000
DRIFT_DECISIONS = 500
RECENT_DAYS, EARLIER_DAYS = 1.0, 8.0


class Learning:
    """Learns from reviewers, within bounds."""

    def __init__(
        self,
        shelf: Shelf,
        index: LiveIndex,
        regime: RegimeFollower,
        qualities: Qualities,
        *,
        clock: Clock,
        token_key: bytes,
    ) -> None:
        self._shelf = shelf
        self._index = index
        self._regime = regime
        self._qualities = qualities
        self._clock = clock
        self._token_key = token_key

    async def create_calibration(
        self, request: RequestKey, *, activate: bool, actor: str, validate_only: bool
    ) -> Calibration:
        """Learns from the decisions on what the model in use said; activates only what lowers the error."""
        if validate_only:
            return await self._learnt()

        async def create() -> Document:
            stored = await self._shelf.versions.add_calibration(await self._learnt())
            await self._log(actor, "calibration.create", stored.version)
            return {"version": stored.version}

        done = await run_idempotent(self._shelf.database, request.id, request.body_hash, create)
        calibration = await self._calibration(str(done["version"]))
        if activate and calibration.ece_after < calibration.ece_before:
            await self._activate(calibration, actor)
        return calibration

    async def list_calibrations(self, page_size: int, page_token: str) -> tuple[tuple[Calibration, ...], str]:
        query = paging.query_hash("calibrations")
        after = paging.decode(self._token_key, query, page_token)
        count = paging.size(page_size)
        found = await self._shelf.versions.calibrations(str(after[0]) if after else "", count)
        token = paging.encode(self._token_key, query, (found[-1].version,)) if len(found) == count else ""
        return tuple(found), token

    async def activate_calibration(self, version: str, request: RequestKey, *, actor: str) -> Calibration:
        """Puts a stored calibration in force, or none; videos matched from now on use it."""

        async def activate() -> Document:
            await self._activate(await self._calibration(version), actor)
            return {}

        await run_idempotent(self._shelf.database, request.id, request.body_hash, activate)
        return await self._calibration(version)

    async def drift(self) -> Drift:
        """The last day against the week before, and reviewers against the model."""
        now = self._clock.now()
        recent = await self._shelf.state.probabilities(now, RECENT_DAYS)
        earlier = await self._shelf.state.probabilities(now, EARLIER_DAYS, until_days=RECENT_DAYS + 1)
        return drift_of(recent, earlier, await self._shelf.tasks.decisions(count=DRIFT_DECISIONS))

    async def _learnt(self) -> Calibration:
        model_version = self._index.names.engine.model_version
        # Goldens are chosen and read by everyone: they measure readers and say nothing of the stream.
        decisions = [
            each
            for each in await self._shelf.tasks.decisions(count=DECISIONS_MAX)
            if each.expected is None and each.model_version == model_version
        ]
        if len(decisions) < DECISIONS_MIN:
            raise TooFewDecisions(metadata={"decision_count": str(len(decisions))})
        weights = await self._qualities.weights()
        to_learn, held_out = split(decisions)
        terms = learn(trials_of(to_learn, weights))
        before, after = _judged(held_out, ()), _judged(held_out, terms)
        approve, review = from_decisions(after)
        return Calibration.of(
            terms,
            model_version=model_version,
            decision_count=len(to_learn),
            held_out_count=len(held_out),
            ece_before=expected_calibration_error(before),
            ece_after=expected_calibration_error(after),
            create_time=self._clock.now(),
            proposed_approve_threshold=approve,
            proposed_review_threshold=review,
        )

    async def _activate(self, calibration: Calibration, actor: str) -> None:
        if calibration.version != NONE and calibration.model_version != self._index.names.engine.model_version:
            raise ModelMismatch(metadata={"model_version": calibration.model_version})
        if self._regime.calibration.version == calibration.version:
            return
        await self._shelf.state.activate(calibration=calibration.version)
        await self._log(actor, "calibration.activate", calibration.version)
        await self._regime.refresh()

    async def _calibration(self, version: str) -> Calibration:
        if version == NONE:
            return BARE
        found = await self._shelf.versions.calibration(version)
        if found is None:
            raise CalibrationNotFound(metadata={"version": version})
        return found

    async def _log(self, actor: str, act: str, version: str) -> None:
        now = self._clock.now()
        entry = audit.entry(actor or "unknown", act, f"calibration:{version}", now)
        await self._shelf.committer.commit(Unit(time=now, audit=[entry]))


def _judged(decisions: Sequence[Decision], terms: Sequence[Term]) -> list[tuple[float, bool]]:
    """What the shifted model says of each decided match, and what its reader said."""
    shifts = {(term.kind, term.key): term.shift for term in terms}
    return [
        (probability_of(shifted(trial.logit, trial.keys, shifts)), trial.approved) for trial in trials_of(decisions, {})
    ]
