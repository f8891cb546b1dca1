"""
A node by itself: registration, authentication, capabilities, refusals, its end.
"""

from __future__ import annotations

from sipcluster.sip.headers import Headers
from sipcluster.sip.isip import Target
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import sdp
from tests.memory.nodes import PROXY1, PROXY2, TRUNK, NodeTestCase


class RegisterTests(NodeTestCase):
    """
    A SIP Proxy has a REGISTER authenticated.
    """

    def test_granted(self) -> None:
        """
        A REGISTER with the right password is granted: each Contact with its
        C{expires}, no shorter than asked nor longer than the configuration
        allows.
        """
        self.alice.request(b"REGISTER", fields=[(b"Expires", b"600")])
        response = self.peer.expectResponse(200)
        self.assertEqual(
            response.headers.all(b"Contact"), [b"<sip:1001@198.51.100.1>;expires=600"]
        )
        self.alice.request(b"REGISTER", fields=[(b"Expires", b"999999")])
        response = self.peer.expectResponse(200)
        self.assertEqual(response.contacts[0].expires, 3600)

    def test_challenge(self) -> None:
        """
        A REGISTER without credentials is challenged, with the strongest
        algorithm first.
        """
        request = self.alice.build(b"REGISTER")
        self.peer.send(request)
        response = self.peer.expectResponse(401)
        values = response.headers.all(b"WWW-Authenticate")
        self.assertIn(b"SHA-256", values[0])
        self.assertIn(b"MD5", values[1])
        self.assertIn(b'realm="lab.example"', values[0])

    def test_wrongPassword(self) -> None:
        """
        Wrong credentials are challenged again and counted, those of a DN that
        is not there just the same; another scheme is challenged as well.
        """
        self.alice.password = b"wrong"
        self.alice.request(b"REGISTER")
        self.peer.expectResponse(401)
        ghost = self.phone("7777", "198.51.100.9")
        ghost.request(b"REGISTER")
        self.peer.expectResponse(401)
        self.assertEqual(self.counters["badCredentials"], 2)
        other = self.bob.build(b"REGISTER", fields=[(b"Authorization", b"Basic Zm9v")])
        self.peer.send(other)
        self.peer.expectResponse(401)

    def test_staleNonce(self) -> None:
        """
        The right password with a nonce that is too old gets a new one, marked
        as stale.
        """
        self.alice.request(b"REGISTER")
        self.peer.expectResponse(200)
        self.run_(1000)
        self.alice.request(b"REGISTER")
        response = self.peer.expectResponse(401)
        self.assertIn(b"stale=true", response.headers.first(b"WWW-Authenticate") or b"")

    def test_placeOfATrunk(self) -> None:
        """
        A DN cannot register the far end of a trunk, and so have its calls go
        out there, neither by Contact nor by Path.
        """
        trunk = TRUNK.encode()
        good = b"<sip:0456@192.0.2.9>"
        for contact, path in (
            (b"<sip:0456@%b:5060>" % trunk, b""),
            (b"%b, <sip:0456@%b;transport=tcp>" % (good, trunk), b""),
            (b"<sip:0456@192.0.2.9;maddr=%b>" % trunk, b""),
            (good, b"<sip:%b;lr>" % trunk),
        ):
            self.alice.challenges = []
            self.alice.nonceCount = 0
            self.peer.send(self.alice.build(b"REGISTER"))
            challenge = self.peer.expectResponse(401)
            self.alice.challenges = challenge.headers.all(b"WWW-Authenticate")
            request = self.alice.build(b"REGISTER", number=2)
            headers = request.headers.replace(b"Contact", contact)
            if path:
                headers = headers.append(b"Path", path)
            self.peer.send(request.replacing(headers=headers))
            self.peer.expectResponse(403)

    def test_somebodyElse(self) -> None:
        """
        A DN can register itself only, in our domain.
        """
        self.alice.request(b"REGISTER")
        self.peer.expectResponse(200)
        for to in (b"<sip:1002@lab.example>", b"<sip:1001@elsewhere.example>"):
            request = self.alice.build(b"REGISTER")
            request = request.replacing(headers=request.headers.replace(b"To", to))
            self.peer.send(request)
            self.peer.expectResponse(403, request)
        self.assertEqual(self.counters["forbidden"], 2)

    def test_tooBrief(self) -> None:
        """
        A lifetime below the minimum is answered 423 with the minimum.
        """
        self.alice.request(b"REGISTER", fields=[(b"Expires", b"5")])
        response = self.peer.expectResponse(423)
        self.assertEqual(response.headers.first(b"Min-Expires"), b"60")

    def test_badContact(self) -> None:
        """
        C{Contact: *} that does not remove everything is a bad request.
        """
        request = self.alice.build(b"REGISTER", fields=[(b"Expires", b"60")])
        self.peer.send(request)
        self.alice.challenged(self.peer.expectResponse(401), request)
        request = self.alice.build(b"REGISTER", fields=[(b"Expires", b"60")])
        star = request.headers.replace(b"Contact", b"*")
        self.peer.send(request.replacing(headers=star))
        self.peer.expectResponse(400)

    def test_unknownExtension(self) -> None:
        """
        A REGISTER that requires something unknown is answered 420.
        """
        request = self.alice.build(b"REGISTER", fields=[(b"Require", b"gruu")])
        self.peer.send(request)
        response = self.peer.expectResponse(420)
        self.assertEqual(response.headers.first(b"Unsupported"), b"gruu")


