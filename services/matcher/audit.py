"""The audit chain: each entry carries the hash of the one before, so that nothing can be changed or left out."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from services.matcher.errors import AuditBroken

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what to what, with which inputs and outcome."""

    actor: str
    act: str
    subject: str
    time: datetime
    detail_json: str = "{}"
    sequence: int = 0
    previous_hash: str = ""
    hash: str = ""


def entry(actor: str, act: str, subject: str, time: datetime, **detail: object) -> AuditEntry:
    """An entry not yet in the chain."""
    return AuditEntry(actor=actor, act=act, subject=subject, time=time, detail_json=canonical(detail))


def canonical(detail: Mapping[str, object]) -> str:
    return json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def chained(entries: Iterable[AuditEntry], sequence: int, previous_hash: str) -> tuple[AuditEntry, ...]:
    """The entries as the chain's next links."""
    links: list[AuditEntry] = []
    for each in entries:
        sequence += 1
        link = replace(each, sequence=sequence, previous_hash=previous_hash)
        previous_hash = hash_of(link)
        links.append(replace(link, hash=previous_hash))
    return tuple(links)


def hash_of(link: AuditEntry) -> str:
    """SHA-256 over all of a link but its own hash; times count in milliseconds, as they are stored."""
    row = (
        link.sequence,
        int(link.time.timestamp() * 1000),
        link.actor,
        link.act,
        link.subject,
        link.detail_json,
        link.previous_hash,
    )
    return hashlib.sha256(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def verify(links: Iterable[AuditEntry], sequence: int, previous_hash: str) -> tuple[int, str]:
    """Follow the links from a known one; raises AuditBroken at the first that does not follow."""
    for link in links:
        follows = link.sequence == sequence + 1 and link.previous_hash == previous_hash
        if not follows or link.hash != hash_of(link):
            raise AuditBroken(metadata={"sequence": str(sequence + 1)})
        sequence, previous_hash = link.sequence, link.hash
    return sequence, previous_hash
