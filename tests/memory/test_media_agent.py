"""
Tests for the media server as a SIP user agent: RFC 4240, and what any user agent does.
"""

from __future__ import annotations

from typing import ClassVar

from zope.interface.verify import verifyObject

from sipcluster.media.imedia import Ended, IMediaEngine, IRTPSession, Talk
from sipcluster.servicecheck.roles import parseRole
from sipcluster.sip.isip import Target
from sipcluster.testing.clock import runFor
from sipcluster.testing.media_engine import FakeEngine
from sipcluster.testing.sip_peer import peerAt, sdp
from tests.memory.media_agents import MEDIA, STRANGER, MediaAgentTestCase


class AnnouncementTests(MediaAgentTestCase):
    """
    RFC 4240 section 3.
    """

    def test_plays(self) -> None:
        """
        What C{play=} names is played when the answer is acknowledged, and the media
        server hangs up at its end.
        """
        verifyObject(IMediaEngine, self.engine)
        request = self.invite("annc@;play=file:%2F%2F%2Fwelcome.wav")
        response = self.node.accepted(self.peer.expectResponse(200, request))
        self.assertIn(b"m=audio", response.body)
        self.assertEqual(response.headers.first(b"Content-Type"), b"application/sdp")
        self.assertIsNone(self.media.playing)
        verifyObject(IRTPSession, self.media)
        self.node.acknowledge()
        self.peer._pump()
        self.assertEqual(self.media.playing, (("file:///welcome.wav",), 1))
        self.media.finish()
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertTrue(self.media.stopped)

    def test_repeats(self) -> None:
        """
        C{repeat}, C{delay} and C{duration} say how often and how long.
        """
        self.call("annc@;play=music.wav;repeat=3;delay=500;duration=9000")
        self.assertEqual(self.media.playing, (("music.wav",), 3))

    def test_forever(self) -> None:
        """
        C{repeat=forever} plays until the caller hangs up.
        """
        self.call("annc@;play=tone:ringback;repeat=forever;locale=en;x=y")
        self.assertEqual(self.media.playing, (("tone:ringback",), 0))
        bye = self.node.within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.assertTrue(self.media.stopped)
        self.peer.expectNothing()

    def test_refused(self) -> None:
        """
        What cannot be done is refused with a reason, and leaves nothing.
        """
        self.engine.library.missing.add("nothing.wav")
        for uri, status in (
            ("annc@", 400),
            ("annc@;play=nothing.wav", 404),
            ("annc@;play=..%2F..%2Fetc%2Fpasswd", 404),
            ("annc@;play=http:%2F%2Fevil.example%2Fx.wav", 404),
            ("annc@;play=x.wav;repeat=0", 400),
            ("annc@;play=x.wav;repeat=-1", 400),
            ("annc@;play=x.wav;repeat=99999999999", 400),
            ("annc@;play=x.wav;delay=soon", 400),
            ("annc@;play=x.wav;duration=0", 400),
            ("annc@;play=%FF%FE", 400),
            ("annc@;play=" + "a" * 3000, 414),
            ("conf=@", 400),
            ("conf@", 400),
            ("conf=a%2F..%2Fb@", 400),
            ("dialog@", 400),
            ("nobody@", 404),
            ("annc=x@;play=x.wav", 404),
        ):
            response = self.refusal(uri, status)
            self.assertIn(b"399", response.headers.first(b"Warning") or b"", uri)
        self.assertEqual(self.engine.live, [])
        self.assertEqual(self.agent.status()["calls"], 0)

    def test_neverAcknowledged(self) -> None:
        """
        Somebody who never acknowledges the answer hears nothing, and is hung up.
        """
        self.invite("annc@;play=x.wav")
        runFor(self.clock, 33.0)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertEqual(self.media.played, [])
        self.assertGreater(self.peer.count(200), 5)
        self.assertTrue(self.media.stopped)

    def test_acknowledgedAgain(self) -> None:
        """
        An ACK that comes twice begins nothing twice.
        """
        self.call("annc@;play=x.wav")
        self.node.acknowledge()
        self.peer._pump()
        self.assertEqual(len(self.media.played), 1)

    def test_playerFails(self) -> None:
        """
        An announcement that cannot go on ends as one that is over.
        """
        self.call("annc@;play=x.wav")
        self.media.finish(Ended.FAILED)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)


