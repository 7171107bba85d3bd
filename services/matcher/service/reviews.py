"""The review queue: leases and votes, one holder a task, and what a settled task does to its match."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chassis import paging
from chassis.clock import Clock
from chassis.ids import NewId
from chassis.mongo import Document, RequestIdReused, run_idempotent
from services.matcher import audit, reviewing
from services.matcher.appeals import Decision
from services.matcher.calibration import keys_of, logit_of
from services.matcher.domain import Cause, DecidedBy, Match, MatchState, match_id
from services.matcher.errors import Contended, LeaseLost, NoTask, TaskNotFound
from services.matcher.lifecycle import UNFINISHED, TaskState
from services.matcher.queueing import FINISHED, golden, golden_id_of, task_for
from services.matcher.results import OpenTask, RequestKey, TaskFilter
from services.matcher.reviewing import LEASE_S, Task, Verdict, Vote, is_live
from services.matcher.rulings import Ruling, said
from services.matcher.service.anchors import Anchors
from services.matcher.service.matching import Matching
from services.matcher.service.qualities import Qualities
from services.matcher.service.regime import RegimeFollower
from services.matcher.service.shelf import Shelf
from services.matcher.store.commit import Stale, Unit

ATTEMPTS_MAX = 8
FREE_READ_MAX = 300  # free tasks read at once; more reviewers than that would meet at the same ones
FREE_KEPT_S = 1.0
FRESH_S = 0.2  # however many find nothing, the queue is read so often at most
ANY = TaskFilter()


@dataclass(frozen=True, slots=True)
class Hold:
    """Who wants to hold a task, for how long, and under which call."""

    reviewer_id: str
    lease_s: float
    request_id: str


class Reviews:
    """Lets people settle doubtful matches."""

    def __init__(
        self,
        shelf: Shelf,
        matching: Matching,
        anchors: Anchors,
        regime: RegimeFollower,
        *,
        qualities: Qualities,
        clock: Clock,
        new_id: NewId,
        token_key: bytes,
    ) -> None:
        self._shelf = shelf
        self._matching = matching
        self._anchors = anchors
        self._regime = regime
        self._qualities = qualities
        self._clock = clock
        self._new_id = new_id
        self._token_key = token_key
        self._reading = asyncio.Lock()
        self._free: dict[tuple[TaskFilter, bool], tuple[float, list[Task]]] = {}

    async def list_review_tasks(
        self, state: TaskState | None, wanted: TaskFilter, page_size: int, page_token: str
    ) -> tuple[tuple[Task, ...], str]:
        """Tasks, the most valuable first."""
        states = (state,) if state else UNFINISHED
        query = paging.query_hash("tasks", [int(each) for each in states], *wanted.key)
        after = paging.decode(self._token_key, query, page_token)
        count = paging.size(page_size)
        found = await self._shelf.tasks.page(states, wanted, after, count)
        is_more = len(found) == count
        token = paging.encode(self._token_key, query, (found[-1].rank, found[-1].id)) if is_more else ""
        return tuple(found), token

    async def get_review_task(self, task_id: str, reader: str = "") -> OpenTask:
        """The task; a reader sees its video while they hold it, or once it is finished, which is noted."""
        task = await self._task(task_id)
        if not reader:
            return await self._opened(task)
        now = self._clock.now()
        if task.state in FINISHED:
            entry = audit.entry(reader, "task.view", f"task:{task.id}", now, match=_match_id(task))
            await self._shelf.committer.commit(Unit(time=now, audit=[entry]))
        elif not (is_live(task, now) and task.lease is not None and task.lease.holder == reader):
            return OpenTask(task=task, video=None, policy_text=self._regime.policy.description)
        return await self._opened(task)

    async def lease_review_task(
        self,
        reviewer_id: str,
        *,
        task_id: str = "",
        wanted: TaskFilter = ANY,
        lease_s: float = LEASE_S,
        request_id: str = "",
    ) -> OpenTask:
        """The named task, or the most valuable free one that this reviewer has not seen."""
        hold = Hold(reviewer_id, lease_s or LEASE_S, request_id)
        if task_id:
            return await self._opened(await self._lease_named(task_id, hold))
        repeated = await self._held_under(hold) if request_id else None
        taken = repeated or await self._lease_best(wanted, hold)
        if taken is None:
            raise NoTask
        return await self._opened(taken)

    async def renew_lease(self, task_id: str, reviewer_id: str, token: int, lease_s: float) -> Task:
        """Extends a lease that is still held."""
        return await self._changed(
            task_id,
            lambda task, now: reviewing.renewed(task, reviewer_id, token, now, lease_s or LEASE_S),
        )

    async def release_lease(self, task_id: str, reviewer_id: str, token: int) -> Task:
        """Hands the task back; one already handed back stays so."""
        task = await self._task(task_id)
        if task.state is TaskState.OPEN and task.token == token:
            return task
        released = await self._changed(
            task_id,
            lambda task, now: reviewing.released(task, reviewer_id, token, now),
            actor=reviewer_id,
            act="task.release",
        )
        self._free.clear()
        return released

    async def decide_review_task(self, task_id: str, vote: Vote, request: RequestKey) -> tuple[Task, Match | None]:
        """Votes; the last vote needed decides the match in the same transaction."""

        async def decide() -> Document:
            await self._decide(task_id, vote)
            return {}

        await run_idempotent(self._shelf.database, request.id, request.body_hash, decide)
        task = await self._task(task_id)
        return task, await self._match_of(task)

    async def create_golden_task(self, match_id: str, expected: Verdict, request: RequestKey, *, actor: str) -> Task:
        """A task whose answer is known; every reviewer meets it once, among the others."""
        task_id = golden_id_of(match_id)

        async def create() -> Document:
            match = await self._anchors.get_match(match_id)
            now = self._clock.now()
            video = await self._anchors.get_video(match.video_id)
            regime = self._regime.now()
            task = task_for(match, video.standing, regime.card_of(match.title_id), regime.policy, now)
            if await self._shelf.tasks.get(task_id) is None:
                entry = audit.entry(actor or "unknown", "task.golden", f"task:{task_id}", now, match=match_id)
                unit = Unit(time=now, new_tasks=[golden(task, match_id, expected)], audit=[entry])
                await self._shelf.committer.commit(unit)
            return {}

        await run_idempotent(self._shelf.database, request.id, request.body_hash, create)
        return await self._task(task_id)

    async def list_decisions(
        self, match_id: str, reviewer_id: str, page_size: int, page_token: str, *, reader: str = ""
    ) -> tuple[tuple[Decision, ...], str]:
        """Votes, newest first; of tasks that are not finished a reader sees only their own, lest they be led."""
        query = paging.query_hash("decisions", match_id, reviewer_id)
        after = paging.decode(self._token_key, query, page_token)
        count = paging.size(page_size)
        found = await self._shelf.tasks.decisions(
            match_id=match_id, reviewer_id=reviewer_id, before=str(after[0]) if after else "", count=count
        )
        token = paging.encode(self._token_key, query, (found[-1].id,)) if len(found) == count else ""
        if reader:
            others = {each.task_id for each in found if each.vote.reviewer_id != reader}
            tasks = await self._shelf.tasks.batch(others) if others else {}
            hidden = {task_id for task_id, task in tasks.items() if task.state not in FINISHED}
            found = [each for each in found if each.vote.reviewer_id == reader or each.task_id not in hidden]
        return tuple(found), token

    async def _decide(self, task_id: str, vote: Vote) -> None:
        """The same reviewer with the same token repeats himself; another verdict then is refused."""
        for _ in range(ATTEMPTS_MAX):
            task = await self._task(task_id)
            given = next((each for each in task.votes if each.token == vote.token), None)
            if given is not None and given.reviewer_id == vote.reviewer_id:
                if given.choice != vote.choice:
                    raise RequestIdReused
                return
            try:
                await self._vote(task, vote)
            except Stale:
                continue
            return
        raise Contended

    async def _vote(self, task: Task, vote: Vote) -> None:
        now = self._clock.now()
        after = reviewing.voted(
            task,
            replace(vote, vote_time=now),
            now,
            is_sampled=reviewing.is_sampled(task.id, self._regime.policy.second_read_share),
            weights=await self._qualities.weights(),
        )
        rulings = await self._settled(after, now) if after.state is TaskState.DECIDED else []
        entry = audit.entry(
            vote.reviewer_id,
            "task.decide",
            f"task:{task.id}",
            now,
            verdict=vote.verdict.name,
            reason=vote.reason_code.name,
            right_title=vote.right_title_id,
            token=vote.token,
            match=_match_id(task),
            outcome=after.outcome.verdict.name if after.outcome else "",
        )
        decisions = [] if vote.verdict is Verdict.SKIP else [await self._decision(task, after.votes[-1])]
        unit = Unit(time=now, tasks=[(task, after)], decisions=decisions, audit=[entry])
        await self._matching.write(rulings, unit)
        if after.state is TaskState.OPEN:
            self._free.clear()  # it waits for the next reader: whoever asks now may have it

    async def _settled(self, task: Task, now: datetime) -> list[Ruling]:
        """What the outcome of a task makes of its match, and of the title that is the right one."""
        video = await self._shelf.videos.get(task.video_id)
        assert task.outcome is not None, "a decided task has an outcome"
        if video is None or video.match_of(task.title_id) is None:
            return []
        is_right = task.outcome.verdict is Verdict.APPROVE
        verdicts = {task.title_id: MatchState.APPROVED if is_right else MatchState.REJECTED}
        if task.outcome.right_title_id:
            verdicts[task.outcome.right_title_id] = MatchState.APPROVED
        return [said(self._regime.now(), now, video, verdicts, by=DecidedBy.REVIEWERS, cause=Cause.REVIEW)]

    async def _decision(self, task: Task, vote: Vote) -> Decision:
        match = await self._match_of(task)
        evidence = match.candidate.evidence if match else ()
        shifts = sum(each.contribution for each in evidence if each.value.startswith("calibration "))
        keys = keys_of(evidence)
        probability = match.candidate.probability if match else task.probability
        return Decision(
            id=self._new_id(),
            task_id=task.id,
            match_id=match.id if match else task.id,
            video_id=task.video_id,
            title_id=task.title_id,
            vote=vote,
            probability=probability,
            logit=logit_of(probability) - shifts,
            model_version=match.model_version if match else "",
            match_state=match.state if match else MatchState.WITHDRAWN,
            signals=tuple(key for kind, key in keys if kind == "signal"),
            aliases=tuple(key for kind, key in keys if kind == "alias"),
            expected=task.expected,
        )

    async def _free_tasks(self, wanted: TaskFilter, *, is_golden: bool, is_fresh: bool) -> list[Task]:
        """Free tasks in the order of the queue, at most a second old unless asked for fresh ones.

        All readers of this process share the list, so that no two of them try the same task.
        """
        async with self._reading:
            read_at, known = self._free.get((wanted, is_golden), (-FREE_KEPT_S, []))
            age_s = self._clock.monotonic() - read_at
            if age_s >= (FRESH_S if is_fresh or not known else FREE_KEPT_S):
                read = self._shelf.tasks.free_goldens if is_golden else self._shelf.tasks.free
                known = await read(wanted, self._clock.now(), FREE_READ_MAX)
                self._free[wanted, is_golden] = (self._clock.monotonic(), known)
            return known

    async def _held_under(self, hold: Hold) -> Task | None:
        """The task that an earlier try of the same call took."""
        now = self._clock.now()
        for task in await self._shelf.tasks.held_by(hold.reviewer_id):
            if task.lease and task.lease.request_id == hold.request_id and is_live(task, now):
                return task
        return None

    async def _lease_best(self, wanted: TaskFilter, hold: Hold) -> Task | None:
        for is_fresh in (False, True):
            goldens = await self._free_tasks(wanted, is_golden=True, is_fresh=False)
            free = await self._free_tasks(wanted, is_golden=False, is_fresh=is_fresh)
            while (task := _first_unseen(free, hold.reviewer_id)) is not None:
                # Nothing is awaited between the choice and its leaving the list: no two readers choose the same.
                golden_task = self._golden_instead(task, goldens, hold.reviewer_id)
                (goldens if golden_task else free).remove(golden_task or task)
                try:
                    return await self._lease(golden_task or task, hold)
                except Stale:
                    continue  # someone in another process was faster
        return None

    def _golden_instead(self, task: Task, goldens: Sequence[Task], reviewer_id: str) -> Task | None:
        """A task with a known answer in place of every so many: which one, the reviewer cannot tell."""
        if not reviewing.is_sampled(f"{reviewer_id}:{task.id}", self._regime.policy.golden_share):
            return None
        return _first_unseen(goldens, reviewer_id)

    async def _lease_named(self, task_id: str, hold: Hold) -> Task:
        for _ in range(ATTEMPTS_MAX):
            task = await self._task(task_id)
            try:
                return await self._lease(task, hold)
            except Stale:
                continue
        raise Contended

    async def _lease(self, task: Task, hold: Hold) -> Task:
        now = self._clock.now()
        after = reviewing.leased(task, hold.reviewer_id, now, hold.lease_s, request_id=hold.request_id)
        entry = audit.entry(
            hold.reviewer_id, "task.lease", f"task:{task.id}", now, token=after.token, match=_match_id(task)
        )
        await self._shelf.committer.commit(Unit(time=now, tasks=[(task, after)], audit=[entry]))
        return after

    async def _changed(
        self, task_id: str, change: Callable[[Task, datetime], Task], *, actor: str = "", act: str = ""
    ) -> Task:
        for _ in range(ATTEMPTS_MAX):
            now = self._clock.now()
            task = await self._task(task_id)
            after = change(task, now)
            detail = {"token": task.token, "match": _match_id(task)}
            entries = [audit.entry(actor, act, f"task:{task_id}", now, **detail)] if act else []
            try:
                await self._shelf.committer.commit(Unit(time=now, tasks=[(task, after)], audit=entries))
            except Stale:
                continue
            return after
        raise LeaseLost

    async def _task(self, task_id: str) -> Task:
        task = await self._shelf.tasks.get(task_id)
        if task is None:
            raise TaskNotFound(metadata={"task_id": task_id})
        return task

    async def _match_of(self, task: Task) -> Match | None:
        video = await self._shelf.videos.get(task.video_id)
        return video.match_of(task.title_id) if video else None

    async def _opened(self, task: Task) -> OpenTask:
        """The task with what a reader needs beside it."""
        return OpenTask(
            task=task,
            video=await self._shelf.videos.get(task.video_id),
            policy_text=self._regime.policy.description,
        )


def _first_unseen(tasks: Sequence[Task], reviewer_id: str) -> Task | None:
    return next((each for each in tasks if reviewer_id not in each.seen_by), None)


def _match_id(task: Task) -> str:
    return match_id(task.video_id, task.title_id)
