"""
The part of a call that knows who is in it, and lets them hear each other, or not.

As soon as more than two talk, each of them talks to a media server, which mixes them;
when two are left they talk to each other again.

Who is muted, or hears nobody, is told so by the direction of its streams, so that a
media server need not know of it; and to one that does, it is said, too.
"""

from __future__ import annotations

from attrs import evolve
from twisted.logger import Logger

from sipcluster.sessioncontroller.call_consulting import TALKING
from sipcluster.sessioncontroller.call_media import MOST_SERVERS
from sipcluster.sessioncontroller.call_transfers import Transfers
from sipcluster.sessioncontroller.events import PartyView, Role
from sipcluster.sessioncontroller.imedia import (
    MediaKind,
    MediaRequest,
    MediaResult,
    Talk,
)
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.party_events import (
    ListenDisconnected,
    ListenReconnected,
    Muted,
    Unmuted,
)
from sipcluster.sessioncontroller.session_description import narrowed
from sipcluster.sessioncontroller.undertakings import Undertaking
from sipcluster.wire.correlation import Requester

log = Logger()

#: Seconds after which a media server is looked for again when there was none.
MIXED_AGAIN = 5.0


class Mixing(Transfers):
    """
    What a call does so that all hear each other, or not.
    """

    __slots__ = ()

    # Who is in it

    @property
    def members(self) -> list[Leg]:
        """
        The telephones' legs that are in the call, to talk or to listen.
        """
        return [leg for leg in self.telephones if leg.party.state in TALKING]

    def keepsCall(self, party: Party) -> bool:
        """
        Whether there is a call as long as this party and another one are in it.
        """
        return True

    @property
    def isMixed(self) -> bool:
        """
        Whether it takes a media server for its parties to hear each other.
        """
        return len(self.members) > 2

    def regroup(self) -> None:
        """
        Let those hear each other who are in the call now.
        """
        members = self.members
        if len(members) > 2:
            for leg in self._apart():
                self.unpair(leg)
                leg.joined = False
            for leg in members:
                self._mix(leg)
        elif len(members) == 2:
            one, other = members
            if not (self.keepsCall(one.party) and self.keepsCall(other.party)):
                return  # somebody else is to come
            if one.peer is not other or one.media is not None:
                self.placed(one, other)
                self.connect(one, other)
        self.alignSoon()

    def _mix(self, leg: Leg) -> None:
        """
        Let a far end be mixed, and heard by whom it is to be heard.
        """
        media, peer = self.mixing(leg), leg.peer
        if leg.media != media or (peer is not None and not peer.server):
            self.play(leg, media)

    def mixing(self, leg: Leg) -> MediaRequest:
        """
        What a far end is to have of the media server that mixes.
        """
        standing = leg.party.standing
        return MediaRequest(
            MediaKind.CONFERENCE,
            self.connID,
            member=self.memberName(leg),
            talk=Talk.NOBODY if standing.muted else Talk.ALL,
            deaf=standing.deaf,
        )

    def memberName(self, leg: Leg) -> str:
        """
        What a media server knows a far end by.
        """
        return leg.id.decode()

    async def mixer(self, asked: Undertaking, leg: Leg) -> Leg:
        """
        Have a media server answer that mixes, for a far end that talks to somebody else
        until then.

        @raise CallRefused: there is none.
        """
        service, media = self._ua.media, self.mixing(leg)
        tried: set[str] = set()
        while len(tried) < MOST_SERVERS:
            chosen = service.choose(media, self._ua.location, tried)
            if chosen is None:
                break
            tried.add(chosen.name)
            uri = service.uri(media, chosen)
            server = self._inviteServer(leg, media, chosen.name, uri)
            try:
                await self.work.server(asked, server)
            except CallRefused as e:
                if self.work.ended or asked.tooLate:
                    raise
                log.warn("{server}: {why}", server=server.server, why=e.text)
                service.failed(chosen)
            else:
                return server
        raise CallRefused(Why.FAILED, "no media server mixes")

    def mixAt(self, leg: Leg, server: Leg | None) -> None:
        """
        Let a far end be mixed by the media server that has answered.

        @param server: L{None}: they are mixed already.
        """
        if server is not None and server.state == "Confirmed":
            self.pair(leg, server)
            assert server.media is not None
            leg.media = server.media
            leg.joined = False

    def served(self, leg: Leg, media: MediaRequest) -> None:
        super().served(leg, media)
        if (
            media.kind is MediaKind.CONFERENCE
            and self._apart()
            and not self.work.of("mix")
        ):
            # Not at once: a media server may have no room for all.
            self.mixLater()

    def _serverGone(
        self, leg: Leg, why: str, result: MediaResult | None = None
    ) -> None:
        peer = leg.peer
        media = None if peer is None else peer.media
        if media is None or media.kind is not MediaKind.CONFERENCE:
            super()._serverGone(leg, why, result)
            return
        super()._serverGone(leg, why)
        if leg.received:
            self._goFrom(leg.server)

    def _goFrom(self, name: str) -> None:
        """
        A media server has hung up on one: all others leave it as well, since they would
        not hear that one.
        """
        for leg in self.members:
            peer, media = leg.peer, leg.media
            if (
                peer is not None
                and peer.server == name
                and media is not None
                and media.kind is MediaKind.CONFERENCE
            ):
                self.unpair(leg)
                leg.joined = False
        self.alignSoon()

    def _apart(self) -> list[Leg]:
        """
        Those who are not at the media server at which most are.
        """
        at: dict[str, list[Leg]] = {}
        for leg in self.members:
            media, peer = leg.media, leg.peer
            if (
                peer is not None
                and peer.server
                and media is not None
                and media.kind is MediaKind.CONFERENCE
            ):
                at.setdefault(peer.server, []).append(leg)
        most = max(at.values(), key=len, default=[])
        return [leg for legs in at.values() if legs is not most for leg in legs]

    def notServed(self, leg: Leg, media: MediaRequest, why: str) -> None:
        super().notServed(leg, media, why)
        if media.kind is MediaKind.CONFERENCE and not self.work.of("mix"):
            log.error("call {connID} is not mixed: {why}", connID=self.connID, why=why)
            self.mixLater()

    def mixLater(self) -> None:
        """
        Look for a media server again.
        """
        asked = Undertaking("mix", None)
        work = self.work

        def over(result: object) -> None:
            work.over(asked)
            if not work.ended:
                self.regroup()

        try:
            work.begin(asked)
        except CallRefused as e:
            log.warn("call {connID}: {why}", connID=self.connID, why=e.text)
            return
        work.after(asked, MIXED_AGAIN).addBoth(over)

    def _talkingLegs(self, party: Party, state: str) -> tuple[Leg, Leg]:
        """
        See L{Sessions<sipcluster.sessioncontroller.call_sessions.Sessions>}: who is
        mixed talks to a media server.
        """
        leg = self.legOf(party)
        if leg is not None and party.state == state:
            media, peer = leg.media, leg.peer
            if media is not None and media.kind is MediaKind.CONFERENCE and peer:
                return leg, peer
        return super()._talkingLegs(party, state)

    # Who hears whom

    def _ways(self, leg: Leg) -> tuple[bool, bool]:
        """
        Whether a far end hears the one that it talks to, and is heard.
        """
        peer = leg.peer
        if peer is None:
            return True, True
        mine, theirs = leg.party.standing, peer.party.standing
        return not (mine.deaf or theirs.muted), not (mine.muted or theirs.deaf)

    def limits(self, leg: Leg) -> bool:
        """
        See L{Sessions<sipcluster.sessioncontroller.call_sessions.Sessions>}.
        """
        return self._ways(leg) != (True, True)

    def limited(self, leg: Leg, body: bytes) -> bytes:
        """
        See L{Sessions<sipcluster.sessioncontroller.call_sessions.Sessions>}.
        """
        return narrowed(body, *self._ways(leg))

    def muteFor(self, party: Party, on: bool, requester: Requester | None) -> None:
        """
        Let nobody hear a party, or let it be heard again.

        @raise CallRefused: it does not talk, or it is so.
        """
        leg = self._talker(party)
        if party.standing.muted is on:
            raise CallRefused(Why.WRONG_STATE, "it is so")
        party.standing = evolve(party.standing, muted=on)
        event = Muted if on else Unmuted
        party.machine.told(event(party.view, self._ua.wallTime(), requester=requester))
        self._heardOtherwise(leg)

    def listenFor(
        self, party: Party, listener: Party, on: bool, requester: Requester | None
    ) -> None:
        """
        Let a party hear the others, or nobody.

        @param party: the one who wants that.
        @param listener: the one who hears, or does not.

        @raise CallRefused: it does not talk, or it is so.
        """
        self._talker(party)
        leg = self._talker(listener)
        if listener.standing.deaf is not on:
            raise CallRefused(Why.WRONG_STATE, "it is so")
        listener.standing = evolve(listener.standing, deaf=not on)
        event = ListenReconnected if on else ListenDisconnected
        now = self._ua.wallTime()
        told = [party] if party is listener else [party, listener]
        for one in told:
            view = about(one, listener, listener.view.thisRole)
            one.machine.told(event(view, now, requester=requester))
            requester = None
        self._heardOtherwise(leg)

    def _talker(self, party: Party) -> Leg:
        leg = self.legOf(party)
        if leg is None or party.state not in TALKING:
            raise CallRefused(Why.WRONG_STATE)
        return leg

    def _heardOtherwise(self, leg: Leg) -> None:
        """
        Whom a far end hears has changed, or who hears it.
        """
        self.touch()
        media, peer = leg.media, leg.peer
        if media is not None and media.kind is MediaKind.CONFERENCE:
            self._mix(leg)
        elif peer is not None and not peer.server:
            leg.joined = peer.joined = False
            self.alignSoon()


def about(party: Party, other: Party, role: Role) -> PartyView:
    """
    How an event names a party that tells it of another one.

    @param role: of that one.
    """
    return evolve(party.view, otherDN=other.view.thisDN, otherRole=role)
