"""Events: from messages or columns to checked-for-shape columns, and what became of them back."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from google.protobuf.message import DecodeError

from chassis.errors import InvalidArgument, Violation
from protos.metrics.v1 import metrics_pb2 as pb
from services.metrics import digest
from services.metrics.columns import Coded, RawEvents
from services.metrics.domain import I64, Receipt, Rejection, VideoCounts
from services.metrics.texts import Texts
from services.metrics.wire import scan, times

EVENTS_MAX = 1_000
# Far outside of what is accepted, and small enough to count in milliseconds.
SECONDS_FAR = 10**11
MS_FAR = SECONDS_FAR * 1000
STRINGS_MAX = 10 * EVENTS_MAX

_FIELDS = attrgetter(
    "id",
    "type",
    "video_id",
    "title_id",
    "creator_id",
    "campaign_id",
    "offer_id",
    "viewer_region",
    "viewer_id_hash",
    "device",
    "source",
    "agent_kind",
    "user_agent",
    "campaign_arm",
)
_TIME, _TAGS = attrgetter("time"), attrgetter("hashtag_names")


Request = pb.RecordEventsEnvelope | pb.RecordEventsRequest | pb.ImportEventsRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The events of a request: messages as their bytes, not yet read, and columns."""

    messages: Sequence[bytes]
    columns: RawEvents | None = None

    def __len__(self) -> int:
        return len(self.messages) + (0 if self.columns is None else len(self.columns))


def sent(request: Request) -> Sent:
    """What a request holds, at most 1,000 events."""
    if count_of(request) > EVENTS_MAX:
        raise InvalidArgument(
            violations=[Violation("events", f"at most {EVENTS_MAX} events a batch, columns included")]
        )
    columns = of_columns(request.columns) if request.HasField("columns") else None
    return Sent(messages=_serialised(request), columns=columns)


def count_of(request: Request) -> int:
    return len(request.events) + len(request.columns.ids)


def together(group: Sequence[Sent], key: digest.Key) -> RawEvents | None:
    """The messages of several requests; None where each must be read alone."""
    messages = list(itertools.chain.from_iterable(each.messages for each in group))
    return scan.columns(messages, key) if messages else None


def alone(one: Sent, key: digest.Key) -> list[RawEvents]:
    """A request's events: those in messages, then those in columns, as far as it has any."""
    parts = [of_serialised(one.messages, key)] if one.messages else []
    return parts if one.columns is None else [*parts, one.columns]


def _serialised(request: Request) -> list[bytes]:
    if isinstance(request, pb.RecordEventsEnvelope):
        return list(request.events)
    return [event.SerializeToString() for event in request.events]


def of_serialised(events: Sequence[bytes], key: digest.Key) -> RawEvents:
    """From the events' bytes, all at once where they are as usual."""
    found = scan.columns(events, key)
    if found is not None:
        return found
    try:
        return of_messages([pb.Event.FromString(event) for event in events])
    except DecodeError:
        raise InvalidArgument(violations=[Violation("events", "must be messages of their type")]) from None


def sent_ms(request: pb.RecordEventsEnvelope) -> int:
    """When the sender sent it by its own clock, 0 when not said."""
    return times.ms_of(request.sent_time, "sent_time") if request.HasField("sent_time") else 0


def of_messages(events: Sequence[pb.Event]) -> RawEvents:
    """Message by message: the slow twin of `scan.columns`, for what is unusual."""
    columns = list(zip(*map(_FIELDS, events), strict=True))
    ids, types, videos, titles, creators, campaigns, offers, regions, viewers = columns[:9]
    devices, sources, agents, user_agents, arms = columns[9:]
    return RawEvents(
        ids=Texts.of(ids),
        types=np.array(types, np.int64),
        times_ms=_times_ms(events),
        videos=Coded.of(videos),
        titles=Coded.of(titles),
        creators=Coded.of(creators),
        campaigns=Coded.of(campaigns),
        offers=Coded.of(offers),
        regions=Coded.of(regions),
        viewers=Texts.of(viewers),
        devices=np.array(devices, np.int64),
        sources=np.array(sources, np.int64),
        agents=np.array(agents, np.int64),
        user_agents=Coded.of(user_agents),
        arms=np.array(arms, np.int64),
        hashtags=Coded.of([",".join(tags) if tags else "" for tags in map(_TAGS, events)]),
    )


def _times_ms(events: Sequence[pb.Event]) -> I64:
    pairs = [(time.seconds, time.nanos) for time in map(_TIME, events)]
    seconds, nanos = np.array(pairs, np.int64).T
    found: I64 = np.clip(seconds, -SECONDS_FAR, SECONDS_FAR) * 1000 + nanos // 1_000_000
    return found


