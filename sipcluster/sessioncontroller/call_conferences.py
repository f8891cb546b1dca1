"""
The part of a call that has more than two parties.

Who is in the call is decided, and told, in one turn of the reactor; the far ends are
told afterwards, as L{sipcluster.sessioncontroller.call_media} does.  What has to be
known before is only whether there is a media server that mixes: a first one has
answered before anything is changed.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sipcluster.sessioncontroller.call_consulting import TALKING
from sipcluster.sessioncontroller.call_mixing import Mixing, about
from sipcluster.sessioncontroller.events import (
    Cause,
    Released,
    Retrieved,
    Role,
    ThirdParty,
)
from sipcluster.sessioncontroller.iconferences import MOST_PARTIES
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.party_events import (
    PartyAdded,
    PartyChanged,
    PartyDeleted,
)
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

log = Logger()

#: Seconds after which a media server is looked for again when there was none.
MIXED_AGAIN = 5.0


class Conferences(Mixing):
    """
    What a call does about its conference.
    """

    __slots__ = ()

    # Two calls become one

    def conferWith(
        self,
        party: Party,
        consultation: Conferences,
        consulting: Party,
        requester: Requester | None,
    ) -> Deferred[None]:
        """
        Take those of another call into this one.

        @param party: the one who wants it, in this call, which it holds.
        @param consulting: the same one in the other call.

        @raise CallRefused: that cannot be; nothing is changed.
        """
        self._checkMerge(party, consultation, consulting)
        asked = Undertaking("confer", party, requester, other=consultation.connID)
        return self.beginConfer(asked)

    def beginConfer(
        self, asked: Undertaking, seconds: float = 0.0, again: bool = False
    ) -> Deferred[None]:
        """
        @param seconds: that it may take; 0: what is usual.
        @param again: another process has begun it.

        @raise CallRefused: too much is asked at one time.
        """
        return self._inTurn(asked, lambda: self._confer(asked, again), seconds)

    def _checkMerge(
        self, party: Party, consultation: Conferences, consulting: Party
    ) -> tuple[list[Leg], list[Leg]]:
        """
        Those who stay, and those who come.
        """
        if consultation is self:
            raise CallRefused(Why.WRONG_STATE, "it is one call")
        stay = [leg for leg in self.members if leg.party is not party]
        come = [leg for leg in consultation.members if leg.party is not consulting]
        if party.state != "Hold" or consulting.state != "Connected":
            raise CallRefused(Why.WRONG_STATE, "the first call is not held")
        if not stay or not come:
            raise CallRefused(Why.WRONG_STATE, "there is nobody to confer with")
        if self.leaving is not None or consultation.leaving is not None:
            raise CallRefused(Why.WRONG_STATE, "somebody is about to leave")
        coming = [leg.party.view for leg in come if leg.party.view.internal]
        if any(self.partyOf(view.thisDN) is not None for view in coming):
            raise CallRefused(Why.WRONG_STATE, "somebody is in both")
        if len(stay) + len(come) >= MOST_PARTIES:
            raise CallRefused(Why.LIMIT, f"more than {MOST_PARTIES} parties")
        return stay, come

    def _consultationOf(self, asked: Undertaking) -> tuple[Conferences, Party]:
        exchange = self._ua.exchange
        consultation = None if exchange is None else exchange.callOf(asked.other)
        dn = asked.party.view.thisDN
        consulting = None if consultation is None else consultation.partyOf(dn)
        if consultation is None or consulting is None:
            raise CallRefused(Why.DISCONNECTED)
        return consultation, consulting

    async def _confer(self, asked: Undertaking, again: bool) -> None:
        if again:
            await self.work.after(asked, 0.0)  # until all calls go on
            self.dropServices()
        party = asked.party
        stay, _ = self._checkMerge(party, *self._consultationOf(asked))
        mixer = None
        if not self.isMixed:
            mixer = await self.mixer(asked, stay[0])
        try:
            consultation, consulting = self._consultationOf(asked)
            stay, come = self._checkMerge(party, consultation, consulting)
        except CallRefused:
            self.alignSoon()  # nobody wants the media server any more
            raise
        self.mixAt(stay[0], mixer)
        consultation.touch()
        self.touch()
        self._merge(asked, consultation, consulting, stay, come)

    def _merge(
        self,
        asked: Undertaking,
        consultation: Conferences,
        consulting: Party,
        stay: list[Leg],
        come: list[Leg],
    ) -> None:
        """
        Make one call of two.
        """
        party = asked.party
        dn = party.view.thisDN
        lists = _partyLists(
            [party, *(leg.party for leg in stay)],
            [consulting, *(leg.party for leg in come)],
        )
        idle, active = self.legOf(party), consultation.legOf(consulting)
        assert idle is not None and active is not None
        # The one who wants it talks on with the telephone that it talks with: that of
        # the first call may hold by itself.
        consultation._clear(consulting, Cause.CONFERENCED, b"", asked.requester)
        for leg in (active, *come):
            self.adopt(leg, False)
        self.loosen(idle)
        idle.party, active.party = active.party, idle.party
        active.holding = idle.holding = False
        idle.machine.release(Cause.CONFERENCED, b"")
        consultation.release(Cause.CONFERENCED)
        consultation.endIfEmpty()
        now = self._ua.wallTime()
        party.machine.retrieved(
            Retrieved(party.view, now, why=Cause.CONFERENCED, extensions=lists)
        )
        third = ThirdParty(dn, Role.ADDED_BY)
        for leg in come:
            self.tellAdded(
                leg.party,
                [party, *(one.party for one in stay)],
                third,
                Cause.CONFERENCED,
                extensions=lists,
            )
        by = ThirdParty(dn, Role.CONFERENCED_BY)
        first = stay[0].party.view
        for leg in come:
            new = leg.party
            new.view = evolve(
                new.view,
                thisRole=Role.CONFERENCE_MEMBER,
                otherDN=first.thisDN,
                otherRole=Role.CONFERENCE_MEMBER,
            )
            new.machine.told(
                PartyChanged(
                    new.view, now, third=by, why=Cause.CONFERENCED, extensions=lists
                )
            )
        self.regroup()

    def tellAdded(
        self,
        new: Party,
        parties: list[Party],
        third: ThirdParty | None,
        why: Cause,
        role: Role = Role.NEW_PARTY,
        requester: Requester | None = None,
        extensions: KVList = (),
    ) -> None:
        """
        There is one party more.

        @param parties: are told, the first one in answer to C{requester}.
        @param role: what they are told that it is.
        """
        now = self._ua.wallTime()
        for party in parties:
            party.machine.told(
                PartyAdded(
                    about(party, new, role),
                    now,
                    requester=requester,
                    third=third,
                    why=why,
                    extensions=extensions,
                )
            )
            requester = None

    # Somebody leaves

    def withdraw(
        self,
        party: Party,
        cause: Cause,
        requester: Requester | None = None,
        by: Party | None = None,
    ) -> bool:
        """
        Take a party out, if the others have a call without it.

        @param requester: who asked for that; answered by C{Released} of the party, or
            by C{PartyDeleted} of who wants it to leave.
        @param by: that one; L{None}: it leaves by itself.

        @return: whether it is so.
        """
        if len(self.parties) < 3 or party.state not in TALKING:
            return False
        left = [leg.party for leg in self.members if leg.party is not party]
        talk = [one for one in left if self.keepsCall(one)]
        if len(talk) < 2 and self.keepsCall(party):
            return False
        third = None
        if by is not None:
            third = ThirdParty(by.view.thisDN, Role.DELETED_BY)
        self.leave(party, cause, requester if by is None else None, third)
        if by is not None:
            left.sort(key=lambda one: one is not by)
        self.tellDeleted(party, left, third, None if by is None else requester)
        self.regroup()
        return True

    def tellDeleted(
        self,
        gone: Party,
        left: list[Party],
        third: ThirdParty | None = None,
        requester: Requester | None = None,
    ) -> None:
        """
        There is one party less.

        @param left: are told, the first one in answer to C{requester}.
        """
        now = self._ua.wallTime()
        dn = gone.view.thisDN
        for party in left:
            party.machine.told(
                PartyDeleted(
                    about(party, gone, Role.DELETED_PARTY),
                    now,
                    requester=requester,
                    third=third,
                )
            )
            requester = None
        for party in left:
            others = [one for one in left if one is not party]
            if party.view.otherDN == dn and others:
                party.view = about(party, others[0], others[0].view.thisRole)

    def goesOnWithout(self, leg: Leg, event: Released) -> bool:
        """
        See L{AskedOf<sipcluster.sessioncontroller.call_asked.AskedOf>}.
        """
        return super().goesOnWithout(leg, event) or (
            len(self.parties) > 2
            and self.withdraw(leg.party, event.cause, event.requester)
        )

    def cannotJoin(self, leg: Leg, why: str) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}: the others have a
        call without it.
        """
        if not self.withdraw(leg.party, Cause.FAILED):
            super().cannotJoin(leg, why)

    def deleteParty(
        self, party: Party, other: Party, requester: Requester | None
    ) -> None:
        """
        Let a party take another one out of a conference.

        @raise CallRefused: it is none, or one of them is not in it.
        """
        if party is other or party.state not in TALKING:
            raise CallRefused(Why.WRONG_STATE)
        if not self.withdraw(other, Cause.DROPPED, requester, party):
            raise CallRefused(Why.WRONG_STATE, "it is no conference")


def _partyLists(before: list[Party], new: list[Party]) -> KVList:
    """
    Who was in a conference, and who was in the consultation, as the field writes it.
    """
    pairs: list[tuple[str, int | str]] = []
    for name, parties in (("OrigDN", before), ("ConsultDN", new)):
        pairs.append((f"NumOf{name}s", len(parties)))
        pairs += [
            (f"{name}-{number}", party.view.thisDN)
            for number, party in enumerate(parties, 1)
        ]
    return tuple(pairs)
