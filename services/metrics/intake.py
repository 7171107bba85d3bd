"""Checks a batch event by event, column-wise: what is kept, and why each of the others is not."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
from services.metrics.texts import LINE_FEED, Texts, joined

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
# Regions, lists of hashtags and user agents come again and again: what was found about one is kept.
NAMES_KEPT = 4_096
BYTE_MAX = 255
BYTES_MAX = 4 * ID_CHARACTERS_MAX
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

CASE, LETTERS = 0x20, 26
ID_BYTES = np.zeros(256, bool)
ID_BYTES[[*b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.-"]] = True
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
    """When events came, by our clock and by their sender's: for all at once or each."""

    received_ms: int | I64
    sent_ms: int | I64 = 0  # 0: not said
    # A backfill may hold events of any age.
    late_ms_max: int | I64 = LATE_MS_MAX

    @classmethod
    def of_each(cls, parts: "Sequence[tuple[int, Arrival]]") -> "Arrival":
        """The arrivals of so many events each, event by event."""
        if len(parts) == 1:
            return parts[0][1]
        counts = [count for count, _ in parts]
        columns = zip(*((each.received_ms, each.sent_ms, each.late_ms_max) for _, each in parts), strict=True)
        received, sent, late = (np.repeat(np.array(column, np.int64), counts) for column in columns)
        return cls(received_ms=received, sent_ms=sent, late_ms_max=late)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The events kept, which those are, and the rejections of the rest."""

    events: Events
    is_kept: Bools
    rejected: tuple[Rejection, ...]


Check = tuple[Bools, Reason, str]


def check(
    raw: RawEvents, arrival: Arrival, key: digest.Key, *, title_is_new: Callable[[str], bool] | None = None
) -> Checked:
    """Splits a batch; `title_is_new` is given when no more titles can be taken."""
    derived = _derived_ms(raw.times_ms, arrival)
    checks = [
        *_found(_breaks_pattern(raw.ids), Reason.ID_INVALID, "id must match [A-Za-z0-9:_.-]{1,128}"),
        *_found(_outside(raw.types, TYPES, first=1), Reason.TYPE_UNKNOWN, "type is missing or unknown"),
        *_missing(raw),
        *_invalid(raw),
        *_untimely(derived, arrival),
    ]
    if title_is_new is not None:
        text = "title_id is new and no more titles can be taken"
        checks += _found(_where(raw.titles, title_is_new), Reason.TITLE_LIMIT, text)
    events = _kept(raw, derived, arrival, key)
    if not checks:
        return Checked(events=events, is_kept=np.ones(len(raw), bool), rejected=())
    reason = np.zeros(len(raw), np.uint8)
    for place, (bad, _, _) in enumerate(checks, start=1):
        reason[bad & (reason == 0)] = place
    is_kept = reason == 0
    return Checked(events=events.take(is_kept), is_kept=is_kept, rejected=_rejections(raw, reason, checks))


def _rejections(raw: RawEvents, reason: U8, checks: Sequence[Check]) -> tuple[Rejection, ...]:
    return tuple(
        Rejection(
            index=index,
            event_id=raw.ids[index][:ID_CHARACTERS_MAX],
            reason=checks[reason[index] - 1][1],
            description=checks[reason[index] - 1][2],
        )
        for index in np.flatnonzero(reason).tolist()
    )


def _found(bad: Bools, reason: Reason, text: str) -> list[Check]:
    """The check, if it found anything: of most batches nothing is left to look at."""
    return [(bad, reason, text)] if bad.any() else []


def _breaks_pattern(texts: Texts) -> Bools:
    """Which strings are no ids; the empty one is none."""
    if _is_of_ids(texts.data):
        unlike: Bools = (texts.lengths == 0) | (texts.lengths > ID_CHARACTERS_MAX)
        return unlike
    before = np.zeros(len(texts.data) + 1, np.int32)
    np.cumsum(ID_BYTES[texts.data], out=before[1:])
    known = before[texts.starts + texts.lengths] - before[texts.starts]
    found: Bools = (known != texts.lengths) | (texts.lengths == 0) | (texts.lengths > ID_CHARACTERS_MAX)
    return found


def _is_of_ids(data: U8) -> bool:
    """Whether bytes are those of ids and the line feeds between them, by comparing: a table takes ten times as long."""
    is_letter = (data | np.uint8(CASE)) - np.uint8(ord("a")) < LETTERS
    is_digit = data - np.uint8(ord("0")) <= ord(":") - ord("0")
    is_other = (data - np.uint8(ord("-")) <= 1) | (data == ord("_")) | (data == LINE_FEED)
    return bool((is_letter | is_digit | is_other).all())


def _derived_ms(times_ms: I64, arrival: Arrival) -> I64:
    """When events happened by our clock: the device's time corrected by the difference of clocks."""
    received = arrival.received_ms
    skew = np.where(arrival.sent_ms == 0, 0, received - arrival.sent_ms)
    corrected = times_ms + np.where(np.abs(skew) >= SKEW_MS_MIN, skew, 0)
    return np.where(times_ms == 0, received, corrected)