class AuthenticationTests(NodeTestCase):
    """
    An INVITE is authenticated as a REGISTER is.
    """

    def test_challenged(self) -> None:
        """
        An INVITE without credentials makes no call.
        """
        request = self.alice.build(b"INVITE", "1002", body=sdp())
        self.peer.send(request)
        self.alice.challenged(self.peer.expectResponse(401), request)
        self.assertEqual(self.sink.events, [])

    def test_somebodyElse(self) -> None:
        """
        A DN can call as itself only.
        """
        self.alice.request(b"REGISTER")
        self.peer.expectResponse(200)
        request = self.alice.build(b"INVITE", "1003", body=sdp())
        false = b"<sip:1002@lab.example>;tag=1"
        request = request.replacing(headers=request.headers.replace(b"From", false))
        self.peer.send(request)
        self.alice.acknowledgeRefusal(self.peer.expectResponse(403), request)

    def test_telephoneNumberURIs(self) -> None:
        """
        A caller may use C{tel:} URIs, for itself and for whom it calls.
        """
        self.alice.request(b"REGISTER")
        self.peer.expectResponse(200)
        request = self.alice.build(b"INVITE", body=sdp(), uri=b"tel:10-02")
        own = b"<tel:1001>;tag=1"
        request = request.replacing(headers=request.headers.replace(b"From", own))
        self.alice.invite = request
        self.peer.send(request)
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.uri, b"sip:1002@lab.example")
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_otherNodeChallengesAgain(self) -> None:
        """
        Credentials that one node asked for are not good at another, which tells
        a client with the right password that only the nonce is wrong.
        """
        request = self.alice.build(b"REGISTER")
        self.peer.send(request)
        self.alice.challenged(self.peer.expectResponse(401), request)
        other = self.makeNode("node2", "192.0.2.22")
        self.addCleanup(other.stopService)
        self.peer2.target = Target("UDP", "192.0.2.22", 5060)
        self.alice.peer, self.alice.proxy = self.peer2, PROXY2
        request = self.alice.request(b"REGISTER")
        again = self.peer2.expectResponse(401, request)
        for challenge in again.headers.all(b"WWW-Authenticate"):
            self.assertIn(b"stale=true", challenge)
        self.alice.challenged(again, request)
        self.alice.request(b"REGISTER")
        self.peer2.expectResponse(200)


class OptionsTests(NodeTestCase):
    """
    What the node says of itself.
    """

    def options(self) -> Request:
        """
        An OPTIONS as a service checker sends it.
        """
        return Request(
            b"OPTIONS",
            b"sip:node1.lab.example",
            Headers.of(
                (b"Via", b"SIP/2.0/UDP 192.0.2.11:5060;branch=z9hG4bK77"),
                (b"Max-Forwards", b"0"),
                (b"From", b"<sip:proxy1.lab.example>;tag=1"),
                (b"To", b"<sip:node1.lab.example>"),
                (b"Call-ID", b"probe"),
                (b"CSeq", b"1 OPTIONS"),
            ),
        )

    def test_role(self) -> None:
        """
        A SIP Proxy learns what is served, and the role of the node.
        """
        self.peer.send(self.options())
        response = self.peer.expectResponse(200)
        self.assertEqual(
            response.headers.first(b"X-SIPCluster-Role"),
            b"primary;epoch=0;pair=node1",
        )
        self.assertIn(b"INVITE", response.headers.first(b"Allow") or b"")
        self.assertEqual(response.headers.first(b"Accept"), b"application/sdp")
        supported = b"100rel, timer, replaces, tdialog, norefersub"
        self.assertEqual(response.headers.first(b"Supported"), supported)

    def test_stranger(self) -> None:
        """
        A stranger learns what is served, not the role.
        """
        stranger = self.makePeer("203.0.113.66")
        stranger.send(self.options())
        response = stranger.expectResponse(200)
        self.assertNotIn(b"X-SIPCluster-Role", response.headers)

    def test_unknownExtension(self) -> None:
        """
        An OPTIONS that requires something unknown is answered 420.
        """
        request = self.options()
        headers = request.headers.append(b"Require", b"foo")
        self.peer.send(request.replacing(headers=headers))
        self.peer.expectResponse(420)

    def test_stopping(self) -> None:
        """
        A node that is being stopped is out of service: it answers 503, to
        OPTIONS and to new calls.
        """
        self.established()
        self.node.stopService()
        self.peer.send(self.options())
        self.peer.expectResponse(503)
        request = self.carol.build(b"INVITE", "1002", body=sdp())
        self.peer.send(request)
        self.carol.acknowledgeRefusal(self.peer.expectResponse(503), request)
        for _ in range(2):
            bye = self.peer.expectRequest(b"BYE")
            self.assertEqual(bye.headers.first(b"Reason"), b"Q.850;cause=41")
            self.peer.respond(bye, 200)
        self.assertNoCall()


