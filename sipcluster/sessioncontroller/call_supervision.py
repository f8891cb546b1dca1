"""
The part of a call to which supervisors listen.

A supervisor is called into a call, as others are, and is in it because of somebody
else: whether the call goes on does not depend on it, unless it talks to all.
"""

from __future__ import annotations

from attrs import evolve
from twisted.logger import Logger

from sipcluster.sessioncontroller.call_consulting import TALKING
from sipcluster.sessioncontroller.call_observing import Observing
from sipcluster.sessioncontroller.call_transfers import Transfers
from sipcluster.sessioncontroller.events import (
    Answered,
    Cause,
    Fields,
    Role,
    ThirdParty,
)
from sipcluster.sessioncontroller.imedia import MediaRequest, Talk
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    Destination,
    Why,
)
from sipcluster.sessioncontroller.isupervision import (
    MonitorMode,
    MonitorScope,
)
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.party_events import Muted, Unmuted
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

log = Logger()


class Supervision(Observing):
    """
    What a call does about its supervisors.
    """

    __slots__ = ()

    # What it is then

    def keepsCall(self, party: Party) -> bool:
        """
        See L{Mixing<sipcluster.sessioncontroller.call_mixing.Mixing>}.
        """
        monitoring = party.standing.monitoring
        return monitoring is None or (
            monitoring.mode is MonitorMode.BARGE_IN
            and monitoring.scope is MonitorScope.CALL
        )

    def mixing(self, leg: Leg) -> MediaRequest:
        """
        See L{Mixing<sipcluster.sessioncontroller.call_mixing.Mixing>}.
        """
        media = super().mixing(leg)
        monitoring = leg.party.standing.monitoring
        if monitoring is None or monitoring.mode is not MonitorMode.COACH:
            return media
        for other in self.members:
            if other.party.view.thisDN == monitoring.dn and other is not leg:
                return evolve(media, talk=Talk.COACH, coached=self.memberName(other))
        return evolve(media, talk=Talk.NOBODY)

    def served(self, leg: Leg, media: MediaRequest) -> None:
        """
        See L{Media<sipcluster.sessioncontroller.call_media.Media>}.  A media server
        that cannot be told whom a supervisor coaches would let all hear it.
        """
        super().served(leg, media)
        party, server = leg.party, leg.peer
        if (
            media.talk is Talk.COACH
            and server is not None
            and not party.standing.muted
            and self._ua.media.start(media, server.server) is None
        ):
            log.warn("{server} lets nobody coach", server=server.server)
            party.standing = evolve(party.standing, muted=True)
            leg.joined = False
            self.alignSoon()

    def changeModeFor(
        self, party: Party, mode: MonitorMode, requester: Requester | None
    ) -> None:
        """
        Let a supervisor be heard otherwise.

        @raise CallRefused: it does not supervise, or does so in this way.
        """
        leg, monitoring = self._talker(party), party.standing.monitoring
        if monitoring is None:
            raise CallRefused(Why.WRONG_STATE, "it does not supervise")
        if monitoring.mode is mode:
            raise CallRefused(Why.WRONG_STATE, "it is so")
        silent = mode is MonitorMode.SILENT
        party.standing = evolve(
            party.standing, muted=silent, monitoring=evolve(monitoring, mode=mode)
        )
        event = Muted if silent else Unmuted
        party.machine.told(
            event(
                party.view,
                self._ua.wallTime(),
                requester=requester,
                extensions=(("MonitorMode", mode.value),),
            )
        )
        self._heardOtherwise(leg)

    def muteFor(self, party: Party, on: bool, requester: Requester | None) -> None:
        """
        See L{Mixing<sipcluster.sessioncontroller.call_mixing.Mixing>}.  A supervisor
        that is not muted talks to all.
        """
        if self.isObserver(party):
            mode = MonitorMode.SILENT if on else MonitorMode.BARGE_IN
            self.changeModeFor(party, mode, requester)
        else:
            super().muteFor(party, on, requester)

    # A call that is supervised goes on to somebody else

    def othersThan(self, party: Party) -> list[Leg]:
        """
        See L{CallParts<sipcluster.sessioncontroller.call_parts.CallParts>}: supervisors
        do not count unless they talk to all.
        """
        others = super().othersThan(party)
        if len(self.parties) < 3:
            return others
        return [leg for leg in others if self.keepsCall(leg.party)]

    @property
    def isSupervised(self) -> bool:
        """
        Whether somebody supervises.
        """
        return len(self.parties) > 2 and any(
            self.isObserver(leg.party) for leg in self.members
        )

    def transferTo(
        self,
        party: Party,
        consultation: Transfers,
        consulting: Party,
        requester: Requester | None = None,
    ) -> None:
        """
        See L{Transfers}.
        """
        super().transferTo(party, consultation, consulting, requester)
        if self.isSupervised:
            self._goesOn()

    def sendOn(
        self,
        party: Party,
        where: Asked,
        found: Destination,
        userData: KVList = (),
        requester: Requester | None = None,
        waits: bool = False,
        fields: Fields = (),
    ) -> Party:
        """
        See L{Transfers}.
        """
        rings = super().sendOn(party, where, found, userData, requester, waits, fields)
        if self.isSupervised:
            self._goesOn()
        return rings

    def _goesOn(self) -> None:
        """
        Somebody has left a call that is supervised, which goes on.
        """
        for leg in self.members:
            if leg.peer is not None and not leg.peer.server:
                leg.media = None
        self.followOut()
        self.regroup()

    def _refuse(
        self, status: int, cause: Cause, reason: bytes = b"", fields: Fields = ()
    ) -> None:
        super()._refuse(status, cause, reason, fields)
        if self.isSupervised:
            self.regroup()  # who was to leave may be back

    def _answered(self, leg: Leg, event: Answered) -> None:
        super()._answered(leg, event)
        if len(self.parties) > 2 and self.isSupervised:
            self.followOut()
            self.regroup()

    # Who is told

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
        See L{Conferences<sipcluster.sessioncontroller.call_conferences.Conferences>}.
        """
        if not _isHidden(new):
            super().tellAdded(new, parties, third, why, role, requester, extensions)

    def tellDeleted(
        self,
        gone: Party,
        left: list[Party],
        third: ThirdParty | None = None,
        requester: Requester | None = None,
    ) -> None:
        """
        See L{Conferences<sipcluster.sessioncontroller.call_conferences.Conferences>}.
        """
        if not _isHidden(gone) or requester is not None:
            super().tellDeleted(gone, left, third, requester)

    # Who leaves

    def withdraw(
        self,
        party: Party,
        cause: Cause,
        requester: Requester | None = None,
        by: Party | None = None,
    ) -> bool:
        """
        See L{Conferences<sipcluster.sessioncontroller.call_conferences.Conferences>}:
        who supervises a party only leaves with it.
        """
        withdrawn = super().withdraw(party, cause, requester, by)
        if withdrawn:
            self.followOut()
        return withdrawn

    def followOut(self) -> None:
        """
        Let those leave who are in the call only as long as somebody is who has left.
        """
        for leg in self.members:
            monitoring = leg.party.standing.monitoring
            if (
                monitoring is not None
                and monitoring.scope is MonitorScope.AGENT
                and self.partyOf(monitoring.dn) is None
                and leg.party.state in TALKING
            ):
                self.withdraw(leg.party, Cause.OK)

    def release(
        self,
        cause: Cause,
        reason: bytes = b"",
        by: Party | None = None,
        requester: Requester | None = None,
    ) -> None:
        """
        See L{CallBase<sipcluster.sessioncontroller.call_base.CallBase>}: supervisors
        are told who has ended the call.
        """
        if by is not None and len(self.parties) > 2 and not self.isObserver(by):
            observers = [
                leg.party for leg in self.members if self.isObserver(leg.party)
            ]
            if observers:
                self.touch()
                self._clear(by, cause, reason, requester)
                self.tellDeleted(by, observers)
        super().release(cause, reason, by, requester)


def _isHidden(party: Party) -> bool:
    monitoring = party.standing.monitoring
    return monitoring is not None and monitoring.hidden