def _untimely(derived: I64, arrival: Arrival) -> list[Check]:
    late = derived < np.maximum(arrival.received_ms - arrival.late_ms_max, EPOCH_MS)
    ahead = derived > np.minimum(arrival.received_ms + AHEAD_MS_MAX, END_MS - 1)
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
        missing = needs[kind] & _empty(column)
        checks += _found(missing, Reason.FIELD_MISSING, f"{name} is missing for this type")
    return checks


def _invalid(raw: RawEvents) -> list[Check]:
    """Fields with a value they cannot have."""
    tests: list[tuple[Bools, str]] = [
        *_bad_ids(raw),
        (_where(raw.regions, _bad_region), "viewer_region must be two capital letters"),
        (_over(raw.viewers, ID_CHARACTERS_MAX), "viewer_id_hash has over 128 characters"),
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
    names = joined([column.names for column in columns.values()])
    bad: Bools = _breaks_pattern(names) & (names.lengths > 0)
    if not bad.any():
        return
    ends = np.cumsum([len(column.names) for column in columns.values()])
    for (name, column), of_column in zip(columns.items(), np.split(bad, ends[:-1]), strict=True):
        if of_column.any():
            yield of_column[column.codes], f"{name} must match [A-Za-z0-9:_.-]{{1,128}}"


def _over(texts: Texts, characters_max: int) -> Bools:
    """Which strings have more characters."""
    over = texts.lengths > characters_max
    if over.any():
        # So many bytes may still be fewer characters.
        over[over] = [len(text) > characters_max for text in texts.take(over)]
    return over


def _outside(values: I64, end: int, first: int = 0) -> Bools:
    found: Bools = (values < first) | (values >= end)
    return found


def _where(column: Coded, test: Callable[[str], bool]) -> Bools:
    """The rows whose name passes the test; each name is looked at once."""
    if not column.names.lengths.any():
        return np.full(len(column.codes), test(""))
    return np.fromiter(map(test, column.names), bool, len(column.names))[column.codes]


def _empty(column: Coded) -> Bools:
    found: Bools = (column.names.lengths == 0)[column.codes]
    return found


@functools.lru_cache(NAMES_KEPT)
def _bad_region(name: str) -> bool:
    return bool(name) and not REGION_PATTERN.fullmatch(name)


def _bad_user_agent(name: str) -> bool:
    return len(name) > USER_AGENT_CHARACTERS_MAX


@functools.lru_cache(NAMES_KEPT)
def _bad_hashtags(names: str) -> bool:
    if not names:
        return False
    each = names.split(",")
    return (
        len(each) > HASHTAGS_MAX
        or any(not 0 < len(name) <= HASHTAG_CHARACTERS_MAX for name in each)
        or bool(CONTROL.search(names))
    )


def _kept(raw: RawEvents, derived: I64, arrival: Arrival, key: digest.Key) -> Events:
    """The whole batch as checked columns; rows that are not kept hold anything that fits."""
    hi, lo = digest.digest128(_short(raw.ids), key)
    return Events(
        ids=raw.ids,
        id_hi=hi,
        id_lo=lo,
        type=_narrow(raw.types, 0),
        source=_narrow(raw.sources, Source.FAN),
        agent=_agents(raw),
        arm=_narrow(raw.arms, Arm.EXPOSED),
        device=_narrow(raw.devices, 0),
        time_ms=np.where(raw.times_ms == 0, derived, raw.times_ms),
        derived_ms=np.minimum(derived, arrival.received_ms),
        viewer=digest.digest64(_short(raw.viewers), key),
        region=_regions(raw.regions),
        title=raw.titles,
        video=raw.videos,
        creator=raw.creators,
        campaign=raw.campaigns,
        offer=raw.offers,
        hashtags=raw.hashtags,
    )


def _short(texts: Texts) -> Texts:
    """Without the ends of absurd strings, which are not kept: a digest takes as long as its longest string."""
    return Texts(texts.data, texts.starts, np.minimum(texts.lengths, BYTES_MAX))


def _narrow(values: I64, default: int) -> U8:
    if len(values) and (int(values.min()) < 0 or int(values.max()) > BYTE_MAX):
        values = np.where((values < 0) | (values > BYTE_MAX), 0, values)
    small = values.astype(np.uint8)
    if default:
        small[small == 0] = default
    return small


def _agents(raw: RawEvents) -> U8:
    """Who caused each event: as said, else as the user agent tells, else a person."""
    if not raw.user_agents.names.lengths.any():
        return _narrow(raw.agents, Agent.HUMAN)
    told = np.fromiter(map(agent_of, raw.user_agents.names), np.uint8, len(raw.user_agents.names))
    said = _narrow(raw.agents, 0)
    return np.where(said == 0, told[raw.user_agents.codes], said)


@functools.lru_cache(NAMES_KEPT)
def agent_of(user_agent: str) -> Agent:
    """What a User-Agent header says about its sender."""
    if PREVIEW_AGENT.search(user_agent):
        return Agent.PREVIEW
    return Agent.BOT if BOT_AGENT.search(user_agent) else Agent.HUMAN


def _regions(column: Coded) -> U16:
    found: U16 = np.fromiter(map(_region_code, column.names), np.uint16, len(column.names))[column.codes]
    return found


@functools.lru_cache(NAMES_KEPT)
def _region_code(name: str) -> int:
    return 0 if _bad_region(name) or name == UNKNOWN_REGION else keys.region_code(name)