class UserAgentTests(MediaAgentTestCase):
    """
    What any user agent does.
    """

    settings: ClassVar = {"sessions": 2, "duration": 3600.0}

    def test_options(self) -> None:
        """
        OPTIONS tells what is understood.
        """
        request = self.node.build(b"OPTIONS", uri=f"sip:{MEDIA}".encode())
        self.peer.send(request)
        response = self.peer.expectResponse(200, request)
        self.assertIn(b"INFO", response.headers.first(b"Allow") or b"")
        self.assertIn(b"msml", response.headers.first(b"Accept") or b"")
        role = parseRole(response.headers.first(b"X-SIPCluster-Role"))
        self.assertTrue(role.primary and role.epoch)

    def test_strangers(self) -> None:
        """
        Nobody uses it but the SIP Proxies.
        """
        stranger = peerAt(
            self.network, self.clock, STRANGER, Target("UDP", MEDIA, 5060)
        )
        request = self.node.build(
            b"INVITE", uri=f"sip:annc@{MEDIA};play=x.wav".encode(), body=sdp()
        )
        # Its responses go to where it sent from.
        stranger.send(request)
        stranger.expectResponse(403)
        self.assertEqual(self.engine.sessions, [])
        self.assertEqual(self.agent.counters["strangers"], 1)

    def test_full(self) -> None:
        """
        More sessions than there may be are refused 486.
        """
        others = [self.caller("1002"), self.caller("1003")]
        for one in others:
            self.call("annc@;play=x.wav", one)
        self.refusal("annc@;play=x.wav", 486)
        bye = others[0].within(b"BYE")
        self.peer.expectResponse(200, bye)
        self.call("annc@;play=x.wav")

    def test_engineIsFull(self) -> None:
        """
        So is one that the engine has no room for.
        """
        self.engine.most = 0
        self.refusal("annc@;play=x.wav", 486)

    def test_unknownMethods(self) -> None:
        """
        What is not known here is refused, in and outside of dialogs.
        """
        for method, status in (
            (b"MESSAGE", 405),
            (b"SUBSCRIBE", 405),
            (b"INFO", 481),
            (b"BYE", 481),
        ):
            request = self.node.build(method, uri=f"sip:{MEDIA}".encode())
            self.peer.send(request)
            self.peer.expectResponse(status, request)
        self.call("annc@;play=x.wav")
        self.peer.expectResponse(405, self.node.within(b"REFER"))
        self.peer.expectResponse(200, self.node.within(b"OPTIONS"))
        self.peer.expectResponse(200, self.node.within(b"INFO"))
        info = self.node.within(b"INFO", body=b"x", contentType=b"text/plain")
        self.peer.expectResponse(415, info)

    def test_required(self) -> None:
        """
        An extension that is not known is refused 420.
        """
        request = self.node.build(
            b"INVITE",
            fields=[(b"Require", b"100rel, timer")],
            uri=f"sip:annc@{MEDIA};play=x.wav".encode(),
            body=sdp(),
        )
        self.peer.send(request)
        response = self.peer.expectResponse(420, request)
        self.assertEqual(response.headers.first(b"Unsupported"), b"100rel")
        self.node.acknowledgeRefusal(response, request)

    def test_noAudio(self) -> None:
        """
        An offer without audio is refused 488, and something else than an offer 415.
        """
        self.refusal("annc@;play=x.wav", 488, body=b"v=0\r\nm=video 1 RTP/AVP 9\r\n")
        request = self.node.build(
            b"INVITE",
            uri=f"sip:annc@{MEDIA};play=x.wav".encode(),
            body=b"x",
            contentType=b"text/plain",
        )
        self.peer.send(request)
        self.node.acknowledgeRefusal(self.peer.expectResponse(415, request), request)
        self.assertEqual(self.engine.live, [])

    def test_offers(self) -> None:
        """
        An INVITE without an offer is answered with one; the ACK has the answer.
        """
        request = self.invite("annc@;play=x.wav", body=b"")
        response = self.node.accepted(self.peer.expectResponse(200, request))
        self.assertIn(b"m=audio", response.body)
        self.node.acknowledge(sdp("node"))
        self.peer._pump()
        self.assertEqual(len(self.media.answers), 1)
        self.assertEqual(len(self.media.played), 1)

    def test_offersInVain(self) -> None:
        """
        An answer that does not suit ends the session.
        """
        request = self.invite("annc@;play=x.wav", body=b"")
        self.node.accepted(self.peer.expectResponse(200, request))
        self.node.acknowledge(b"v=0\r\n")
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)

    def test_hold(self) -> None:
        """
        A re-INVITE changes the session; what is played goes on.
        """
        self.call("annc@;play=x.wav")
        hold = self.node.within(b"INVITE", body=sdp("node", direction="sendonly"))
        response = self.peer.expectResponse(200, hold)
        self.assertIn(b"a=recvonly", response.body)
        self.node.acknowledge()
        self.peer._pump()
        self.assertEqual(len(self.media.played), 1)
        self.assertIsNotNone(self.media.playing)
        update = self.node.within(b"UPDATE", body=sdp("node"))
        self.assertIn(b"a=sendrecv", self.peer.expectResponse(200, update).body)

    def test_badReInvite(self) -> None:
        """
        A re-INVITE that does not suit leaves all as it was.
        """
        self.call("annc@;play=x.wav")
        bad = self.node.within(b"INVITE", body=b"v=0\r\n")
        self.node.acknowledgeRefusal(self.peer.expectResponse(488, bad), bad)
        good = self.node.within(b"INVITE", body=sdp("node"))
        self.peer.expectResponse(200, good)
        self.node.acknowledge()
        self.peer._pump()
        self.assertIsNotNone(self.media.playing)

    def test_twoReInvites(self) -> None:
        """
        A re-INVITE while the one before is not acknowledged is refused 500.
        """
        self.call("annc@;play=x.wav")
        first = self.node.within(b"INVITE", body=sdp("node"))
        self.peer.expectResponse(200, first)
        number = self.node.dialog.localSequence if self.node.dialog else 0
        second = self.node.within(b"INVITE", body=sdp("node"))
        response = self.peer.expectResponse(500, second)
        self.assertIn(b"Retry-After", response.headers)
        self.node.acknowledgeRefusal(response, second)
        update = self.node.within(b"UPDATE", body=sdp("node"))
        self.peer.expectResponse(491, update)
        self.node.acknowledge(number=number)
        self.peer._pump()

    def test_outOfOrder(self) -> None:
        """
        A request with a CSeq from before is refused.
        """
        self.call("annc@;play=x.wav")
        dialog = self.node.dialog
        self.peer.expectResponse(200, self.node.within(b"INFO"))
        self.peer.expectResponse(200, self.node.within(b"INFO"))
        self.node.dialog = dialog
        self.peer.expectResponse(500, self.node.within(b"INFO"))
        assert dialog is not None
        self.node.dialog = dialog._counted(9, 0)

    def test_sessionTimer(self) -> None:
        """
        A session that is not refreshed in time ends.
        """
        request = self.node.build(
            b"INVITE",
            fields=[
                (b"Supported", b"timer"),
                (b"Session-Expires", b"90;refresher=uac"),
            ],
            uri=f"sip:annc@{MEDIA};play=x.wav".encode(),
            body=sdp("node"),
        )
        self.node.invite = request
        self.peer.send(request)
        response = self.node.accepted(self.peer.expectResponse(200, request))
        value = response.headers.first(b"Session-Expires")
        self.assertEqual(value, b"90;refresher=uac")
        self.assertEqual(response.headers.first(b"Require"), b"timer")
        self.node.acknowledge()
        runFor(self.clock, 70.0)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertTrue(self.media.stopped)

    def test_weRefresh(self) -> None:
        """
        It refreshes the session where it is asked to; a far end that is gone ends it.
        """
        request = self.node.build(
            b"INVITE",
            fields=[
                (b"Supported", b"timer"),
                (b"Allow", b"INVITE, UPDATE"),
                (b"Session-Expires", b"90;refresher=uas"),
            ],
            uri=f"sip:annc@{MEDIA};play=x.wav".encode(),
            body=sdp("node"),
        )
        self.node.invite = request
        self.peer.send(request)
        self.node.accepted(self.peer.expectResponse(200, request))
        self.node.acknowledge()
        runFor(self.clock, 46.0)
        update = self.peer.expectRequest(b"UPDATE")
        fields = [(b"Session-Expires", b"90;refresher=uac")]
        self.peer.respond(update, 200, fields=fields)
        runFor(self.clock, 46.0)
        self.peer.respond(self.peer.expectRequest(b"UPDATE"), 481)
        self.peer._pump()
        self.assertTrue(self.media.stopped)

    def test_shortTimer(self) -> None:
        """
        An interval that is too short is refused 422.
        """
        request = self.node.build(
            b"INVITE",
            fields=[(b"Supported", b"timer"), (b"Session-Expires", b"30")],
            uri=f"sip:annc@{MEDIA};play=x.wav".encode(),
            body=sdp("node"),
        )
        self.peer.send(request)
        response = self.peer.expectResponse(422, request)
        self.assertEqual(response.headers.first(b"Min-SE"), b"90")
        self.node.acknowledgeRefusal(response, request)

    def test_malformedTimer(self) -> None:
        """
        An INVITE whose interval cannot be read is refused, and leaves no session.
        """
        request = self.node.build(
            b"INVITE",
            fields=[(b"Supported", b"timer"), (b"Session-Expires", b"soon")],
            uri=f"sip:annc@{MEDIA};play=x.wav".encode(),
            body=sdp("node"),
        )
        self.peer.send(request)
        response = self.peer.expectResponse(400, request)
        self.node.acknowledgeRefusal(response, request)
        self.assertEqual(self.agent.status()["calls"], 0)
        self.assertEqual(self.engine.live, [])

    def test_lastsTooLong(self) -> None:
        """
        No session lasts longer than the settings allow.
        """
        self.call("annc@;play=music.wav;repeat=forever")
        runFor(self.clock, 3601.0)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)

    def test_comesTwice(self) -> None:
        """
        An INVITE that comes on two ways makes one session.
        """
        request = self.invite("annc@;play=x.wav")
        again = request.replacing(
            headers=request.headers.replaceFirstValue(
                b"Via", b"SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bKother"
            )
        )
        self.peer.expectResponse(200, request)
        self.peer.send(again)
        self.peer.expectResponse(482, again)
        self.assertEqual(len(self.engine.sessions), 1)

    def test_stopping(self) -> None:
        """
        A media server that ends hangs up, takes no more, and says so.
        """
        self.call("annc@;play=music.wav;repeat=forever")
        stopped = self.agent.stop()
        self.assertNoResult(stopped)
        bye = self.peer.expectRequest(b"BYE")
        request = self.invite("annc@;play=x.wav", self.caller("1002"))
        response = self.peer.expectResponse(503, request)
        self.node.acknowledgeRefusal(response, request)
        self.peer.respond(bye, 200)
        self.peer._pump()
        self.successResultOf(stopped)


