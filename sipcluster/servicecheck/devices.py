"""
Which DNs are in service: those that are registered, or always at one place, and
answer OPTIONS where they are to be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from sipcluster.ha.ikeeping import UNKEPT, IKeeper, IKept
from sipcluster.servicecheck.iservicecheck import (
    IAsker,
    IDeviceObserver,
    Member,
    PeerRole,
    ProbeTimes,
)
from sipcluster.servicecheck.probe import IProbeOwner, Probe, peerProbe
from sipcluster.sip.isip import Target

log = Logger()

#: Seconds that a device may take when nothing is said: those of a request (64*T1).
PATIENCE = 32.0

#: A device is asked through whatever SIP Proxy serves.
_ANYWHERE = Target("UDP", "", 0)


@frozen
class Device:
    """
    The device of one DN: a telephone, a trunk.

    @ivar uri: where it is asked: its address-of-record, or its contact.
    @ivar registers: it is in service only while it is registered.
    @ivar check: seconds between two questions (C{oos-check}); 0: it is not asked.
    @ivar force: seconds that a question may stay unanswered (C{oos-force}); 0:
        L{PATIENCE}.
    """

    dn: str
    uri: bytes
    registers: bool
    check: float = 0.0
    force: float = 0.0


@frozen
class DeviceValue:
    """
    What is known of the device of one DN.

    @ivar registered: it is registered, or need not be.
    @ivar answers: it has left no question unanswered.
    @ivar inService: what the observers were told.
    @ivar why: why it is out of service, or was last.
    """

    registered: bool
    answers: bool
    inService: bool
    why: str


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(DeviceValue)
_UNREGISTERED = "not registered"


@define(eq=False)
class _Watched:
    """
    @ivar registered: it is registered, or need not be.
    @ivar answers: it has left no question unanswered.
    @ivar inService: what the observers were told.
    @ivar starting: the first question is to come.
    """

    device: Device
    registered: bool
    answers: bool = True
    inService: bool = False
    why: str = _UNREGISTERED
    probe: Probe | None = field(default=None, repr=False)
    starting: IDelayedCall | None = None

    def value(self) -> DeviceValue | None:
        """
        Write it down; L{None}: nothing has happened to it.
        """
        registered, answers, inService = self.registered, self.answers, self.inService
        if (
            registered is not self.device.registers
            and answers
            and not inService
            and self.why == _UNREGISTERED
        ):
            return None
        return DeviceValue(registered, answers, inService, self.why)


@implementer(IProbeOwner, IKept)
class DeviceWatch:
    """
    Puts together what registrations and OPTIONS say of each DN.

    A DN that registers is in service at once, and asked later; one that is not
    registered is not asked.

    One entry is kept for each DN: a process that takes over tells nothing again, and
    misses nothing.

    @ivar isBound: whether a DN is registered, as far as who tells of registrations
        knows; L{None}: nobody can be asked.
    """

    isBound: Callable[[str], bool] | None = None

    def __init__(
        self,
        clock: IReactorTime,
        devices: Iterable[Device],
        asker: IAsker,
        chance: Callable[[], float],
        observers: Iterable[IDeviceObserver] = (),
        keeper: IKeeper = UNKEPT,
    ) -> None:
        """
        @param chance: uniform in [0, 1): spreads the questions in time.
        """
        self._clock = clock
        self._asker = asker
        self._chance = chance
        self._observers = list(observers)
        self._running = False
        self._watched = {
            device.dn: _Watched(device, not device.registers) for device in devices
        }
        self._touch = keeper.keep(self)

    def observe(self, observer: IDeviceObserver) -> None:
        """
        Tell of each change from now on.
        """
        self._observers.append(observer)

    def start(self) -> None:
        """
        Begin: DNs that are always at one place are in service until they leave a
        question unanswered.
        """
        self._running = True
        for watched in self._watched.values():
            if watched.registered or watched.inService:
                self._look(watched)

    def stop(self) -> None:
        """
        Ask no more, and tell nothing.
        """
        self._running = False
        for watched in self._watched.values():
            self._askNoMore(watched)

    # What others ask

    def inService(self, dn: str) -> bool:
        """
        Whether a DN can be reached, as far as is known.
        """
        watched = self._watched.get(dn)
        return watched is not None and watched.inService

    def why(self, dn: str) -> str:
        """
        Why a DN is out of service; C{""} when it is not.
        """
        watched = self._watched.get(dn)
        if watched is None:
            return "no such DN"
        return "" if watched.inService else watched.why

    def leavesUnanswered(self, dn: str) -> bool:
        """
        Whether a DN is out of service because it does not answer: a call to it
        would be waited for in vain.
        """
        watched = self._watched.get(dn)
        return watched is not None and not watched.answers

    def status(self) -> dict[str, int]:
        """
        Counts, for people.
        """
        all_ = self._watched.values()
        return {
            "devices": len(self._watched),
            "inService": sum(watched.inService for watched in all_),
            "asked": sum(watched.probe is not None for watched in all_),
            "unanswered": sum(not watched.answers for watched in all_),
        }

    # What registrations say

    def registered(self, dn: str) -> None:
        """
        A DN has its first binding.
        """
        watched = self._watched.get(dn)
        if watched is None or watched.registered:
            return
        watched.registered = True
        watched.answers = True
        self._look(watched)

    def unregistered(self, dn: str, why: str) -> None:
        """
        The last binding of a DN is gone.
        """
        watched = self._watched.get(dn)
        if watched is None or not watched.registered or not watched.device.registers:
            return
        watched.registered = False
        watched.answers = True
        watched.why = why
        self._look(watched)

    # IProbeOwner

    def entered(self, member: Member, role: PeerRole) -> None:
        """
        See L{IProbeOwner}.
        """
        watched = self._watched[member.name]
        watched.answers = True
        self._look(watched)

    def left(self, member: Member, why: str) -> None:
        """
        See L{IProbeOwner}.
        """
        watched = self._watched[member.name]
        watched.answers = False
        watched.why = f"OPTIONS: {why}"
        self._look(watched)

    def heard(self, member: Member, role: PeerRole) -> None:
        """
        See L{IProbeOwner}.
        """

    # Asking, and telling

    def _look(self, watched: _Watched) -> None:
        """
        Something may have changed.
        """
        self._touch(watched.device.dn)
        if not self._running:
            return
        if watched.registered:
            self._ask(watched)
        else:
            self._askNoMore(watched)
        inService = watched.registered and watched.answers
        if inService is watched.inService:
            return
        watched.inService = inService
        dn, why = watched.device.dn, watched.why
        if inService:
            log.debug("{dn} is in service", dn=dn)
        else:
            log.info("{dn} is out of service: {why}", dn=dn, why=why)
        for observer in self._observers:
            try:
                if inService:
                    observer.deviceInService(dn)
                else:
                    observer.deviceOutOfService(dn, why)
            except Exception:
                log.failure("telling of {dn}", dn=dn)

    def _ask(self, watched: _Watched) -> None:
        device = watched.device
        if device.check <= 0 or watched.probe is not None:
            return
        patience = device.force or PATIENCE
        times = ProbeTimes(device.check, device.check, patience)
        watched.probe = peerProbe(
            Member(device.dn, _ANYWHERE, device.dn, device.uri),
            self._asker,
            self,
            self._clock,
            lambda: times,
            self._chance,
        )
        # Not all at the same time, and not while it still registers.
        watched.starting = self._clock.callLater(
            device.check * self._chance(), self._begin, watched
        )

    def _begin(self, watched: _Watched) -> None:
        watched.starting = None
        if watched.probe is not None:
            watched.probe.start()

    def _askNoMore(self, watched: _Watched) -> None:
        if watched.starting is not None:
            watched.starting.cancel()
            watched.starting = None
        probe, watched.probe = watched.probe, None
        if probe is not None:
            probe.stop()

    # What outlives this process

    kind = "device"

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return list(self._watched)

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        watched = self._watched.get(key)
        value = None if watched is None else watched.value()
        return None if value is None else _encoder.encode(value)

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.  One that is not of the switch any more is left out.
        """
        known = _decoder.decode(value)
        watched = self._watched.get(key)
        if watched is not None:
            watched.registered = known.registered or not watched.device.registers
            watched.answers = known.answers or watched.device.check <= 0
            watched.inService = known.inService
            watched.why = known.why

    def restored(self) -> None:
        """
        See L{IKept}.
        """
        isBound = self.isBound
        if isBound is None:
            return
        for dn, watched in self._watched.items():
            if watched.registered and not isBound(dn):
                self.unregistered(dn, "no longer registered")

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return value
