"""Videos, matches and changes as documents, and back."""

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from services.matcher.domain import (
    AccountType,
    Candidate,
    Cause,
    DecidedBy,
    Evidence,
    Match,
    MatchChange,
    MatchState,
    RunnerUp,
    Segment,
    Span,
    Standing,
    StoredVideo,
)
from services.matcher.text.matches import SignalType

Document = dict[str, Any]

BUCKETS = 4_096
INDEX_S = 600.0  # a new index over what is stored already: minutes of a process's first start
# Read without evidence, records and bodies: what anchors and lists of states need.
LEAN = {"b": 0, "ms.ev": 0, "ms.rec": 0}


class MatchDocuments:
    """Documents of one unit's matches: what is stored with its video and told by the feed is written out once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Match, Document]] = {}  # with the match, so that no other takes its identity

    def of(self, match: Match) -> Document:
        known = self._known.get(id(match))
        if known is None:
            known = self._known[id(match)] = match, match_document(match)
        return known[1]


def video_document(video: StoredVideo, matches: MatchDocuments) -> Document:
    """`k` holds a key for each match, its state and its title, by which titles list their videos."""
    return {
        "_id": video.id,
        "g": bucket_of(video.id),
        "v": video.version,
        "d": video.digest,
        "b": video.body,
        "n": video.standing.view_count,
        "k": [title_key(match.state, match.title_id) for match in video.matches],
        "st": standing_document(video.standing),
        "ms": list(map(matches.of, video.matches)),
    }


def bucket_of(video_id: str) -> int:
    """Spreads videos evenly over BUCKETS."""
    return zlib.crc32(video_id.encode()) % BUCKETS


def video_of(document: Document) -> StoredVideo:
    return StoredVideo(
        id=document["_id"],
        standing=standing_of(document["st"]),
        matches=tuple(match_of(document["_id"], each) for each in document["ms"]),
        digest=document["d"],
        body=document.get("b", b""),
        version=document["v"],
    )


def title_key(state: MatchState, title_id: str) -> str:
    return f"{int(state)}:{title_id}"


def standing_document(standing: Standing) -> Document:
    return {
        "c": standing.creator_id,
        "cr": standing.creator_region,
        "at": int(standing.account_type),
        "fc": standing.follower_count,
        "ss": standing.strike_score,
        "sts": standing.strike_time_s,
        "vc": standing.view_count,
        "lc": standing.like_count,
        "cc": standing.comment_count,
        "sc": standing.share_count,
        "kid": standing.made_for_kids,
        "cl": standing.content_claimed,
        "ai": standing.is_aigc,
        "la": standing.language,
        "ot": standing.observe_time_s,
    }


def standing_of(document: Document) -> Standing:
    return Standing(
        creator_id=document["c"],
        creator_region=document["cr"],
        account_type=AccountType(document["at"]),
        follower_count=document["fc"],
        strike_score=document["ss"],
        strike_time_s=document["sts"],
        view_count=document["vc"],
        like_count=document["lc"],
        comment_count=document["cc"],
        share_count=document["sc"],
        made_for_kids=document["kid"],
        content_claimed=document["cl"],
        is_aigc=document["ai"],
        language=document["la"],
        observe_time_s=document["ot"],
    )


def match_document(match: Match) -> Document:
    candidate = match.candidate
    return {
        "t": candidate.title_id,
        "p": candidate.probability,
        "mg": candidate.margin,
        "x": candidate.is_contradicted,
        "ev": _evidence_bytes(candidate),
        "s": int(match.state),
        "by": match.decided_by.value,
        "ct": match.create_time,
        "ut": match.update_time,
        "mv": match.model_version,
        "cv": match.calibration_version,
        "pv": match.policy_version,
        "rev": match.catalog_revision,
        "vd": match.verdict and int(match.verdict),
        "vb": match.verdict_by.value,
        "h": match.held,
        "ps": match.passed,
        "rec": match.record,
    }


def match_of(video_id: str, document: Document) -> Match:
    evidence, runner_ups = _evidence_of(document.get("ev", b""))
    return Match(
        video_id=video_id,
        candidate=Candidate(
            title_id=document["t"],
            probability=document["p"],
            evidence=evidence,
            runner_ups=runner_ups,
            margin=document["mg"],
            is_contradicted=document["x"],
        ),
        state=MatchState(document["s"]),
        decided_by=DecidedBy(document["by"]),
        create_time=document["ct"],
        update_time=document["ut"],
        model_version=document["mv"],
        calibration_version=document["cv"],
        policy_version=document["pv"],
        catalog_revision=document["rev"],
        verdict=document["vd"] and MatchState(document["vd"]),
        verdict_by=DecidedBy(document["vb"]),
        held=document["h"],
        passed=document["ps"],
        record=document.get("rec", b""),
    )


def changes_document(first: int, changes: Sequence[MatchChange], time: datetime, matches: MatchDocuments) -> Document:
    """A batch of changes under the sequence of its first; the feed is these documents in order."""
    return {
        "_id": first,
        "at": first,  # once more: not every store walks along _id without reading all of it
        "n": len(changes),
        "t": time,
        "cs": [
            {
                "m": matches.of(change.match),
                "p": change.previous_state and int(change.previous_state),
                "c": int(change.cause),
                "i": change.video.id,
                "st": standing_document(change.video.standing),
                "b": change.video.body,
            }
            for change in changes
        ],
    }


def changes_of(document: Document) -> list[MatchChange]:
    return [
        MatchChange(
            match=match_of(row["i"], row["m"]),
            previous_state=row["p"] and MatchState(row["p"]),
            cause=Cause(row["c"]),
            video=StoredVideo(id=row["i"], standing=standing_of(row["st"]), body=row["b"]),
            change_time=document["t"],
            sequence=document["_id"] + at,
        )
        for at, row in enumerate(document["cs"])
    ]


def _evidence_bytes(candidate: Candidate) -> bytes:
    """Evidence as JSON: many times as fast as nested documents, and no query looks inside."""
    rows = [
        (
            each.signal_type.value,
            each.value,
            each.contribution,
            each.span and (each.span.field, each.span.index, each.span.start, each.span.end),
            each.segment and (each.segment.start_ms, each.segment.end_ms),
            each.reference_id,
            each.distance,
        )
        for each in candidate.evidence
    ]
    others = [(each.title_id, each.probability, each.separated_by) for each in candidate.runner_ups]
    return orjson.dumps((rows, others))


def _evidence_of(raw: bytes) -> tuple[tuple[Evidence, ...], tuple[RunnerUp, ...]]:
    if not raw:
        return (), ()
    rows, others = orjson.loads(raw)
    evidence = tuple(
        Evidence(
            signal_type=SignalType(signal),
            value=value,
            contribution=contribution,
            span=span and Span(field=span[0], index=span[1], start=span[2], end=span[3]),
            segment=segment and Segment(start_ms=segment[0], end_ms=segment[1]),
            reference_id=reference_id,
            distance=distance,
        )
        for signal, value, contribution, span, segment, reference_id, distance in rows
    )
    runner_ups = tuple(
        RunnerUp(title_id=title_id, probability=probability, separated_by=tuple(separated_by))
        for title_id, probability, separated_by in others
    )
    return evidence, runner_ups