def _mode(streams: str, attributes: str = "") -> str:
    """
    How a member takes part in the conference c1.
    """
    ids = f'id1="$conn" id2="conf:c1" xmlns:x="urn:sipcluster:msml"{attributes}'
    return f"<modifystream {ids}>{streams}</modifystream>"


class ConferenceTests(MediaAgentTestCase):
    """
    RFC 4240 section 5, and who hears whom.
    """

    settings: ClassVar = {"members": 3}

    def test_joins(self) -> None:
        """
        Whoever is invited under one name is in one conference.
        """
        other = self.caller("1002")
        self.call("conf=006302@;member=1001")
        self.call("conf=006302@", other)
        one, two = self.engine.sessions
        self.assertEqual(one.conference, ("006302", "1001", Talk.ALL, "", False))
        assert two.conference is not None
        self.assertEqual(two.conference[:2], ("006302", f"sip:1002@{MEDIA}"))
        self.assertEqual(self.agent.status()["conferences"], 1)

    def test_modes(self) -> None:
        """
        MSML says how a member takes part.
        """
        self.call("conf=c1@;member=1001")
        for inside, expected in (
            (
                _mode('<stream media="audio" dir="to-id1"/>'),
                (Talk.NOBODY, "", False),
            ),
            (
                _mode('<stream media="audio"/>', ' x:member="m" x:coached="1002"'),
                (Talk.COACH, "1002", False),
            ),
            (
                _mode('<stream media="audio" dir="from-id1"/>'),
                (Talk.ALL, "", True),
            ),
            (
                _mode(""),
                (Talk.NOBODY, "", True),
            ),
            ('<join id1="$conn" id2="conf:c1"/>', (Talk.ALL, "", False)),
        ):
            self.assertEqual(self.tell(inside).response, 200)
            assert self.media.conference is not None
            self.assertEqual(self.media.conference[2:], expected)

    def test_full(self) -> None:
        """
        A conference that is full is refused 486; the other ones are not.
        """
        for number in ("1002", "1003", "1004"):
            self.call("conf=c1@", self.caller(number))
        self.refusal("conf=c1@", 486)
        self.call("conf=c2@")

    def test_engineSaysFull(self) -> None:
        """
        So is one that the engine takes no member for.
        """
        self.engine.members = 1
        self.call("conf=c1@", self.caller("1002"))
        self.refusal("conf=c1@", 486)
        self.assertEqual(len(self.engine.live), 1)

    def test_destroyed(self) -> None:
        """
        A conference that is destroyed hangs up on its members.
        """
        self.call("conf=c1@", self.caller("1002"))
        self.call("msml@")
        self.assertEqual(self.tell('<destroyconference id="conf:c1"/>').response, 200)
        self.peer.respond(self.peer.expectRequest(b"BYE"), 200)
        self.assertEqual(self.tell('<destroyconference id="conf:c1"/>').response, 430)


class FakeEngineTests(MediaAgentTestCase):
    """
    The engine of these tests is one.
    """

    def test_seams(self) -> None:
        """
        It gives what the seams say.
        """
        engine = FakeEngine()
        self.assertIn(b"m=audio", engine.session(sdp()).offer())
