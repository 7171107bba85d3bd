"""What should become of grants, in a dictionary or two: the model the state machine is held against."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

TTL_S = 60
LINE_MAX = 2
OPEN = {"waitlisted", "reserved", "redeemed", "fulfilled"}
# Where a parcel may go from where it is, and where it is out of reach.
WAYS = {
    "pending": {"preparing", "shipped"},
    "preparing": {"shipped"},
    "shipped": {"delivered", "returned"},
    "delivered": {"returned"},
    "returned": {"preparing", "shipped"},
}
GONE = {"shipped", "delivered"}
ACTS = {
    "active": {"pause": "paused", "end": "ended"},
    "paused": {"resume": "active", "end": "ended"},
    "ended": {"archive": "archived"},
    "archived": {},
}


@dataclass(slots=True, kw_only=True)
class Life:
    """One grant."""

    owner: str
    state: str
    device: str = ""
    ends: datetime | None = None
    holds: set[str] = field(default_factory=set)
    parcel: str = "not_required"
    is_burned: bool = False


class Model:
    """A reward with `total` units, a line of two and a minute to redeem."""

    def __init__(self, total: int, *, is_ticket: bool) -> None:
        self.total = total
        self.is_ticket = is_ticket
        self.phase = "active"
        self.lives: dict[str, Life] = {}
        self.line: list[str] = []
        self.lost: set[str] = set()
        self.struck: set[str] = set()

    @property
    def free(self) -> int:
        held = sum(each.is_burned or each.state in OPEN - {"waitlisted"} for each in self.lives.values())
        return self.total - held

    @property
    def is_open(self) -> bool:
        return self.phase in {"active", "ended"}

    def is_blocked(self, creator: str) -> bool:
        return creator in self.lost | self.struck

    def claim(self, creator: str, now: datetime) -> str:
        """What a claim begins as, or why it is refused. Who comes while others wait moves the line first."""
        if not self.is_open:
            return "CLAIMS_CLOSED"
        if self.is_blocked(creator):
            return "REWARD_LOCKED"
        stands = bool(self.line) or not self.free
        self.promote(now)
        if any(each.owner == creator and each.state in OPEN | {"revoked"} for each in self.lives.values()):
            return "ALREADY_CLAIMED"
        if not stands:
            return "reserved"
        return "waitlisted" if len(self.line) < LINE_MAX else "WAITLIST_FULL"

    def claimed(self, grant: str, creator: str, state: str, device: str, now: datetime) -> None:
        shared = any(
            each.device == device and each.owner != creator and each.state in OPEN for each in self.lives.values()
        )
        holds = {"SHARED_DEVICE"} if device and shared else set()
        self.lives[grant] = life = Life(owner=creator, state=state, device=device, holds=holds)
        if state == "waitlisted":
            self.line.append(grant)
            self.promote(now)
        self._go_on(life, now)

    def redeem(self, grant: str, now: datetime) -> str:
        life = self.lives[grant]
        if life.state == "expired" or (life.state == "reserved" and life.ends is not None and life.ends <= now):
            return "RESERVATION_EXPIRED"
        if life.state != "reserved":
            return "ACT_NOT_ALLOWED"
        if life.holds:
            return "GRANT_HELD"
        life.ends = None
        life.state = "fulfilled" if self.is_ticket else "redeemed"
        life.parcel = "not_required" if self.is_ticket else "pending"
        return life.state

    def ship(self, grant: str, to: str) -> str:
        life = self.lives[grant]
        if life.state not in {"redeemed", "fulfilled"}:
            return "ACT_NOT_ALLOWED"
        if life.holds:
            return "GRANT_HELD"
        if to not in WAYS.get(life.parcel, set()):
            return "SHIPPING_NOT_ALLOWED"
        life.parcel = to
        if to == "delivered":
            life.state = "fulfilled"
        return life.state

    def revoke(self, grant: str, now: datetime) -> str:
        return self._end(grant, "revoked", now) if self.lives[grant].state in OPEN else "ACT_NOT_ALLOWED"

    def roll_back(self, grant: str, now: datetime) -> str:
        life = self.lives[grant]
        if life.state not in OPEN - {"fulfilled"} or life.parcel in GONE:
            return "ACT_NOT_ALLOWED"
        return self._end(grant, "rolled_back", now)

    def release(self, grant: str, now: datetime, *, approve: bool) -> str:
        life = self.lives[grant]
        if not life.holds - {"PROGRESS_LOST"}:
            return "GRANT_NOT_HELD"
        if not approve:
            return self._end(grant, "revoked", now)
        life.holds &= {"PROGRESS_LOST"}
        self._go_on(life, now)
        return life.state

    def judged(self, creator: str, now: datetime) -> None:
        """A match was lost or won, a strike fell or was lifted: what the creator has is frozen, or goes on."""
        if self.phase == "archived":
            return
        for life in self.lives.values():
            if life.owner != creator or life.state not in OPEN:
                continue
            if self.is_blocked(creator):
                life.holds.add("PROGRESS_LOST")
                life.ends = None
            elif "PROGRESS_LOST" in life.holds:
                life.holds.discard("PROGRESS_LOST")
                self._go_on(life, now)

    def swept(self, now: datetime) -> None:
        for life in self.lives.values():
            if life.state == "reserved" and life.ends is not None and life.ends <= now:
                life.state, life.ends = "expired", None
        self.promote(now)

    def promote(self, now: datetime) -> None:
        while self.is_open and self.line and self.free:
            life = self.lives[self.line.pop(0)]
            life.state = "reserved"
            self._go_on(life, now)

    def _go_on(self, life: Life, now: datetime) -> None:
        if life.state == "reserved" and not life.holds:
            life.ends = now + timedelta(seconds=TTL_S)

    def _end(self, grant: str, state: str, now: datetime) -> str:
        life = self.lives[grant]
        life.is_burned = life.parcel in GONE or (self.is_ticket and life.state == "fulfilled")
        life.state, life.ends, life.holds = state, None, set()
        if grant in self.line:
            self.line.remove(grant)
        self.promote(now)
        return state
