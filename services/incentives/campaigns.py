"""What a campaign must be to be stored, to be scheduled, and to be changed while it runs. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime

from chassis.errors import Violation
from services.incentives.domain import (
    STOCK_MAX,
    WEEK,
    Campaign,
    CampaignState,
    Limits,
    Reward,
    RewardKind,
    StockCount,
    Task,
    Terms,
)
from services.incentives.errors import CampaignIncomplete, CampaignInvalid, FieldImmutable, StockCannotShrink

TERM_PATHS = tuple(field.name for field in fields(Terms))
# What creators who joined keep as it was when they joined.
KEPT_PATHS = frozenset(
    {"title_ids", "region_codes", "rules", "tasks", "rewards", "limits", "submission_review_required"}
)
DURATION_MAX_WEEKS = 104


def check(terms: Terms) -> None:
    """Raises CampaignInvalid that names every contradiction; what is merely missing is fine in a draft."""
    found = tuple(contradictions(terms))
    if found:
        raise CampaignInvalid(violations=found)


def check_complete(terms: Terms, now: datetime) -> None:
    """Raises CampaignIncomplete that names everything a campaign needs before it can be scheduled."""
    found = tuple(gaps(terms, now))
    if found:
        raise CampaignIncomplete(violations=found)


def contradictions(terms: Terms) -> Iterator[Violation]:
    yield from _window(terms)
    yield from _rules(terms)
    yield from _repeated("tasks", (task.id for task in terms.tasks))
    yield from _repeated("rewards", (reward.id for reward in terms.rewards))
    yield from _repeated("teams", (team.id for team in terms.teams))
    yield from _repeated("teams.reward_ids", (each for team in terms.teams for each in team.reward_ids))
    for index, task in enumerate(terms.tasks):
        yield from _task(f"tasks[{index}]", task, terms)
    task_ids = {task.id for task in terms.tasks}
    for index, reward in enumerate(terms.rewards):
        yield from _reward(f"rewards[{index}]", reward, task_ids)
    reward_ids = {reward.id for reward in terms.rewards}
    for index, team in enumerate(terms.teams):
        for unknown in sorted(set(team.reward_ids) - reward_ids):
            yield Violation(f"teams[{index}].reward_ids", f"{unknown} is no reward of this campaign")


def gaps(terms: Terms, now: datetime) -> Iterator[Violation]:
    if not terms.display_name:
        yield Violation("display_name", "is needed")
    for path in ("title_ids", "tasks", "rewards"):
        if not getattr(terms, path):
            yield Violation(path, "at least one is needed")
    for path in ("start_time", "end_time"):
        if getattr(terms, path) is None:
            yield Violation(path, "is needed")
    if terms.end_time is not None and terms.end_time <= now:
        yield Violation("end_time", "has passed")
    for index, reward in enumerate(terms.rewards):
        if reward.kind is not RewardKind.TICKET and not reward.is_unlimited and reward.stock_count == 0:
            yield Violation(f"rewards[{index}].stock_count", "is needed, or is_unlimited")


def changed_paths(before: Terms, after: Terms) -> tuple[str, ...]:
    return tuple(path for path in TERM_PATHS if getattr(before, path) != getattr(after, path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a change touches, for creators who joined before it."""

    changed_paths: tuple[str, ...] = ()
    # What they keep as it was, and what changes for them too; a path may be in both (a stock grows, a task is kept).
    kept_paths: tuple[str, ...] = ()
    applied_paths: tuple[str, ...] = ()


def touched(before: Terms, after: Terms) -> Touched:
    held = kept(before, after)
    return Touched(
        changed_paths=changed_paths(before, after),
        kept_paths=changed_paths(held, after),
        applied_paths=changed_paths(before, held),
    )


def merged(before: Terms, after: Terms, paths: Iterable[str]) -> Terms:
    """The terms with the named ones replaced; a name that is none is refused."""
    wanted = tuple(paths)
    unknown = [path for path in wanted if path not in TERM_PATHS]
    if unknown or not wanted:
        named = ", ".join(unknown) or "nothing"
        raise FieldImmutable(
            violations=[Violation("update_mask", f"{named}: must name one or more of {', '.join(TERM_PATHS)}")]
        )
    return replace(before, **{path: getattr(after, path) for path in wanted})


def kept(joined: Terms, current: Terms) -> Terms:
    """What holds for a creator who joined under earlier terms: their rules, with the window and stocks of today."""
    rewards = tuple(_kept_reward(joined.reward(reward.id), reward) for reward in current.rewards)
    paths = {path: getattr(joined, path) for path in KEPT_PATHS if path != "rewards"}
    return replace(current, **paths, rewards=rewards)


def _kept_reward(joined: Reward | None, current: Reward) -> Reward:
    if joined is None:
        return current
    return replace(current, task_ids=joined.task_ids, per_creator_max=joined.per_creator_max)


