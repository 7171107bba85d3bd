"""How well reviewers read: Cohen's kappa with each other, accuracy on goldens, and the weight that follows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.matcher.appeals import Decision
from services.matcher.reviewing import Verdict

# Before a reviewer has a record, he counts as one who is right four times in five.
PRIOR_RIGHT = 8.0
PRIOR_WRONG = 2.0
WEIGHT_MIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewerQuality:
    """One reviewer's record."""

    reviewer_id: str
    vote_count: int
    kappa: float
    shared_count: int
    golden_accuracy: float
    golden_count: int
    weight: float


def qualities(decisions: Iterable[Decision]) -> tuple[ReviewerQuality, ...]:
    """Every reviewer's record, in order of their ids."""
    by_task: dict[str, list[Decision]] = defaultdict(list)
    by_reviewer: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        by_reviewer[decision.vote.reviewer_id].append(decision)
        if decision.expected is None:
            by_task[decision.task_id].append(decision)
    pairs: dict[str, list[tuple[Verdict, Verdict]]] = defaultdict(list)
    for votes in by_task.values():
        for mine in votes:
            pairs[mine.vote.reviewer_id] += [
                (mine.vote.verdict, other.vote.verdict)
                for other in votes
                if other.vote.reviewer_id != mine.vote.reviewer_id
            ]
    return tuple(_quality(reviewer_id, votes, pairs[reviewer_id]) for reviewer_id, votes in sorted(by_reviewer.items()))


def cohens_kappa(pairs: Sequence[tuple[object, object]]) -> float:
    """Agreement beyond chance: (observed − expected) / (1 − expected); 1 when all agree on one answer."""
    if not pairs:
        return 0.0
    count = len(pairs)
    observed = sum(mine == other for mine, other in pairs) / count
    mine, others = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(mine[answer] * others[answer] for answer in mine) / count**2
    return 1.0 if expected >= 1.0 else (observed - expected) / (1 - expected)


def weight_of(right: float, wrong: float) -> float:
    """What a reviewer's word weighs: 2 × accuracy − 1, so that a coin weighs nothing; at least WEIGHT_MIN."""
    accuracy = (right + PRIOR_RIGHT) / (right + wrong + PRIOR_RIGHT + PRIOR_WRONG)
    return max(WEIGHT_MIN, min(1.0, 2 * accuracy - 1))


def _quality(reviewer_id: str, votes: Sequence[Decision], pairs: Sequence[tuple[Verdict, Verdict]]) -> ReviewerQuality:
    goldens = [vote for vote in votes if vote.expected is not None]
    right = sum(vote.vote.verdict is vote.expected for vote in goldens)
    agreed = sum(mine is other for mine, other in pairs)
    return ReviewerQuality(
        reviewer_id=reviewer_id,
        vote_count=len(votes),
        kappa=cohens_kappa(pairs),
        shared_count=len(pairs),
        golden_accuracy=right / len(goldens) if goldens else 0.0,
        golden_count=len(goldens),
        # Goldens are certain, a colleague's vote is not: it counts half.
        weight=weight_of(right + 0.5 * agreed, len(goldens) - right + 0.5 * (len(pairs) - agreed)),
    )
