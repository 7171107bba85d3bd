"""Review tasks, appeals and decisions as documents, and back."""

from services.matcher.appeals import Appeal, Decision
from services.matcher.domain import MatchState
from services.matcher.lifecycle import AppealState, TaskState
from services.matcher.reviewing import Lease, ReasonCode, Task, TaskKind, Verdict, Vote
from services.matcher.store.documents import Document

__all__ = [
    "Appeal",
    "Decision",
    "appeal_document",
    "appeal_of",
    "decision_document",
    "decision_of",
    "task_document",
    "task_of",
]


def task_document(task: Task) -> Document:
    """`rank` orders the queue; `tok`, `nv` and `state` guard against two writers."""
    return {
        "_id": task.id,
        "vid": task.video_id,
        "tid": task.title_id,
        "state": int(task.state),
        "ct": task.create_time,
        "sla": task.sla_deadline_time,
        "val": task.value,
        "p": task.probability,
        "rank": task.rank,
        "kind": int(task.kind),
        "need": task.required_votes,
        "nv": len(task.votes),
        "votes": [vote_document(vote) for vote in task.votes],
        "lease": task.lease
        and {
            "h": task.lease.holder,
            "tok": task.lease.token,
            "exp": task.lease.expire_time,
            "req": task.lease.request_id,
        },
        "tok": task.token,
        "seen": list(task.seen_by),
        "lang": task.language,
        "studio": task.studio_id,
        "media": task.media_type,
        "name": task.title_name,
        "gold": task.expected and int(task.expected),
        "out": task.outcome and vote_document(task.outcome),
        "dt": task.decide_time,
    }


def task_of(document: Document) -> Task:
    lease = document["lease"]
    return Task(
        id=document["_id"],
        video_id=document["vid"],
        title_id=document["tid"],
        state=TaskState(document["state"]),
        create_time=document["ct"],
        sla_deadline_time=document["sla"],
        value=document["val"],
        probability=document["p"],
        kind=TaskKind(document["kind"]),
        required_votes=document["need"],
        votes=tuple(vote_of(vote) for vote in document["votes"]),
        lease=lease and Lease(holder=lease["h"], token=lease["tok"], expire_time=lease["exp"], request_id=lease["req"]),
        token=document["tok"],
        seen_by=tuple(document["seen"]),
        language=document["lang"],
        studio_id=document["studio"],
        media_type=document["media"],
        title_name=document["name"],
        expected=document["gold"] and Verdict(document["gold"]),
        outcome=document["out"] and vote_of(document["out"]),
        decide_time=document["dt"],
    )


def vote_document(vote: Vote) -> Document:
    return {
        "r": vote.reviewer_id,
        "v": int(vote.verdict),
        "t": vote.vote_time,
        "tok": vote.token,
        "rc": int(vote.reason_code),
        "rt": vote.right_title_id,
        "note": vote.note,
    }


def vote_of(document: Document) -> Vote:
    return Vote(
        reviewer_id=document["r"],
        verdict=Verdict(document["v"]),
        vote_time=document["t"],
        token=document["tok"],
        reason_code=ReasonCode(document["rc"]),
        right_title_id=document["rt"],
        note=document["note"],
    )


def appeal_document(appeal: Appeal) -> Document:
    return {
        "_id": appeal.id,
        "mid": appeal.match_id,
        "vid": appeal.video_id,
        "tid": appeal.title_id,
        "c": appeal.creator_id,
        "text": appeal.text,
        "state": int(appeal.state),
        "ct": appeal.create_time,
        "sla": appeal.sla_deadline_time,
        "ans": appeal.answer,
        "r": appeal.reviewer_id,
        "dt": appeal.decide_time,
    }


def appeal_of(document: Document) -> Appeal:
    return Appeal(
        id=document["_id"],
        match_id=document["mid"],
        video_id=document["vid"],
        title_id=document["tid"],
        creator_id=document["c"],
        text=document["text"],
        state=AppealState(document["state"]),
        create_time=document["ct"],
        sla_deadline_time=document["sla"],
        answer=document["ans"],
        reviewer_id=document["r"],
        decide_time=document["dt"],
    )


def decision_document(decision: Decision) -> Document:
    return {
        "_id": decision.id,
        "task": decision.task_id,
        "mid": decision.match_id,
        "vid": decision.video_id,
        "tid": decision.title_id,
        "r": decision.vote.reviewer_id,
        "vote": vote_document(decision.vote),
        "p": decision.probability,
        "z": decision.logit,
        "mv": decision.model_version,
        "s": int(decision.match_state),
        "sig": list(decision.signals),
        "al": list(decision.aliases),
        "gold": decision.expected and int(decision.expected),
    }


def decision_of(document: Document) -> Decision:
    return Decision(
        id=document["_id"],
        task_id=document["task"],
        match_id=document["mid"],
        video_id=document["vid"],
        title_id=document["tid"],
        vote=vote_of(document["vote"]),
        probability=document["p"],
        logit=document["z"],
        model_version=document.get("mv", ""),
        match_state=MatchState(document["s"]),
        signals=tuple(document["sig"]),
        aliases=tuple(document["al"]),
        expected=document["gold"] and Verdict(document["gold"]),
    )
