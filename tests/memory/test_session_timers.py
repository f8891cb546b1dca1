"""
Tests for sipcluster.sessioncontroller.session_refresh and leg_refresh: a call does not
outlive its telephones (RFC 4028).
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sessioncontroller.events import Released
from sipcluster.sessioncontroller.session_refresh import Refresh
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import sdp
from tests.memory.nodes import NodeTestCase

AGREED = ((b"Supported", b"timer"), (b"Session-Expires", b"90;refresher=uac"))
THEIRS = (b"Session-Expires", b"90;refresher=uas")


class SessionTimerTests(NodeTestCase):
    """
    Both telephones refresh their sessions with the node.
    """

    def setUp(self) -> None:
        super().setUp()
        self.alice.request(b"INVITE", "1002", [*AGREED], body=sdp())
        self.rung = self.peer.expectRequest(b"INVITE")
        self.bob.answer(self.rung, 200, sdp("bob"), fields=[THEIRS])
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.peer.expectNothing()

    def refresh(self) -> None:
        """
        They do, by UPDATE.
        """
        for phone in (self.alice, self.bob):
            self.peer.expectResponse(200, phone.within(b"UPDATE", [*AGREED]))

    def ended(self) -> list[str]:
        """
        Why the parties were released.
        """
        return [
            f"{event.party.thisDN} {event.cause.value}"
            for event in self.sink.events
            if isinstance(event, Released)
        ]

    def test_forgotten(self) -> None:
        """
        When nobody refreshes the session, and nobody ends it either, the node ends
        the call on both sides, once, and tells so.
        """
        self.run_(121)
        self.peer.expectNothing()
        self.run_(2)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 481)
        self.pump()
        self.assertEqual(sorted(self.ended()), ["1001 Lost", "1002 Lost"])
        self.assertEqual(self.node.status()["calls"], 0)
        self.assertEqual(self.counters["sessionsExpired"], 1)

    def test_refreshed(self) -> None:
        """
        Each refresh counts anew.
        """
        for _ in range(4):
            self.run_(80)
            self.refresh()
        self.assertEqual(self.ended(), [])
        self.run_(121)
        self.assertEqual(self.node.status()["calls"], 1)
        self.run_(2)
        for _ in range(2):
            self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.pump()
        self.assertEqual(self.node.status()["calls"], 0)

    def test_endedInTime(self) -> None:
        """
        A call that is hung up leaves nothing to wait for.
        """
        self.hangUp()
        self.assertEqual(self.ended(), ["1001 Ok", "1002 Ok"])


class OwnRefreshTests(NodeTestCase):
    """
    It is on the node to refresh.
    """

    #: What the called telephone says.
    fields: tuple[tuple[bytes, bytes], ...] = (
        (b"Session-Expires", b"90;refresher=uac"),
        (b"Allow", b"INVITE, ACK, BYE, CANCEL, UPDATE"),
    )

    def connect(self, *fields: tuple[bytes, bytes], asks: bytes = b"") -> Request:
        """
        Alice and Bob talk.

        @return: the INVITE that Bob got.
        """
        wants = [(b"Session-Expires", asks)] if asks else []
        self.alice.request(b"INVITE", "1002", wants, body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.answer(invite, 200, sdp("bob"), fields=fields or self.fields)
        self.peer.expectRequest(b"ACK")
        self.alice.accepted(self.peer.expectResponse(200))
        self.alice.acknowledge()
        self.peer.expectNothing()
        return invite

    def test_update(self) -> None:
        """
        After half of the interval, by UPDATE where that is taken; the other side hears
        nothing of it.
        """
        self.connect()
        for _ in range(3):
            self.run_(44)
            self.peer.expectNothing()
            self.run_(2)
            update = self.peer.expectRequest(b"UPDATE")
            self.assertEqual(update.uri, b"sip:1002@198.51.100.2")
            self.assertEqual(update.body, b"")
            value = update.headers.first(b"Session-Expires")
            self.assertEqual(value, b"90;refresher=uac")
            self.peer.respond(update, 200, fields=[self.bob.contact, *self.fields])
            self.peer.expectNothing()
        self.assertEqual(self.counters["sessionsRefreshed"], 3)
        self.hangUp()

    def test_reinvite(self) -> None:
        """
        Else by a re-INVITE that says what was said last.  When the answer says
        something new, the other side is told.
        """
        invite = self.connect(self.fields[0])
        self.run_(46)
        again = self.peer.expectRequest(b"INVITE")
        self.assertEqual(again.body, invite.body)
        self.bob.answer(again, 200, sdp("bob"), fields=self.fields[:1])
        self.peer.expectRequest(b"ACK")
        self.peer.expectNothing()
        self.run_(46)
        again = self.peer.expectRequest(b"INVITE")
        self.bob.answer(again, 200, sdp("bob", 5002), fields=self.fields[:1])
        self.peer.expectRequest(b"ACK")
        told = self.peer.expectRequest(b"INVITE")
        self.assertEqual(told.uri, b"sip:1001@198.51.100.1")
        self.assertIn(b"m=audio 5002", told.body)
        self.alice.answer(told, 200, sdp())
        self.peer.expectRequest(b"ACK")
        answered = self.peer.expectRequest(b"INVITE")
        self.bob.answer(answered, 200, sdp("bob", 5002), fields=self.fields[:1])
        self.peer.expectRequest(b"ACK")
        self.hangUp()

    def test_gone(self) -> None:
        """
        A far end that does not know its dialog any more, or does not answer, is lost,
        and the other one is hung up on.
        """
        for status in (481, 0):
            self.connect()
            self.run_(46)
            update = self.peer.expectRequest(b"UPDATE")
            if status:
                self.peer.respond(update, status)
            else:
                self.run_(70)
            for _ in range(2):
                self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
            self.assertNoCall()
            self.alice.dialog = self.bob.dialog = None
            self.peer.inbox.clear()

    def test_later(self) -> None:
        """
        A far end that is at something else is asked again soon; one that does not want
        to be refreshed lives; one that wants it more seldom gets that.
        """
        self.connect()
        self.run_(46)
        self.peer.respond(self.peer.expectRequest(b"UPDATE"), 491)
        self.run_(9)
        update = self.peer.expectRequest(b"UPDATE")
        self.peer.respond(update, 422, fields=[(b"Min-SE", b"200")])
        self.run_(9)
        update = self.peer.expectRequest(b"UPDATE")
        value = update.headers.first(b"Session-Expires")
        self.assertEqual(value, b"200;refresher=uac")
        self.peer.respond(update, 405)
        self.run_(98)
        self.peer.expectNothing()
        self.run_(4)
        self.peer.respond(self.peer.expectRequest(b"UPDATE"), 200)
        self.hangUp()

    def test_changeMeanwhile(self) -> None:
        """
        A change that meets a refresh is told so.
        """
        self.connect()
        self.run_(46)
        update = self.peer.expectRequest(b"UPDATE")
        mine = self.alice.within(b"INVITE", body=sdp("alice", 4002))
        refused = self.peer.expectResponse(491, mine)
        self.alice.acknowledgeRefusal(refused, mine)
        self.peer.expectResponse(491, self.bob.within(b"UPDATE", body=sdp("bob", 5)))
        self.peer.respond(update, 200, fields=[self.bob.contact, *self.fields])
        self.hangUp()

    def test_asksForTheOtherSide(self) -> None:
        """
        A caller that watches its session makes the node watch that of the called side,
        which is to refresh it; one that knows nothing of that is refreshed.
        """
        invite = self.connect((b"Allow", b"UPDATE"), asks=b"120")
        value = invite.headers.first(b"Session-Expires")
        self.assertEqual(value, b"120;refresher=uas")
        self.run_(61)
        for _ in range(2):
            update = self.peer.expectRequest(b"UPDATE" if _ else b"INVITE")
            if update.method == b"INVITE":
                self.alice.answer(update, 200, sdp())
                self.peer.expectRequest(b"ACK")
            else:
                self.peer.respond(update, 200)
        self.hangUp()

    def test_tooShort(self) -> None:
        """
        Who wants to refresh too often is told how often is often enough; so are we,
        and ask for that, once.
        """
        short = [(b"Supported", b"timer"), (b"Session-Expires", b"60")]
        self.alice.request(b"INVITE", "1002", short, body=sdp())
        refused = self.assertRefused(422)
        self.assertEqual(refused.headers.first(b"Min-SE"), b"90")
        self.alice.request(
            b"INVITE", "1002", [(b"Session-Expires", b"100")], body=sdp()
        )
        for value in (b"100;refresher=uas", b"300;refresher=uas"):
            invite = self.peer.expectRequest(b"INVITE")
            self.assertEqual(invite.headers.first(b"Session-Expires"), value)
            self.bob.refuse(invite, 422, [(b"Min-SE", b"300")])
            self.peer.expectRequest(b"ACK")
        self.assertRefused(422)

    def test_tooShortMeanwhile(self) -> None:
        """
        So is who wants it later.
        """
        self.connect()
        short = [(b"Supported", b"timer"), (b"Session-Expires", b"60")]
        for mine in (
            self.alice.within(b"UPDATE", short),
            self.alice.within(b"INVITE", short, sdp()),
        ):
            refused = self.peer.expectResponse(422, mine)
            self.assertEqual(refused.headers.first(b"Min-SE"), b"90")
        self.alice.acknowledgeRefusal(refused, mine)
        self.hangUp()


class RefreshTests(SynchronousTestCase):
    """
    L{Refresh}: how long a session may go on without one.
    """

    def test_longest(self) -> None:
        """
        Whatever is agreed, a session that is to be refreshed is watched for a day
        at most.
        """
        self.assertEqual(Refresh(1800, True).expiresIn, 1832.0)
        self.assertEqual(Refresh(10**9, True).expiresIn, 86432.0)


class BySettingTests(NodeTestCase):
    """
    The configuration wants sessions to be refreshed.
    """

    settings = {"sessionExpires": 100, "minSE": 200}

    def test_asked(self) -> None:
        """
        The called telephone is asked for it, in no less than what may be asked for.
        """
        asked = self.alice.request(b"INVITE", "1002", body=sdp())
        rung = self.peer.expectRequest(b"INVITE")
        self.assertEqual(rung.headers.first(b"Session-Expires"), b"200;refresher=uas")
        self.bob.answer(rung, 486)
        self.alice.acknowledgeRefusal(self.peer.expectResponse(486), asked)
        self.peer.expectRequest(b"ACK")
