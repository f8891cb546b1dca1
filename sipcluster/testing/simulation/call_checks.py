"""
What must be true of the calls of a simulated world, as nodes and telephones tell of
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sipcluster.sessioncontroller.events import CallEvent, Cause, Released

if TYPE_CHECKING:
    from sipcluster.testing.simulation.world import World

_TALKS = frozenset(["Held", "Retrieved", "Updated", "Released"])

#: What a DN may be told after what.
LEGAL: Mapping[str, frozenset[str]] = {
    "": frozenset(["Offered", "Alerting", "Queued"]),
    "Offered": frozenset(["Answered", "Failed", "Released"]),
    "Alerting": frozenset(["Progressed", "Answered", "Released"]),
    "Progressed": frozenset(["Progressed", "Answered", "Released"]),
    "Answered": _TALKS - {"Retrieved"},
    "Held": _TALKS - {"Held"},
    "Retrieved": _TALKS - {"Retrieved"},
    "Updated": _TALKS,
    "Failed": frozenset(["Released"]),
    "Queued": frozenset(["Diverted", "Released"]),
    "Diverted": frozenset(),
    "Released": frozenset(),
}

#: Events that say nothing of the state of a party, which there is, however.
_BESIDES = frozenset(
    [
        *("UserDataChanged", "DTMFSent", "NetworkReached"),
        *("PartyChanged", "PartyAdded", "PartyDeleted"),
        *("ListenDisconnected", "ListenReconnected", "Muted", "Unmuted"),
        *("RouteRequested", "RouteUsed"),
        *("TreatmentApplied", "TreatmentNotApplied", "TreatmentEnded"),
    ]
)

_BEGINS = LEGAL[""]
_ENDS = frozenset(name for name, then in LEGAL.items() if not then)

#: Why no call ends when nothing goes wrong but with one member of a pair.
_UNWANTED = frozenset([Cause.LOST, Cause.FAILED, Cause.SHUTDOWN])
_LOSSES = frozenset(
    [
        *("408", "481", "500", "503", "504", "no ACK", "the session has expired"),
        *("re-INVITE: 408", "re-INVITE: 481"),
    ]
)

#: Seconds after somebody hangs up, in which what a node asks of that telephone may
#: find no call there before the BYE is at the node.
_CROSSES = 2.0

#: A home, a ConnID and a DN.
Key = tuple[str, str, str]


class CallChecks:
    """
    Looks at all call-control events, and at what telephones say of their calls.

    @ivar parties: the last event of each party, by home, ConnID, DN, and how often it
        has come into that call.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.parties: dict[tuple[str, str, str, int], str] = {}
        self._times: dict[Key, int] = {}
        self._loose: set[Key] = set()
        self._hungUp = -_CROSSES
        self._released: dict[str, float] = {}
        self._byes: dict[str, int] = {}
        self._byesSeen: dict[str, float] = {}

    def broken(self, what: str) -> None:
        """
        @raise Broken: always.
        """
        self._world.breaks(what)

    def called(self, home: str, event: CallEvent) -> None:
        """
        A node has published a call-control event, and it cannot be undone any more.

        @param home: whose calls these are: a life of a node on its own, or a pair.
        """
        name, party = type(event).__name__, event.party
        key = (home, party.connID, party.thisDN)
        if name == "PartyChanged" and party.previousConnID:
            self._moved((home, party.previousConnID, party.thisDN), key)
        if key in self._loose:
            return
        if name in _BEGINS:
            if self._last(key):
                self.broken(f"{party.thisDN} comes into a call in which it is")
            self._times[key] = self._times.get(key, 0) + 1
        one = (*key, self._times.get(key, 0))
        last = self.parties.get(one, "")
        if name in _BESIDES:
            if last in _ENDS or not last:
                self.broken(f"{name} after {last or 'nothing'} for {party.thisDN}")
            return
        if name not in LEGAL[last]:
            self.broken(f"{name} after {last or 'nothing'} for {party.thisDN}")
        self.parties[one] = name
        unwanted = isinstance(event, Released) and event.cause in _UNWANTED
        now = self._world.clock.seconds()
        excused = now <= self._hungUp + _CROSSES or self._hangsUp(event)
        if self._world.gentle and unwanted and not excused:
            self.broken(f"{party.thisDN} is released: {event}")
        if isinstance(event, Released) and not unwanted:
            self._released[party.thisDN] = now

    def _moved(self, before: Key, key: Key) -> None:
        """
        A party may have come from another call.
        """
        last = self._last(before)
        if key not in self._loose and self._last(key):
            return  # it was here, and has been in the other one besides
        if before in self._loose:
            self._loose.add(key)
        elif last:
            del self.parties[(*before, self._times[before])]
            self._times[key] = self._times.get(key, 0) + 1
            self.parties[(*key, self._times[key])] = last

    def _last(self, key: Key) -> str:
        """
        The last event of a party that is in a call; empty: it is not.
        """
        last = self.parties.get((*key, self._times.get(key, 0)), "")
        return "" if last in _ENDS else last

    def loosen(self, home: str, event: CallEvent) -> None:
        """
        An event has happened or not: who published it died, and whoever goes on may
        have heard of it.
        """
        party = event.party
        self._loosen((home, party.connID, party.thisDN))
        if type(event).__name__ == "PartyChanged" and party.previousConnID:
            self._loosen((home, party.previousConnID, party.thisDN))

    def _loosen(self, key: Key) -> None:
        self._loose.add(key)
        for one in [each for each in self.parties if each[:3] == key]:
            del self.parties[one]

    def forget(self, home: str) -> None:
        """
        The calls of a node have ended without a word, or are gone on with by one who
        does not know all of them.
        """
        self._loose.update(key for key in self._times if key[0] == home)
        for one in [each for each in self.parties if each[0] == home]:
            del self.parties[one]

    def ended(self) -> None:
        """
        All calls are over.
        """
        for key, last in self.parties.items():
            if last not in _ENDS:
                self.broken(f"{key[0]}: {key[2]} in {key[1]} ended with {last}")

    # Telephones

    def hasEnded(self, phone: str, number: str, why: str) -> None:
        """
        A telephone has no call any more.

        @param number: its DN.  Its re-INVITE may come to a node when the other side
            has just hung up, before the BYE of the node is at the telephone.
        """
        now = self._world.clock.seconds()
        if why == "hangs up":
            self._hungUp = now
        released = now <= self._released.get(number, -_CROSSES) + _CROSSES
        if why == "re-INVITE: 481" and released:
            return
        if self._world.gentle and why in _LOSSES:
            self.broken(f"{phone} has lost a call: {why}")

    def hangsUp(self, number: str) -> None:
        """
        A telephone has sent a BYE, and has no call any more.
        """
        self._byes[number] = self._byes.get(number, 0) + 1

    def hasHungUp(self, number: str) -> None:
        """
        Its BYE has been answered.
        """
        self._byes[number] = max(0, self._byes.get(number, 0) - 1)
        self._byesSeen[number] = self._world.clock.seconds()

    def _hangsUp(self, event: CallEvent) -> bool:
        """
        Whether a party is released as lost because its telephone, or that of the
        other one, had hung up before, and the BYE has not come through yet: a SIP
        Proxy has it, for which no member of a pair is in service, and meanwhile the
        node asks the telephone for something.
        """
        if not isinstance(event, Released) or event.cause is not Cause.LOST:
            return False
        now = self._world.clock.seconds()
        return any(
            self._byes.get(dn, 0) or now <= self._byesSeen.get(dn, -_CROSSES) + _CROSSES
            for dn in (event.party.thisDN, event.party.otherDN)
        )

    # What telephones hear

    def media(self) -> None:
        """
        Nothing is under way: whoever talks, talks to somebody who knows that.
        """
        hearing = {}
        for process in self._world.processes:
            ends = getattr(process, "mediaEnds", None)
            if ends is not None:
                hearing.update(ends())
        for port, (who, heard) in hearing.items():
            if not heard:
                continue
            if heard not in hearing:
                self.broken(f"{who} talks to nobody, at port {heard}")
            other, back = hearing[heard]
            if back and back != port:
                self.broken(f"{who} talks to {other}, who talks to port {back}")