class RefusalTests(NodeTestCase):
    """
    Requests that are not served.
    """

    def test_methods(self) -> None:
        """
        Methods that are not served are refused each in its own way, with Allow.
        """
        for method, status in (
            (b"MESSAGE", 405),
            (b"INFO", 405),
            (b"UPDATE", 405),
            (b"PRACK", 405),
            (b"SUBSCRIBE", 489),
            (b"NOTIFY", 489),
            (b"PUBLISH", 489),
            (b"DANCE", 501),
        ):
            request = self.alice.build(method, "1002")
            self.peer.send(request)
            response = self.peer.expectResponse(status, request)
            if method == b"SUBSCRIBE":
                allowed = response.headers.first(b"Allow-Events")
                self.assertEqual(allowed, b"message-summary, dialog")
                continue
            self.assertIn(b"INVITE", response.headers.first(b"Allow") or b"")
        request = self.alice.build(b"BYE", "1002")
        self.peer.send(request)
        self.peer.expectResponse(481, request)
        self.assertEqual(self.counters["refused405"], 4)

    def test_cancelOfNothing(self) -> None:
        """
        A CANCEL for an INVITE that is not there is answered 481.
        """
        self.alice.cancel(self.alice.build(b"INVITE", "1002"))
        self.peer.expectResponse(481)

    def refusedInvite(self, status: int, **changes: bytes) -> Headers:
        """
        Send an authenticated INVITE with other fields or another body.
        """
        if not self.alice.challenges:
            self.alice.request(b"REGISTER")
            self.peer.expectResponse(200)
        body = changes.pop("body", sdp())
        request = self.alice.build(b"INVITE", "1002", body=body)
        headers = request.headers
        for name, value in changes.items():
            headers = headers.replace(name.replace("_", "-").encode(), value)
        request = request.replacing(headers=headers)
        self.peer.send(request)
        response = self.peer.expectResponse(status, request)
        self.alice.acknowledgeRefusal(response, request)
        self.peer.expectNothing()
        self.assertNoCall()
        return response.headers

    def test_bodies(self) -> None:
        """
        A body that is no SDP is refused, unless it may be left unread.
        """
        headers = self.refusedInvite(415, Content_Type=b"application/foo")
        self.assertEqual(headers.first(b"Accept"), b"application/sdp")
        headers = self.refusedInvite(415, Content_Encoding=b"gzip")
        self.assertEqual(headers.first(b"Accept-Encoding"), b"identity")
        self.refusedInvite(488, body=b"not a session description")
        headers = self.refusedInvite(406, Accept=b"text/plain")
        self.assertEqual(headers.first(b"Accept"), b"application/sdp")

    def test_optionalBody(self) -> None:
        """
        An INVITE whose body may be left unread is one without an offer.
        """
        self.alice.request(
            b"INVITE",
            "1002",
            [(b"Content-Disposition", b"session; handling=optional")],
            b"x",
            b"application/foo",
        )
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(invite.body, b"")
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_extensions(self) -> None:
        """
        Unknown option tags in Require are listed in the 420; session timers and
        reliable provisional responses are known.
        """
        headers = self.refusedInvite(420, Require=b"100rel, timer, foo, bar")
        self.assertEqual(headers.first(b"Unsupported"), b"foo, bar")

    def test_hops(self) -> None:
        """
        A call that may go no further is answered 483.
        """
        self.refusedInvite(483, Max_Forwards=b"0")

    def test_noContact(self) -> None:
        """
        An INVITE whose Contact is missing makes no dialog, and no leg.
        """
        self.refusedInvite(400, Contact=b"*")
        self.assertEqual(self.counters["malformed"], 1)

    def test_tooManyCalls(self) -> None:
        """
        Calls beyond the bound are answered 503 with Retry-After.
        """
        invites = []
        for number in ("1002", "1003", "1002"):
            self.alice.request(b"INVITE", number, body=sdp())
            invites.append(self.peer.expectRequest(b"INVITE"))
        request = self.alice.build(b"INVITE", "1002", body=sdp())
        self.peer.send(request)
        response = self.peer.expectResponse(503, request)
        self.alice.acknowledgeRefusal(response, request)
        self.assertEqual(response.headers.first(b"Retry-After"), b"5")
        for invite in invites:
            self.bob.refuse(invite, 486)
        self.run_(40)
        self.assertNoCall()

    def test_merged(self) -> None:
        """
        The same request by another way is answered 482 (RFC 3261 section
        8.2.2.2).
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        assert self.alice.invite is not None
        headers = self.alice.invite.headers
        for name, value in reversed(self.alice.vias()):
            headers = headers.replaceFirstValue(name, value)
        merged = self.alice.invite.replacing(headers=headers)
        self.peer.send(merged)
        self.alice.acknowledgeRefusal(self.peer.expectResponse(482, merged), merged)
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_strangers(self) -> None:
        """
        Whoever is no SIP Proxy is refused, inside a dialog too, and its ACKs
        and responses are not believed.
        """
        self.established()
        stranger = self.makePeer("203.0.113.66")
        self.alice.peer = stranger
        request = self.alice.build(b"REGISTER")
        stranger.send(request)
        stranger.expectResponse(403)
        self.alice.within(b"BYE")
        stranger.expectResponse(403)
        self.alice.acknowledge()
        self.pump()
        self.assertEqual(self.counters["untrusted"], 3)
        self.alice.peer = self.peer
        self.hangUp()

    def test_strayAcknowledgement(self) -> None:
        """
        An ACK that belongs to nothing is counted and dropped.
        """
        self.established()
        dialog = self.alice.dialog
        self.hangUp()
        self.alice.dialog = dialog
        self.alice.acknowledge()
        self.peer.expectNothing()
        self.assertEqual(self.counters["strayAcks"], 1)

    def test_malformed(self) -> None:
        """
        A request that nobody should act on is answered 400 and counted.
        """
        request = self.alice.build(b"INVITE", "1002")
        headers = request.headers.replace(b"CSeq", b"1 BYE")
        self.peer.send(request.replacing(headers=headers))
        self.peer.expectResponse(400)
        self.assertEqual(self.counters["malformed"], 1)
        self.run_(40)


class StatusTests(NodeTestCase):
    """
    What people are shown.
    """

    def test_calls(self) -> None:
        """
        A call is shown with its ids, parties and legs.
        """
        self.established()
        (call,) = self.node.calls()
        self.assertEqual((call["ani"], call["dnis"]), ("1001", "1002"))
        self.assertEqual(call["callType"], "Internal")
        legs = call["legs"]
        assert isinstance(legs, list)
        self.assertEqual([leg["dn"] for leg in legs], ["1001", "1002"])
        self.assertEqual([leg["state"] for leg in legs], ["Confirmed", "Confirmed"])
        self.assertEqual(legs[1]["remoteTarget"], "sip:1002@198.51.100.2")
        self.assertEqual(list(self.node.registrations()), [])
        self.hangUp()
        self.assertEqual(list(self.node.calls()), [])

    def test_ringingCall(self) -> None:
        """
        A call that is still being made is shown as well.
        """
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        (call,) = self.node.calls()
        legs = call["legs"]
        assert isinstance(legs, list)
        self.assertEqual([leg["state"] for leg in legs], ["Proceeding", "Calling"])
        self.assertEqual(legs[1]["remoteTarget"], "")
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(486)

    def test_proxies(self) -> None:
        """
        Probing finds which SIP Proxies are in service.
        """
        self.node.load()
        self.run_(0.1)
        self.peer.respond(self.peer.expectRequest(b"OPTIONS"), 200)
        self.peer2.expectRequest(b"OPTIONS")
        self.run_(3)
        self.assertEqual(
            self.node.status()["proxies"],
            {"proxy1": "in service", "proxy2": "out of service"},
        )
        self.assertTrue(self.node.proxies.inService("proxy1"))
        self.assertFalse(self.node.proxies.inService("proxy2"))
        self.assertEqual(
            self.node.proxies.status(),
            {"proxy1": "in service", "proxy2": "out of service"},
        )
        self.assertIsNotNone(self.node.proxies.at(PROXY1))
        self.node.checker.stop()

    def test_stoppedBeforeTheFirstQuestion(self) -> None:
        """
        A node may be stopped before it has asked anybody.
        """
        self.node.load()
        self.successResultOf(self.node.stopService())
        self.run_(1)
        self.peer.expectNothing()
