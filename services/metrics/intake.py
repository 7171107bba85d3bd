"""Checks a batch event by event, column-wise: what is kept, and why each of the others is not."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from services.metrics import digest, keys
from services.metrics.columns import Coded, Events, RawEvents
from services.metrics.domain import (
    I64,
    MINUTE_MS,
    UNKNOWN_REGION,
    Agent,
    Arm,
    Bools,
    EventType,
    Reason,
    Rejection,
    Source,
)

ID_CHARACTERS_MAX = 128
ID_PATTERN = re.compile(r"[A-Za-z0-9:_.-]{1,128}")
REGION_PATTERN = re.compile(r"[A-Z]{2}")
USER_AGENT_CHARACTERS_MAX = 512
HASHTAGS_MAX, HASHTAG_CHARACTERS_MAX = 30, 128
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LATE_MS_MAX = 48 * 3_600_000
AHEAD_MS_MAX = 5 * MINUTE_MS
# Below this a difference of clocks is network time and rounding, not a wrong clock.
SKEW_MS_MIN = 2_000
DEVICES = 5
EPOCH_MS = keys.EPOCH_MINUTE * MINUTE_MS
END_MS = EPOCH_MS + keys.MINUTES_MAX * MINUTE_MS

# Names that crawlers, scripts and preview makers give themselves (after the lists of monperrus/crawler-user-agents).
BOT_AGENT = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|headless|phantom|curl/|wget|python-|httpclient|okhttp/0|scrapy|monitor|lighthouse",
    re.IGNORECASE,
)
PREVIEW_AGENT = re.compile(
    r"facebookexternalhit|whatsapp|telegrambot|twitterbot|slackbot|discordbot|linkedinbot|preview|embedly|prefetch",
    re.IGNORECASE,
)

ID_BYTES = np.zeros(256, bool)
ID_BYTES[[0, *b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.-"]] = True
TYPES = max(EventType) + 1


def _types(*members: EventType) -> Bools:
    table = np.zeros(256, bool)
    table[list(members)] = True
    return table


NEEDS_VIDEO = _types(
    EventType.ANCHOR_IMPRESSION,
    EventType.ANCHOR_CLICK,
    EventType.VIDEO_VIEW,
    EventType.VIDEO_LIKE,
    EventType.VIDEO_SHARE,
)
NEEDS_CAMPAIGN = _types(EventType.CAMPAIGN_VIEW, EventType.CAMPAIGN_JOIN, EventType.REWARD_GRANT)
NEEDS_OFFER = _types(EventType.OFFER_IMPRESSION, EventType.OFFER_CLICK, EventType.TICKET_CLICK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """When a batch came, by our clock and by its sender's."""

    received_ms: int
    sent_ms: int = 0  # 0: not said
    # A backfill may hold events of any age.
    late_ms_max: int = LATE_MS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The events kept, and the rejections of the rest."""

    events: Events
    rejected: tuple[Rejection, ...]


Check = tuple[Bools, Reason, str]


def check(raw: RawEvents, arrival: Arrival, key: digest.Key, *, title_is_new: Callable[[str], bool] | None = None) -> Checked:
    """Splits a batch; `title_is_new` is given when no more titles can be taken."""
    derived = _derived_ms(raw.times_ms, arrival)
    bad_ids = _bad_ids(raw.ids)
    checks: list[Check] = [
        (bad_ids, Reason.ID_INVALID, "id must match [A-Za-z0-9:_.-]{1,128}"),
        ((raw.types < 1) | (raw.types >= TYPES), Reason.TYPE_UNKNOWN, "type is missing or unknown"),
        *_field_checks(raw),
        *_time_checks(derived, arrival),
    ]
    if title_is_new is not None:
        checks.append(
            (_where(raw.titles, title_is_new), Reason.TITLE_LIMIT, "title_id is new and no more titles can be taken")
        )
    reason = np.zeros(len(raw), np.uint8)
    for place, (bad, _, _) in enumerate(checks, start=1):
        reason[bad & (reason == 0)] = place
    rejected = tuple(
        Rejection(
            index=int(index),
            event_id=raw.ids[index][:ID_CHARACTERS_MAX],
            reason=checks[reason[index] - 1][1],
            description=checks[reason[index] - 1][2],
        )
        for index in np.flatnonzero(reason)
    )
    return Checked(events=_kept(raw, derived, bad_ids, arrival, key).take(reason == 0), rejected=rejected)


def _derived_ms(times_ms: I64, arrival: Arrival) -> I64:
    """When events happened by our clock: the device's time corrected by the difference of clocks."""
    received = arrival.received_ms
    skew = received - arrival.sent_ms if arrival.sent_ms else 0
    corrected = times_ms + (skew if abs(skew) >= SKEW_MS_MIN else 0)
    return np.where(times_ms == 0, received, corrected)


