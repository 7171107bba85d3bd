"""What is in force: the active policy, calibration and kill switches, followed from the store by every replica."""

import asyncio

from chassis.clock import Clock
from chassis.telemetry import Telemetry
from services.matcher.anchors import KillSwitch, Regime, Switches
from services.matcher.calibration import BARE, NONE, Calibration
from services.matcher.index import LiveIndex
from services.matcher.policy import Policy
from services.matcher.store.state import State, Versions

FOLLOW_EVERY_S = 0.5
FIRST_VERSION = "p-000001"
# Reviewers read it beside each task until a policy says it better.
GUIDELINE = """\
Approve when the video is about the title: who taps the anchor finds what the video made them curious of.
Reject words that only happen to be a name, a mention in passing, or a person without the title.
Where another title is meant (an instalment, a remake, a namesake), say which one.
When you cannot tell, say unsure: somebody else reads it too."""
# Seconds from setting a switch to its being in force here; the promise is 5.
PROPAGATION_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)


class RegimeFollower:
    """Holds what is in force; `follow` keeps it so."""

    def __init__(self, state: State, versions: Versions, index: LiveIndex, clock: Clock, telemetry: Telemetry) -> None:
        self._state = state
        self._versions = versions
        self._index = index
        self._clock = clock
        self.policy = Policy(version=FIRST_VERSION)
        self.calibration: Calibration = BARE
        self.kill_switches: tuple[KillSwitch, ...] = ()
        self.switches = Switches(epoch=-1)
        self._epoch = telemetry.gauge("matcher_kill_switch_epoch", "Changes of the kill switches followed.")
        self._propagation = telemetry.histogram(
            "matcher_kill_switch_propagation_seconds",
            "From setting a kill switch to its being in force in this process.",
            buckets=PROPAGATION_BUCKETS_S,
        )

    def now(self) -> Regime:
        """The regime of this moment, for one call."""
        return Regime(
            policy=self.policy,
            switches=self.switches,
            card_of=self._index.card_of,
            now_s=self._clock.now().timestamp(),
        )

    def calibration_for(self, model_version: str) -> Calibration:
        """The active calibration, if it was learnt on this model: on another one it means nothing."""
        return self.calibration if self.calibration.model_version == model_version else BARE

    async def begin(self) -> None:
        """Reads what is in force; the first policy of an empty store is the default one."""
        if (await self._state.read()).policy_version == "":
            if await self._versions.policy(FIRST_VERSION) is None:
                first = Policy(version=FIRST_VERSION, description=GUIDELINE, create_time=self._clock.now())
                await self._versions.add_policy(first)
            await self._state.activate(policy=FIRST_VERSION)
        await self.refresh()

    async def refresh(self) -> None:
        active = await self._state.read()
        if active.policy_version != self.policy.version or self.policy.create_time is None:
            policy = await self._versions.policy(active.policy_version)
            assert policy is not None, "an active version is stored"
            self.policy = policy
        if active.calibration_version != self.calibration.version:
            found = (
                BARE
                if active.calibration_version == NONE
                else await self._versions.calibration(active.calibration_version)
            )
            assert found is not None, "an active version is stored"
            self.calibration = found
        if active.epoch != self.switches.epoch:
            self._put_switches(active.switches, active.epoch)

    async def follow(self) -> None:
        """Polls for changes; twice a second is well within the five seconds promised."""
        while True:
            await asyncio.sleep(FOLLOW_EVERY_S)
            await self.refresh()

    def _put_switches(self, switches: tuple[KillSwitch, ...], epoch: int) -> None:
        known = {(each.scope, each.target) for each in self.kill_switches}
        now = self._clock.now()
        for each in switches:
            if (each.scope, each.target) not in known and self.switches.epoch >= 0:
                self._propagation.observe(max(0.0, (now - each.set_time).total_seconds()))
        self.kill_switches = switches
        self.switches = Switches.of(switches, epoch)
        self._epoch.set(epoch)
