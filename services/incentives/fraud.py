"""When a claim is held for a person to look at: four simple rules, each with its figure and the reason for it. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.incentives.domain import Creator, FollowerSample
from services.incentives.participation import Hold, HoldCode

# Followers that multiply within a week, and by more than a small account gains with one lucky video.
FOLLOWER_WINDOW = timedelta(days=7)
FOLLOWER_FACTOR = 5
FOLLOWER_GAIN_MIN = 5_000
FOLLOWER_SAMPLES_MAX = 30
# Nobody makes ten videos within an hour by hand.
BURST_WINDOW = timedelta(hours=1)
BURST_COUNT = 10


def holds(
    *,
    creator: Creator,
    same_device: Sequence[str],
    same_cluster: Sequence[str],
    video_times: Sequence[datetime],
    now: datetime,
) -> tuple[Hold, ...]:
    """What speaks against handing a claim over; `same_*` are other creators who were granted something here."""
    found = (
        (HoldCode.SHARED_DEVICE, shared(creator.id, same_device, "device")),
        (HoldCode.SHARED_IDENTITY, shared(creator.id, same_cluster, "identity cluster")),
        (HoldCode.FOLLOWER_JUMP, follower_jump(creator.follower_samples, now)),
        (HoldCode.SUBMISSION_BURST, submission_burst(video_times)),
    )
    return tuple(Hold(code=code, detail=detail, create_time=now) for code, detail in found if detail)


def shared(creator_id: str, others: Sequence[str], what: str) -> str:
    """One person with several accounts: the same device or cluster was granted something under another name."""
    names = sorted(set(others) - {creator_id})
    if not names:
        return ""
    return f"the same {what} as {len(names)} other creator{'s' if len(names) > 1 else ''} of this campaign"


def follower_jump(samples: Sequence[FollowerSample], now: datetime) -> str:
    """Bought followers: five times as many, and 5,000 more, within a week."""
    recent = sorted((each for each in samples if each.time > now - FOLLOWER_WINDOW), key=lambda each: each.time)
    for index, low in enumerate(recent):
        high = max((each.count for each in recent[index + 1 :]), default=0)
        if high - low.count >= FOLLOWER_GAIN_MIN and high >= FOLLOWER_FACTOR * low.count:
            return f"followers went from {low.count:,} to {high:,} within 7 days"
    return ""


def submission_burst(times: Sequence[datetime]) -> str:
    """A machine at work: ten videos made within one hour."""
    ordered = sorted(times)
    for first, last in zip(ordered, ordered[BURST_COUNT - 1 :], strict=False):
        if last - first <= BURST_WINDOW:
            return f"{BURST_COUNT} videos made within an hour"
    return ""


def sampled(samples: tuple[FollowerSample, ...], count: int, now: datetime) -> tuple[FollowerSample, ...]:
    """The samples with one more where the count changed; the newest 30 are kept."""
    newest = max(samples, key=lambda each: each.time, default=None)
    if newest is not None and newest.count == count:
        return samples
    ordered = sorted((*samples, FollowerSample(count=count, time=now)), key=lambda each: each.time)
    return tuple(ordered[-FOLLOWER_SAMPLES_MAX:])