def _time_checks(derived: I64, arrival: Arrival) -> list[Check]:
    late = (derived < arrival.received_ms - arrival.late_ms_max) | (derived < EPOCH_MS)
    ahead = (derived > arrival.received_ms + AHEAD_MS_MAX) | (derived >= END_MS)
    return [
        (late, Reason.TOO_LATE, "time is more than 48 hours ago"),
        (ahead, Reason.IN_FUTURE, "time is more than 5 minutes ahead"),
    ]


def _field_checks(raw: RawEvents) -> list[Check]:
    kind = np.where((raw.types >= 0) & (raw.types < TYPES), raw.types, 0)
    no_video, no_campaign, no_offer = (
        _where(column, lambda name: not name) for column in (raw.videos, raw.campaigns, raw.offers)
    )
    checks: list[Check] = [
        (_where(raw.titles, lambda name: not name), Reason.FIELD_MISSING, "title_id is missing"),
        (NEEDS_VIDEO[kind] & no_video, Reason.FIELD_MISSING, "video_id is missing for this type"),
        (NEEDS_CAMPAIGN[kind] & no_campaign, Reason.FIELD_MISSING, "campaign_id is missing for this type"),
        (NEEDS_OFFER[kind] & no_offer, Reason.FIELD_MISSING, "offer_id is missing for this type"),
    ]
    for name, column in (
        ("title_id", raw.titles),
        ("video_id", raw.videos),
        ("creator_id", raw.creators),
        ("campaign_id", raw.campaigns),
        ("offer_id", raw.offers),
    ):
        checks.append((_of_names(column, _bad_names(column.names)), Reason.FIELD_INVALID, f"{name} must match [A-Za-z0-9:_.-]{{1,128}}"))
    viewer_lengths = np.fromiter(map(len, raw.viewers), np.int64, len(raw))
    checks += [
        (_where(raw.regions, _bad_region), Reason.FIELD_INVALID, "viewer_region must be two capital letters"),
        (viewer_lengths > ID_CHARACTERS_MAX, Reason.FIELD_INVALID, "viewer_id_hash has over 128 characters"),
        (_where(raw.hashtags, _bad_hashtags), Reason.FIELD_INVALID, "hashtag_names has over 30 names or a bad one"),
        (
            _where(raw.user_agents, lambda name: len(name) > USER_AGENT_CHARACTERS_MAX),
            Reason.FIELD_INVALID,
            "user_agent has over 512 characters",
        ),
        (_outside(raw.devices, DEVICES), Reason.FIELD_INVALID, "device is unknown"),
        (_outside(raw.sources, max(Source) + 1), Reason.FIELD_INVALID, "source is unknown"),
        (_outside(raw.agents, max(Agent) + 1), Reason.FIELD_INVALID, "agent_kind is unknown"),
        (_outside(raw.arms, max(Arm) + 1), Reason.FIELD_INVALID, "campaign_arm is unknown"),
    ]
    return checks


def _outside(values: I64, end: int) -> Bools:
    return (values < 0) | (values >= end)


def _where(column: Coded, test: Callable[[str], bool]) -> Bools:
    """The rows whose name passes the test; each distinct name is looked at once."""
    return _of_names(column, np.fromiter(map(test, column.names), bool, len(column.names)))


def _of_names(column: Coded, passed: Bools) -> Bools:
    return passed[column.codes] if len(passed) else np.zeros(len(column.codes), bool)


