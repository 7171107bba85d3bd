"""What a draft would have done: its rules over the videos of a past period, as a dry run. Pure.

The period stands for the campaign's window. A video counts from the moment it was made, with the match and the counts
known today: what a video gathered after the period is in them too, so the outcome is an upper bound for tasks that
count views.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.incentives.domain import Creator, Reward, RewardKind, Terms
from services.incentives.eligibility import Entrant, Entry, creator_reasons, match_in, video_reasons
from services.incentives.participation import Submission, SubmissionState, Video
from services.incentives.progress import task_progress

VIDEOS_MAX = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCreator:
    creator_id: str
    counted_video_count: int
    done_task_ids: tuple[str, ...]
    reward_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedReward:
    reward_id: str
    earned_count: int
    granted_count: int
    left_count: int
    sold_out_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """How many videos a rule kept out, alone or with others, and of how many creators."""

    code: str
    video_count: int
    sole_video_count: int
    creator_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    video_count: int
    counted_video_count: int
    creator_count: int
    earning_creator_count: int
    creators: tuple[SimulatedCreator, ...]
    rewards: tuple[SimulatedReward, ...]
    exclusions: tuple[Exclusion, ...]
    is_truncated: bool = False


@dataclass(slots=True)
class _Tally:
    """What is added up while the videos are looked at."""

    videos: Counter[str] = field(default_factory=Counter)
    sole: Counter[str] = field(default_factory=Counter)
    creators: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, codes: list[str], creator_id: str) -> None:
        self.videos.update(codes)
        if len(codes) == 1:
            self.sole.update(codes)
        for code in codes:
            self.creators[code].add(creator_id)

    def exclusions(self) -> tuple[Exclusion, ...]:
        return tuple(
            Exclusion(
                code=code,
                video_count=count,
                sole_video_count=self.sole[code],
                creator_count=len(self.creators[code]),
            )
            for code, count in sorted(self.videos.items(), key=lambda item: (-item[1], item[0]))
        )


def simulated(
    terms: Terms,
    videos: Iterable[Video],
    creators: Mapping[str, Creator],
    period: tuple[datetime, datetime],
    stocks: Mapping[str, int],
) -> Simulation:
    """Runs the rules; `stocks` says how many units a reward has where its terms do not (tickets)."""
    window = replace(
        terms, start_time=period[0], end_time=period[1], submission_review_required=False, claim_end_time=None
    )
    by_creator: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        by_creator[video.creator_id].append(video)
    tally = _Tally()
    outcomes: list[SimulatedCreator] = []
    earned: list[tuple[datetime, str, str]] = []
    for creator_id, made in by_creator.items():
        creator = creators.get(creator_id, Creator(id=creator_id))
        counted = _counted(window, creator, made, tally)
        outcomes.append(_outcome(window, creator_id, counted, earned))
    rewards, granted = _handed_out(window, sorted(earned), stocks)
    outcomes = [replace(each, reward_ids=tuple(granted.get(each.creator_id, ()))) for each in outcomes]
    outcomes.sort(key=lambda each: (-len(each.reward_ids), -each.counted_video_count, each.creator_id))
    return Simulation(
        video_count=sum(map(len, by_creator.values())),
        counted_video_count=sum(each.counted_video_count for each in outcomes),
        creator_count=len(by_creator),
        earning_creator_count=sum(bool(each.reward_ids) for each in outcomes),
        creators=tuple(outcomes),
        rewards=rewards,
        exclusions=tally.exclusions(),
    )


def _counted(terms: Terms, creator: Creator, made: list[Video], tally: _Tally) -> list[Video]:
    """The creator's videos that count, oldest first; the others go to the tally with the rules that kept them out."""
    assert terms.end_time is not None, "a simulation has a period"
    door = [each.code for each in creator_reasons(Entrant(terms=terms, creator=creator, now=terms.end_time))]
    counted: list[Video] = []
    for video in sorted(made, key=lambda each: (each.create_time, each.id)):
        entry = Entry(terms=terms, creator=creator, video=video, match=match_in(terms, video), review=None)
        codes = list(dict.fromkeys([*door, *(reason.code for reason in video_reasons(entry))]))
        if not codes and len(counted) >= terms.submissions_max:
            codes = ["SUBMISSIONS_TOO_MANY"]
        if codes:
            tally.add(codes, creator.id)
        else:
            counted.append(video)
    return counted


