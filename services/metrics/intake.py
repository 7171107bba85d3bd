"""Checks a batch event by event, column-wise: what is kept, and why each of the others is not."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from services.metrics import digest, keys
from services.metrics.columns import Coded, Events, RawEvents
from services.metrics.domain import (
    I64,
    MINUTE_MS,
    U8,
    U16,
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
BYTE_MAX = 255
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


def check(
    raw: RawEvents, arrival: Arrival, key: digest.Key, *, title_is_new: Callable[[str], bool] | None = None
) -> Checked:
    """Splits a batch; `title_is_new` is given when no more titles can be taken."""
    derived = _derived_ms(raw.times_ms, arrival)
    ids = _Ids.of(raw.ids)
    checks = [
        *_found(ids.bad, Reason.ID_INVALID, "id must match [A-Za-z0-9:_.-]{1,128}"),
        *_found(_outside(raw.types, TYPES, first=1), Reason.TYPE_UNKNOWN, "type is missing or unknown"),
        *_missing(raw),
        *_invalid(raw),
        *_untimely(derived, arrival),
    ]
    if title_is_new is not None:
        text = "title_id is new and no more titles can be taken"
        checks += _found(_where(raw.titles, title_is_new), Reason.TITLE_LIMIT, text)
    events = _kept(raw, derived, ids, checks, arrival, key)
    if not checks:
        return Checked(events=events, rejected=())
    reason = np.zeros(len(raw), np.uint8)
    for place, (bad, _, _) in enumerate(checks, start=1):
        reason[bad & (reason == 0)] = place
    return Checked(events=events.take(reason == 0), rejected=_rejections(raw, reason, checks))


def _rejections(raw: RawEvents, reason: U8, checks: Sequence[Check]) -> tuple[Rejection, ...]:
    return tuple(
        Rejection(
            index=int(index),
            event_id=raw.ids[index][:ID_CHARACTERS_MAX],
            reason=checks[reason[index] - 1][1],
            description=checks[reason[index] - 1][2],
        )
        for index in np.flatnonzero(reason)
    )


def _found(bad: Bools, reason: Reason, text: str) -> list[Check]:
    """The check, if it found anything: of most batches nothing is left to look at."""
    return [(bad, reason, text)] if bad.any() else []


@dataclass(frozen=True, slots=True)
class _Ids:
    """Event ids as a matrix of bytes, and which of them break the pattern; those are empty here."""

    rows: U8
    lengths: I64
    bad: Bools

    @classmethod
    def of(cls, ids: Sequence[str]) -> "_Ids":
        # One absurd id would widen the matrix for all.
        short = ids if max(map(len, ids), default=0) <= ID_CHARACTERS_MAX else [_or_empty(id_) for id_ in ids]
        rows, lengths = digest.matrix(short)
        bad = _bad_rows(rows, lengths)
        if bad.any():
            rows, lengths = rows.copy(), lengths.copy()
            rows[bad], lengths[bad] = 0, 0
        return cls(rows, lengths, bad)


def _or_empty(text: str) -> str:
    return text if len(text) <= ID_CHARACTERS_MAX else ""


def _bad_rows(rows: U8, lengths: I64) -> Bools:
    """Which byte strings break the pattern of ids."""
    found: Bools
    # Zero bytes pad the rows; one inside an id leaves fewer other bytes than its length.
    known = ID_BYTES[rows]
    if known.all() and np.count_nonzero(rows) == lengths.sum():
        found = (lengths == 0) | (lengths > ID_CHARACTERS_MAX)
        return found
    plain = known.all(axis=1) & (np.count_nonzero(rows, axis=1) == lengths)
    found = ~(plain & (lengths > 0) & (lengths <= ID_CHARACTERS_MAX))
    return found


def _derived_ms(times_ms: I64, arrival: Arrival) -> I64:
    """When events happened by our clock: the device's time corrected by the difference of clocks."""
    received = arrival.received_ms
    skew = received - arrival.sent_ms if arrival.sent_ms else 0
    corrected = times_ms + (skew if abs(skew) >= SKEW_MS_MIN else 0)
    return np.where(times_ms == 0, received, corrected)


def _untimely(derived: I64, arrival: Arrival) -> list[Check]:
    late = derived < max(arrival.received_ms - arrival.late_ms_max, EPOCH_MS)
    ahead = derived > min(arrival.received_ms + AHEAD_MS_MAX, END_MS - 1)
    return [
        *_found(late, Reason.TOO_LATE, "time is more than 48 hours ago"),
        *_found(ahead, Reason.IN_FUTURE, "time is more than 5 minutes ahead"),
    ]


