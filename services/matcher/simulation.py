"""What another policy would do: anchors gained and lost, by the creator's region and follower band."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.matcher.anchors import Judged
from services.matcher.domain import MatchState, StoredVideo
from services.matcher.results import Simulation, SimulationCell

BANDS = ((1_000, "0-1k"), (10_000, "1k-10k"), (100_000, "10k-100k"), (1_000_000, "100k-1m"))
TOP_BAND = "1m+"
EXAMPLES_MAX = 20


def follower_band(follower_count: int) -> str:
    return next((name for limit, name in BANDS if follower_count < limit), TOP_BAND)


@dataclass(slots=True)
class Cell:
    """Counts of one region and band, while counting."""

    before: int = 0
    after: int = 0
    gained: int = 0
    lost: int = 0

    def add(self, other: "Cell") -> None:
        self.before += other.before
        self.after += other.after
        self.gained += other.gained
        self.lost += other.lost

    def result(self, region_code: str, band: str) -> SimulationCell:
        return SimulationCell(
            region_code=region_code,
            follower_band=band,
            before_count=self.before,
            after_count=self.after,
            gained_count=self.gained,
            lost_count=self.lost,
        )


@dataclass(slots=True)
class Tally:
    """Counts what two policies make of the same videos."""

    match_count_max: int
    is_full: bool = False
    match_count: int = 0
    review_delta: int = 0
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    gained: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def add(self, video: StoredVideo, before: Sequence[Judged], after: Sequence[Judged], title_id: str) -> None:
        """One video under both policies; of one title only, when it is named."""
        standing = video.standing
        cell = self.cells.setdefault((standing.creator_region, follower_band(standing.follower_count)), Cell())
        for old, new in zip(before, after, strict=True):
            if title_id and old.match.title_id != title_id:
                continue
            if self.match_count >= self.match_count_max:
                self.is_full = True
                return
            self._add(cell, old, new)

    def result(self) -> Simulation:
        total = Cell()
        for cell in self.cells.values():
            total.add(cell)
        return Simulation(
            total=total.result("", ""),
            cells=tuple(cell.result(*key) for key, cell in sorted(self.cells.items())),
            match_count=self.match_count,
            is_truncated=self.is_full,
            gained_match_ids=tuple(self.gained),
            lost_match_ids=tuple(self.lost),
            review_delta_count=self.review_delta,
        )

    def _add(self, cell: Cell, old: Judged, new: Judged) -> None:
        self.match_count += 1
        cell.before += old.is_shown
        cell.after += new.is_shown
        in_review = MatchState.IN_REVIEW
        self.review_delta += (new.decision.state is in_review) - (old.decision.state is in_review)
        if new.is_shown and not old.is_shown:
            cell.gained += 1
            self._note(self.gained, new)
        elif old.is_shown and not new.is_shown:
            cell.lost += 1
            self._note(self.lost, old)

    def _note(self, examples: list[str], each: Judged) -> None:
        if len(examples) < EXAMPLES_MAX:
            examples.append(each.match.id)