def _bad_names(names: Sequence[str]) -> Bools:
    """Which names break the pattern of ids; the empty one does not."""
    bad = _bad_ids(names)
    for place in np.flatnonzero(bad).tolist():
        bad[place] = bool(names[place])
    return bad


def _bad_region(name: str) -> bool:
    return bool(name) and not REGION_PATTERN.fullmatch(name)


def _bad_hashtags(names: str) -> bool:
    if not names:
        return False
    each = names.split(",")
    return (
        len(each) > HASHTAGS_MAX
        or any(not 0 < len(name) <= HASHTAG_CHARACTERS_MAX for name in each)
        or bool(CONTROL.search(names))
    )


def _bad_ids(ids: Sequence[str]) -> Bools:
    if not len(ids):
        return np.zeros(0, bool)
    if max(map(len, ids)) > ID_CHARACTERS_MAX:
        # One absurd id would widen the matrix for all.
        return np.fromiter((not ID_PATTERN.fullmatch(id_) for id_ in ids), bool, len(ids))
    rows, lengths = digest.matrix(ids)
    # Zero bytes pad the rows; one inside an id leaves fewer other bytes than its length.
    plain = ID_BYTES[rows].all(axis=1) & ((rows != 0).sum(axis=1) == lengths)
    return ~(plain & (lengths > 0) & (lengths <= ID_CHARACTERS_MAX))


def _kept(raw: RawEvents, derived: I64, bad_ids: Bools, arrival: Arrival, key: digest.Key) -> Events:
    """The whole batch as checked columns; rows that are not kept hold anything that fits."""
    ids = raw.ids
    if bad_ids.any():
        ids = ["" if bad else id_ for id_, bad in zip(ids, bad_ids.tolist(), strict=True)]
    viewers = raw.viewers
    if any(len(viewer) > ID_CHARACTERS_MAX for viewer in viewers):
        viewers = [viewer[:ID_CHARACTERS_MAX] for viewer in viewers]
    hi, lo = digest.digest128(ids, key)
    return Events(
        ids=ids,
        id_hi=hi,
        id_lo=lo,
        type=_narrow(raw.types, 0),
        source=_narrow(raw.sources, Source.FAN),
        agent=_agents(raw),
        arm=_narrow(raw.arms, Arm.EXPOSED),
        device=_narrow(raw.devices, 0),
        time_ms=np.where(raw.times_ms == 0, derived, raw.times_ms),
        derived_ms=np.minimum(derived, arrival.received_ms),
        viewer=digest.digest64(viewers, key),
        region=_regions(raw.regions),
        title=raw.titles,
        video=raw.videos,
        creator=raw.creators,
        campaign=raw.campaigns,
        offer=raw.offers,
        hashtags=raw.hashtags,
    )


def _narrow(values: I64, default: int) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    small = np.where((values < 0) | (values > 255), 0, values)
    return np.where(small == 0, default, small).astype(np.uint8)


def _agents(raw: RawEvents) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    """Who caused each event: as said, else as the user agent tells, else a person."""
    told = np.fromiter(map(agent_of, raw.user_agents.names), np.uint8, len(raw.user_agents.names))
    by_name = told[raw.user_agents.codes] if len(told) else np.full(len(raw), Agent.HUMAN, np.uint8)
    said = _narrow(raw.agents, 0)
    return np.where(said == 0, by_name, said).astype(np.uint8)


def agent_of(user_agent: str) -> Agent:
    """What a User-Agent header says about its sender."""
    if PREVIEW_AGENT.search(user_agent):
        return Agent.PREVIEW
    return Agent.BOT if BOT_AGENT.search(user_agent) else Agent.HUMAN


def _regions(column: Coded) -> "np.ndarray[tuple[int], np.dtype[np.uint16]]":
    codes = np.fromiter(
        (keys.region_code(name) if not _bad_region(name) and name != UNKNOWN_REGION else 0 for name in column.names),
        np.uint16,
        len(column.names),
    )
    return codes[column.codes] if len(codes) else np.zeros(len(column.codes), np.uint16)