def _missing(raw: RawEvents) -> list[Check]:
    """Fields that every event, or every event of its type, must have."""
    kind = np.where(_outside(raw.types, TYPES), 0, raw.types)
    checks = _found(_empty(raw.titles), Reason.FIELD_MISSING, "title_id is missing")
    for needs, column, name in (
        (NEEDS_VIDEO, raw.videos, "video_id"),
        (NEEDS_CAMPAIGN, raw.campaigns, "campaign_id"),
        (NEEDS_OFFER, raw.offers, "offer_id"),
    ):
        if "" in column.names:
            missing = needs[kind] & _empty(column)
            checks += _found(missing, Reason.FIELD_MISSING, f"{name} is missing for this type")
    return checks


def _invalid(raw: RawEvents) -> list[Check]:
    """Fields with a value they cannot have."""
    viewer_lengths = np.fromiter(map(len, raw.viewers), np.int64, len(raw))
    tests: list[tuple[Bools, str]] = [
        *_bad_ids(raw),
        (_where(raw.regions, _bad_region), "viewer_region must be two capital letters"),
        (viewer_lengths > ID_CHARACTERS_MAX, "viewer_id_hash has over 128 characters"),
        (_where(raw.hashtags, _bad_hashtags), "hashtag_names has over 30 names or a bad one"),
        (_where(raw.user_agents, _bad_user_agent), "user_agent has over 512 characters"),
        (_outside(raw.devices, DEVICES), "device is unknown"),
        (_outside(raw.sources, max(Source) + 1), "source is unknown"),
        (_outside(raw.agents, max(Agent) + 1), "agent_kind is unknown"),
        (_outside(raw.arms, max(Arm) + 1), "campaign_arm is unknown"),
    ]
    return [each for bad, text in tests for each in _found(bad, Reason.FIELD_INVALID, text)]


def _bad_ids(raw: RawEvents) -> Iterator[tuple[Bools, str]]:
    """The columns of ids, their names looked at all at once."""
    columns = {
        "title_id": raw.titles,
        "video_id": raw.videos,
        "creator_id": raw.creators,
        "campaign_id": raw.campaigns,
        "offer_id": raw.offers,
    }
    names = list(chain.from_iterable(column.names for column in columns.values()))
    if max(map(len, names), default=0) > ID_CHARACTERS_MAX:
        names = [name if len(name) <= ID_CHARACTERS_MAX else "/" for name in names]
    rows, lengths = digest.matrix(names)
    bad = _bad_rows(rows, lengths) & (lengths > 0)
    start = 0
    for name, column in columns.items():
        of_column = bad[start : start + len(column.names)]
        start += len(column.names)
        if of_column.any():
            yield _of_names(column, of_column), f"{name} must match [A-Za-z0-9:_.-]{{1,128}}"


def _outside(values: I64, end: int, first: int = 0) -> Bools:
    found: Bools = (values < first) | (values >= end)
    return found


def _where(column: Coded, test: Callable[[str], bool]) -> Bools:
    """The rows whose name passes the test; each distinct name is looked at once."""
    return _of_names(column, np.fromiter(map(test, column.names), bool, len(column.names)))


def _of_names(column: Coded, passed: Bools) -> Bools:
    return passed[column.codes] if len(passed) else np.zeros(len(column.codes), bool)


def _empty(column: Coded) -> Bools:
    if "" not in column.names:
        return np.zeros(len(column.codes), bool)
    found: Bools = column.codes == column.names.index("")
    return found


def _bad_region(name: str) -> bool:
    return bool(name) and not REGION_PATTERN.fullmatch(name)


def _bad_user_agent(name: str) -> bool:
    return len(name) > USER_AGENT_CHARACTERS_MAX


def _bad_hashtags(names: str) -> bool:
    if not names:
        return False
    each = names.split(",")
    return (
        len(each) > HASHTAGS_MAX
        or any(not 0 < len(name) <= HASHTAG_CHARACTERS_MAX for name in each)
        or bool(CONTROL.search(names))
    )


def _kept(
    raw: RawEvents, derived: I64, ids: _Ids, checks: Sequence[Check], arrival: Arrival, key: digest.Key
) -> Events:
    """The whole batch as checked columns; rows that are not kept hold anything that fits."""
    plain = raw.ids
    if ids.bad.any():
        plain = ["" if bad else id_ for id_, bad in zip(plain, ids.bad.tolist(), strict=True)]
    viewers = raw.viewers
    if any(reason is Reason.FIELD_INVALID for _, reason, _ in checks):
        viewers = [viewer[:ID_CHARACTERS_MAX] for viewer in viewers]
    hi, lo = digest.digest128_of(ids.rows, ids.lengths, key)
    return Events(
        ids=plain,
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


def _narrow(values: I64, default: int) -> U8:
    small = np.where((values < 0) | (values > BYTE_MAX), 0, values)
    return np.where(small == 0, default, small).astype(np.uint8)


def _agents(raw: RawEvents) -> U8:
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


def _regions(column: Coded) -> U16:
    codes = np.fromiter(
        (keys.region_code(name) if not _bad_region(name) and name != UNKNOWN_REGION else 0 for name in column.names),
        np.uint16,
        len(column.names),
    )
    return codes[column.codes] if len(codes) else np.zeros(len(column.codes), np.uint16)
