"""
What a call consists of: its legs and parties, and who is connected to whom.

A leg has a peer: the leg whose far end its own is to talk to.  That is decided at once,
and written down with the call; that the far ends agree on it is brought about
afterwards, see L{sipcluster.sessioncontroller.call_media}.
"""

from __future__ import annotations

from attrs import evolve

from sipcluster.sessioncontroller.call_data import CallData
from sipcluster.sessioncontroller.events import CallEvent, PartyView, Role
from sipcluster.sessioncontroller.fields import ALLOW
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.session_description import SessionOrigin

#: Parties of a call, with those who have left it, before the latter are forgotten.
MOST_REMEMBERED = 128


def _toldNobody(event: CallEvent) -> None:
    """
    A media server is no party: nobody is told of it.
    """


class CallParts(CallData):
    """
    Legs and their parties, under one ConnID and CallUUID.
    """

    __slots__ = ()

    # Parts

    def addParty(
        self,
        dn: str,
        role: Role,
        internal: bool,
        other: Party | None = None,
        state: str = "Null",
    ) -> Party:
        """
        Make a party.

        @param other: the one it talks to; L{None} while only its number is
            known.
        """
        if other is not None:
            otherDN, otherRole = other.view.thisDN, other.view.thisRole
        elif role is Role.ORIGINATION:
            otherDN, otherRole = self.dnis, Role.DESTINATION
        else:
            otherDN, otherRole = "", Role.UNKNOWN
        view = PartyView(
            self.connID,
            self.callUUID,
            self.callType,
            dn,
            role,
            internal,
            otherDN,
            otherRole,
            self.ani,
            self.dnis,
            self.callID,
            self.userData,
            self.consults,
            "",
            self.conference,
        )
        if state == "Null":
            self._forgetGone()
        party = Party(view, self._publish, state)
        self.parties.append(party)
        if internal:
            self._ua.parties.setdefault(dn, {})[party] = None
        return party

    def _forgetGone(self) -> None:
        """
        Let go of those who have left long ago, in a call that many have come to: each
        transfer that nobody takes leaves one behind.
        """
        if len(self.parties) < MOST_REMEMBERED:
            return
        kept = {leg.party for leg in self.legs}
        if self._queue is not None:
            kept.add(self._queue.party)
        if self._work is not None:
            kept.update(one.whose for one in self._work.begun if one.whose is not None)
        stay = []
        for party in self.parties:
            if party in kept or party.state != "Cleared":
                stay.append(party)
            else:
                self.forgetParty(party)
        self.parties = stay

    def forgetParty(self, party: Party) -> None:
        """
        Let go of a party of which nobody is told any more.
        """
        party.forget()
        index = self._ua.parties
        found = index.get(party.view.thisDN)
        if found is not None and found.pop(party, found) is None and not found:
            del index[party.view.thisDN]

    def partyOf(self, dn: str) -> Party | None:
        """
        The live party that is a DN of this switch, or L{None}.
        """
        for party in self.parties:
            view = party.view
            if view.thisDN == dn and view.internal and party.live:
                return party
        return None

    def isHidden(self, number: str) -> bool:
        """
        Whether telephones are not to be shown that somebody with this number is in the
        call.
        """
        return any(
            party.view.hidden and party.view.thisDN == number for party in self.parties
        )

    def addLeg(
        self,
        party: Party,
        incoming: bool,
        callID: bytes = b"",
        localTag: bytes = b"",
        legID: bytes = b"",
        origin: SessionOrigin | None = None,
        state: str = "Null",
        calling: bool | None = None,
        loose: bool = False,
    ) -> Leg:
        """
        Make a leg; what is left out is made new.

        @param calling: it is the caller's, else that of the called side; L{None}: if
            its far end sent the INVITE.
        @param loose: it is neither.
        """
        ua = self._ua
        identifiers = ua.identifiers
        tag = localTag or identifiers.tag()
        if origin is None:
            origin = SessionOrigin(ua.origin, int(tag[:13], 16))
        leg = Leg(
            ua,
            self,  # type: ignore[arg-type] # every call is a Call
            party,
            incoming,
            legID or tag,
            callID or identifiers.callID(),
            tag,
            origin,
            state,
        )
        self._made += 1
        self.legs.append(leg)
        if loose:
            return leg
        if incoming if calling is None else calling:
            self.placed(leg, self._second)
        else:
            self.placed(self._first, leg)
        return leg

    def addService(
        self,
        name: str,
        callID: bytes = b"",
        localTag: bytes = b"",
        legID: bytes = b"",
        origin: SessionOrigin | None = None,
        state: str = "Null",
    ) -> Leg:
        """
        Make a leg to a media server; what is left out is made new.

        @param name: of the server.
        """
        nobody = PartyView(
            self.connID,
            self.callUUID,
            self.callType,
            name,
            Role.UNKNOWN,
            False,
            "",
            Role.UNKNOWN,
            self.ani,
            self.dnis,
            self.callID,
        )
        ua = self._ua
        identifiers = ua.identifiers
        tag = localTag or identifiers.tag()
        if origin is None:
            origin = SessionOrigin(ua.origin, int(tag[:13], 16))
        leg = Leg(
            ua,
            self,  # type: ignore[arg-type] # every call is a Call
            Party(nobody, _toldNobody),
            False,
            legID or tag,
            callID or identifiers.callID(),
            tag,
            origin,
            state,
        )
        leg.server = name
        self.legs.append(leg)
        return leg

    # Who is connected to whom

    def other(self, leg: Leg) -> Leg | None:
        """
        The leg that a leg talks to, or L{None}.
        """
        return leg.peer

    def placed(self, first: Leg | None, second: Leg | None) -> None:
        """
        These are the caller's leg and that of the called side; they are each other's
        peers, and make what they have to say each other's session, unless the caller
        has something of a media server until the called side answers.
        """
        self._first, self._second = first, second
        if first is not None and second is not None and first.media is None:
            self.pair(first, second)

    def pair(self, one: Leg, other: Leg) -> None:
        """
        Let two legs be each other's peers, and nobody else's.
        """
        if one.peer is not other:
            for leg in (one, other):
                if leg.peer is not None:
                    self.unpair(leg)
            one.peer, other.peer = other, one

    def unpair(self, leg: Leg) -> None:
        """
        Let a leg have no peer.
        """
        peer = leg.peer
        if peer is not None:
            leg.peer = peer.peer = None

    def isLoose(self, leg: Leg) -> bool:
        """
        Whether a leg is neither the caller's nor the called side's any more.
        """
        return leg is not self._first and leg is not self._second

    def loosen(self, leg: Leg) -> None:
        """
        Let a leg be so, and have no peer.
        """
        if leg.peer is not None:
            self.unpair(leg)
        if leg is self._first:
            self._first = None
        elif leg is self._second:
            self._second = None
        if leg is self.leaving:
            self.leaving = None

    def placeOf(self, leg: Leg) -> int:
        """
        Whose leg it is, as in L{LegValue
        <sipcluster.sessioncontroller.values.LegValue>}.
        """
        first = leg.party.view.thisRole is Role.ORIGINATION
        if leg is self._first:
            return 0 if first else 1
        if leg is self._second:
            return 2 if first else 0
        return 0

    def peerOf(self, leg: Leg) -> int:
        """
        Which one its peer is, as in L{LegValue
        <sipcluster.sessioncontroller.values.LegValue>}.
        """
        usual = None
        if leg is self._first:
            usual = self._second
        elif leg is self._second:
            usual = self._first
        peer = leg.peer
        if peer is usual:
            return -1
        return -2 if peer is None else self.legs.index(peer)

    def legOf(self, party: Party) -> Leg | None:
        """
        The leg of a party; L{None}: it has none, or none any more.
        """
        for leg in self.legs:
            if leg.party is party:
                return leg
        return None

    def othersThan(self, party: Party) -> list[Leg]:
        """
        The telephones' legs of all other parties that are in the call.
        """
        return [
            leg for leg in self.telephones if leg.party is not party and leg.party.live
        ]

    @property
    def telephones(self) -> list[Leg]:
        """
        The legs that are not to media servers.
        """
        return [leg for leg in self.legs if not leg.server]

    # Moving

    def giveUp(self, leg: Leg) -> None:
        """
        Let a leg and its party go to another call.
        """
        self._ua.touch()
        self.loosen(leg)
        self.legs.remove(leg)
        self.parties.remove(leg.party)

    def adopt(self, leg: Leg, second: bool = True) -> None:
        """
        Take a leg and its party over from another call.  It has no peer then.

        Whatever comes back to the leg from outside touches both calls from now on.

        @param second: it is that of the called side, else it is neither that nor the
            caller's.
        """
        old, party = leg.call, leg.party
        assert old is not None
        old.giveUp(leg)
        leg.ua.touches(self._ua)
        self._ua.touch()
        leg.ua = self._ua
        leg.call = self  # type: ignore[assignment] # as above
        self.legs.append(leg)
        self._made += 1
        view = party.view
        party.view = evolve(
            view,
            connID=self.connID,
            callUUID=self.callUUID,
            callType=self.callType,
            ani=self.ani,
            dnis=self.dnis,
            callID=self.callID,
            userData=self.userData,
            previousConnID=view.connID,
            conference=False,
        )
        self._forgetGone()
        self.parties.append(party)
        if second:
            self._second = leg

    def isOwn(self, leg: Leg) -> bool:
        """
        Whether the re-INVITE that is under way on a leg is the node's own.
        """
        return self._work is not None and leg in self._work.modifications

    def allowFor(self, leg: Leg) -> bytes:
        """
        The methods that can be passed on to the far end of the other leg.
        """
        other = self.other(leg)
        return ALLOW if other is None else other.allow or ALLOW