def _outcome(
    terms: Terms, creator_id: str, counted: list[Video], earned: list[tuple[datetime, str, str]]
) -> SimulatedCreator:
    """Goes through the videos as they were made and notes when each reward was earned."""
    submissions: list[Submission] = []
    done: tuple[str, ...] = ()
    had: set[str] = set()
    for video in counted:
        submissions.append(_submission(terms, video))
        done = tuple(task.id for task in terms.tasks if task_progress(task, terms, submissions).is_done)
        for reward in terms.rewards:
            if reward.id not in had and _unlocked(terms, reward, done):
                had.add(reward.id)
                earned.append((video.create_time, creator_id, reward.id))
    return SimulatedCreator(creator_id=creator_id, counted_video_count=len(counted), done_task_ids=done)


def _submission(terms: Terms, video: Video) -> Submission:
    match = match_in(terms, video)
    return Submission(
        video_id=video.id,
        create_time=video.create_time,
        title_id=match.title_id if match else "",
        state=SubmissionState.COUNTED,
        view_count=video.view_count,
        like_count=video.like_count,
        video_create_time=video.create_time,
    )


def _unlocked(terms: Terms, reward: Reward, done: tuple[str, ...]) -> bool:
    wanted = terms.unlocking(reward)
    return bool(wanted) and set(wanted) <= set(done)


def _handed_out(
    terms: Terms, earned: list[tuple[datetime, str, str]], stocks: Mapping[str, int]
) -> tuple[tuple[SimulatedReward, ...], dict[str, list[str]]]:
    """First earned, first granted, until a stock is gone, a team is chosen, or a limit is reached."""
    left = {
        reward.id: stocks.get(reward.id, 0) if reward.kind is RewardKind.TICKET else reward.stock_count
        for reward in terms.rewards
    }
    earned_count: Counter[str] = Counter()
    granted_count: Counter[str] = Counter()
    sold_out: dict[str, datetime] = {}
    granted: dict[str, list[str]] = defaultdict(list)
    for moment, creator_id, reward_id in earned:
        reward = terms.reward(reward_id)
        assert reward is not None, "only rewards of the campaign are earned"
        earned_count[reward_id] += 1
        if _bounded(terms, granted, creator_id, reward_id) or not (reward.is_unlimited or left[reward_id] > 0):
            continue
        granted[creator_id].append(reward_id)
        granted_count[reward_id] += 1
        if not reward.is_unlimited:
            left[reward_id] -= 1
            if left[reward_id] == 0:
                sold_out[reward_id] = moment
    rewards = tuple(
        SimulatedReward(
            reward_id=reward.id,
            earned_count=earned_count[reward.id],
            granted_count=granted_count[reward.id],
            left_count=left[reward.id],
            sold_out_time=sold_out.get(reward.id),
        )
        for reward in terms.rewards
    )
    return rewards, granted


def _bounded(terms: Terms, granted: Mapping[str, list[str]], creator_id: str, reward_id: str) -> bool:
    """Whether a limit or the choice of another team stands against one more grant."""
    mine = granted.get(creator_id, [])
    most = terms.limits.rewards_per_creator_max
    if most and len(mine) >= most:
        return True
    if terms.limits.grants_max and sum(map(len, granted.values())) >= terms.limits.grants_max:
        return True
    team = terms.team_of(reward_id)
    return team is not None and any((terms.team_of(each) or team).id != team.id for each in mine)