def check_running_change(campaign: Campaign, after: Terms) -> None:
    """What a campaign that was scheduled cannot do any more: shrink a stock, lose a reward, move its start."""
    before = campaign.terms
    fixed = [*_lost("rewards", before.rewards, after.rewards), *_lost("teams", before.teams, after.teams)]
    started = campaign.state in {CampaignState.ACTIVE, CampaignState.PAUSED}
    if started and before.start_time != after.start_time:
        fixed.append(Violation("start_time", "the campaign has started"))
    for reward in before.rewards:
        now = after.reward(reward.id)
        if now is not None and (now.kind, now.is_unlimited) != (reward.kind, reward.is_unlimited):
            fixed.append(Violation("rewards", f"{reward.id}: kind and is_unlimited stay"))
    for team in before.teams:
        moved = [
            each for each in team.reward_ids if (after.team_of(each) or team).id != team.id or not after.team_of(each)
        ]
        fixed += [Violation("teams", f"{each} stays with team {team.id}") for each in moved]
    fixed += _tightened(before.limits, after.limits)
    if fixed:
        raise FieldImmutable(violations=fixed)
    shrunk = [
        Violation("rewards", f"{reward.id}: stock_count can only grow from {reward.stock_count}")
        for reward in before.rewards
        if (now := after.reward(reward.id)) is not None and now.stock_count < reward.stock_count
    ]
    if shrunk:
        raise StockCannotShrink(violations=shrunk)


def _tightened(before: Limits, after: Limits) -> Iterator[Violation]:
    """Bounds over all creators: who came before a bound carries no number, and who has one keeps it."""
    for name in ("enrolments_max", "grants_max"):
        was, now = getattr(before, name), getattr(after, name)
        if now and not was:
            yield Violation(f"limits.{name}", "can be set only before the campaign is scheduled")
        elif now and now < was:
            yield Violation(f"limits.{name}", f"can only grow from {was:,}, or be lifted with 0")


def stock_counts(terms: Terms) -> tuple[StockCount, ...]:
    """What a revision's mark keeps of the stocks: enough to draw the ledger from."""
    return tuple(
        StockCount(reward_id=reward.id, count=reward.stock_count)
        for reward in terms.rewards
        if reward.kind is not RewardKind.TICKET and not reward.is_unlimited
    )


def _window(terms: Terms) -> Iterator[Violation]:
    start, end, visible, claims = terms.start_time, terms.end_time, terms.visible_time, terms.claim_end_time
    if start is not None and end is not None:
        if end <= start:
            yield Violation("end_time", "must be after start_time")
        elif end - start > DURATION_MAX_WEEKS * WEEK:
            yield Violation("end_time", f"must be at most {DURATION_MAX_WEEKS} weeks after start_time")
    if start is not None and visible is not None and visible > start:
        yield Violation("visible_time", "must not be after start_time")
    if end is not None and claims is not None and claims < end:
        yield Violation("claim_end_time", "must not be before end_time")


def _rules(terms: Terms) -> Iterator[Violation]:
    rules = terms.rules
    if rules.follower_count_max and rules.follower_count_max < rules.follower_count_min:
        yield Violation("rules.follower_count_max", "must not be less than follower_count_min")
    if rules.duration_max_s and rules.duration_max_s < rules.duration_min_s:
        yield Violation("rules.duration_max_s", "must not be less than duration_min_s")
    outside = set(rules.region_codes) - set(terms.region_codes) if terms.region_codes else set()
    if outside:
        yield Violation("rules.region_codes", f"{', '.join(sorted(outside))}: not among the campaign's regions")


def _task(path: str, task: Task, terms: Terms) -> Iterator[Violation]:
    if bool(task.target) == bool(task.steps):
        yield Violation(path, "has either a target or weekly steps")
    yield from _repeated(f"{path}.steps", (str(step.week) for step in task.steps))
    for unknown in sorted(set(task.title_ids) - set(terms.title_ids)):
        yield Violation(f"{path}.title_ids", f"{unknown} is no title of this campaign")
    if terms.start_time is not None and terms.end_time is not None:
        weeks = -((terms.start_time - terms.end_time) // WEEK)
        for step in task.steps:
            if step.week > weeks:
                yield Violation(f"{path}.steps", f"week {step.week} is after the campaign's end")


def _reward(path: str, reward: Reward, task_ids: set[str]) -> Iterator[Violation]:
    for unknown in sorted(set(reward.task_ids) - task_ids):
        yield Violation(f"{path}.task_ids", f"{unknown} is no task of this campaign")
    if reward.is_unlimited and not reward.kind.is_instant:
        yield Violation(f"{path}.is_unlimited", "only profile frames and filters have no bound")
    if reward.is_unlimited and (reward.stock_count or reward.waitlist_max):
        yield Violation(f"{path}.stock_count", "a reward without bound has neither a stock nor a waitlist")
    if reward.kind is RewardKind.TICKET and reward.stock_count:
        yield Violation(f"{path}.stock_count", "a ticket's stock is its pool of codes: import them")
    if reward.stock_count > STOCK_MAX:
        yield Violation(f"{path}.stock_count", f"is at most {STOCK_MAX:,}")


def _repeated(path: str, ids: Iterable[str]) -> Iterator[Violation]:
    for each, count in Counter(ids).items():
        if count > 1:
            yield Violation(path, f"{each} is there {count} times")


def _lost(path: str, before: Iterable[object], after: Iterable[object]) -> Iterator[Violation]:
    kept = {getattr(each, "id", None) for each in after}
    for each in before:
        gone = getattr(each, "id", None)
        if gone not in kept:
            yield Violation(path, f"{gone} cannot be taken away")