def of_columns(columns: pb.EventColumns) -> RawEvents:
    """Columns as they are; a column of another length, or a code without a string, refuses the request."""
    count = len(columns.ids)
    strings = Texts.of(columns.strings or ("",))
    if strings.lengths[0] or np.count_nonzero(strings.lengths == 0) > 1 or len(strings) > STRINGS_MAX:
        raise _bad("strings", "must begin with the empty string, not repeat it, and be at most 10,000")
    return RawEvents(
        ids=Texts.of(columns.ids),
        types=_numbers("type_numbers", columns.type_numbers, "u1", count),
        times_ms=np.clip(_numbers("time_values", columns.time_values, "<i8", count), -MS_FAR, MS_FAR),
        videos=_coded("video_codes", columns.video_codes, strings, count),
        titles=_coded("title_codes", columns.title_codes, strings, count),
        creators=_coded("creator_codes", columns.creator_codes, strings, count),
        campaigns=_coded("campaign_codes", columns.campaign_codes, strings, count),
        offers=_coded("offer_codes", columns.offer_codes, strings, count),
        regions=_coded("region_codes", columns.region_codes, strings, count),
        viewers=_strings("viewer_id_hashes", columns.viewer_id_hashes, count),
        devices=_numbers("device_numbers", columns.device_numbers, "u1", count),
        sources=_numbers("source_numbers", columns.source_numbers, "u1", count),
        agents=_numbers("agent_numbers", columns.agent_numbers, "u1", count),
        user_agents=_coded("user_agent_codes", columns.user_agent_codes, strings, count),
        arms=_numbers("arm_numbers", columns.arm_numbers, "u1", count),
        hashtags=_coded("hashtag_codes", columns.hashtag_codes, strings, count),
    )


def _bad(field: str, text: str) -> InvalidArgument:
    return InvalidArgument(violations=[Violation(f"columns.{field}", text)])


def _numbers(field: str, values: bytes, kind: str, count: int) -> I64:
    """A column of numbers laid side by side; empty where no event has one."""
    if not values:
        return np.zeros(count, np.int64)
    if len(values) != count * np.dtype(kind).itemsize:
        raise _bad(field, "must have one entry for each id, or none")
    return np.frombuffer(values, kind).astype(np.int64)


def _strings(field: str, values: Sequence[str], count: int) -> Texts:
    if values and len(values) != count:
        raise _bad(field, "must have one entry for each id, or none")
    return Texts.of(values or [""] * count)


def _coded(field: str, values: bytes, strings: Texts, count: int) -> Coded:
    """A column of codes over the strings it uses."""
    codes = _numbers(field, values, "<u4", count)
    if not codes.any():
        return Coded(names=strings.take(np.zeros(1, np.int64)), codes=np.zeros(count, np.uint32))
    if int(codes.max()) >= len(strings):
        raise _bad(field, "points past the end of strings")
    whole = Coded(names=strings, codes=codes.astype(np.uint32))
    return whole.take(np.ones(count, bool))


def receipt(found: Receipt) -> pb.RecordEventsResponse:
    return pb.RecordEventsResponse(
        accepted_count=found.accepted_count,
        duplicate_count=found.duplicate_count,
        rejected=[rejection(each) for each in found.rejected],
        log_position=found.log_position,
    )


def import_receipt(found: Receipt, rejected_count: int) -> pb.ImportEventsResponse:
    return pb.ImportEventsResponse(
        accepted_count=found.accepted_count,
        duplicate_count=found.duplicate_count,
        rejected_count=rejected_count,
        rejected=[rejection(each) for each in found.rejected],
        log_position=found.log_position,
    )


def rejection(found: Rejection) -> pb.EventRejection:
    return pb.EventRejection(
        index=found.index,
        event_id=found.event_id,
        reason=pb.RejectionReason.ValueType(found.reason),
        description=found.description,
    )


def video_counts(found: Sequence[VideoCounts], as_of_ms: int) -> pb.BatchGetVideoCountsResponse:
    return pb.BatchGetVideoCountsResponse(
        counts=[
            pb.VideoCounts(
                video_id=each.video_id,
                view_count=each.views,
                like_count=each.likes,
                share_count=each.shares,
                anchor_impression_count=each.impressions,
                anchor_click_count=each.clicks,
            )
            for each in found
        ],
        as_of_time=times.of_ms(as_of_ms),
    )
