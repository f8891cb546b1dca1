"""
Who calls, and where a call was meant to go before: RFC 3323, 3325, 5806 and 7044.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from sipcluster.app.node import directoryOf
from sipcluster.app.settings import Trunk
from sipcluster.sessioncontroller.dialplan import FeatureDialPlan, StaticDialPlan
from sipcluster.sessioncontroller.isessioncontroller import ForwardMode
from sipcluster.sip.message import Request
from sipcluster.testing.sip_peer import Phone, sdp
from tests.memory.nodes import DOMAIN, TRUNK, NodeTestCase
from tests.unit.sessioncontroller.test_dialplan_features import Features

ANONYMOUS = b'"Anonymous" <sip:anonymous@anonymous.invalid>'
HIDDEN = (b"Privacy", b"id")


class IdentityTestCase(NodeTestCase):
    """
    Telephones and a trunk.
    """

    #: Whether the trunk is.
    trusted = False

    def makeNode(self, name: str, address: str) -> Any:
        dns = tuple(
            evolve(dn, assertedIdentity=self.trusted) if isinstance(dn, Trunk) else dn
            for dn in self.configuration.dns
        )
        self.configuration = evolve(self.configuration, dns=dns)
        return super().makeNode(name, address)

    def setUp(self) -> None:
        super().setUp()
        self.far = Phone(self.peer, "5550100", DOMAIN, b"", TRUNK)

    def called(
        self, caller: Phone, to: str, *fields: tuple[bytes, bytes], source: bytes = b""
    ) -> Request:
        """
        Somebody calls, and is refused.

        @param source: another From.

        @return: the INVITE that was sent.
        """
        if source:
            request = caller.build(b"INVITE", to, fields, sdp())
            headers = request.headers.replace(b"From", source + b";tag=1")
            caller.peer.send(request.replacing(headers=headers))
            caller.invite = request
        else:
            caller.request(b"INVITE", to, fields, sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.bob.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        assert caller.invite is not None
        caller.acknowledgeRefusal(self.peer.expectResponse(486), caller.invite)
        return invite

    def callers(self) -> list[tuple[str, str]]:
        """
        Whom programs have been told of.
        """
        return [(event.party.thisDN, event.party.ani) for event in self.sink.events]

    def assertFrom(self, invite: Request, wanted: bytes) -> None:
        """
        The called side sees this caller.
        """
        value = invite.headers.first(b"From") or b""
        self.assertEqual(value.partition(b";tag")[0], wanted)


class StrangerTests(IdentityTestCase):
    """
    Telephones, and a trunk that is not trusted.
    """

    def test_hidden(self) -> None:
        """
        Who does not want to be shown is shown to nobody; programs see the DN.
        """
        for to in ("1002", "9555"):
            invite = self.called(self.alice, to, HIDDEN)
            self.assertFrom(invite, ANONYMOUS)
            for name in (b"P-Asserted-Identity", b"Privacy"):
                self.assertNotIn(name, invite.headers)
            self.assertNotIn(b"1001", invite.render().replace(b"sip:1001@198", b""))
        self.assertIn(("1001", "1001"), self.callers())

    def test_anonymousTelephone(self) -> None:
        """
        A telephone that does not name itself, as it does not want to be shown, is known
        by its credentials.
        """
        self.called(self.alice, "1002")
        invite = self.called(self.alice, "1002", source=ANONYMOUS)
        self.assertFrom(invite, ANONYMOUS)
        self.assertEqual({ani for _, ani in self.callers()}, {"1001"})

    def test_shown(self) -> None:
        """
        What a telephone, or a trunk that is not trusted, asserts is not believed.
        """
        claim = (b"P-Asserted-Identity", b"<sip:9999@lab.example>")
        invite = self.called(self.alice, "1002", claim, (b"Privacy", b"none"))
        self.assertFrom(invite, b"<sip:1001@lab.example>")
        self.assertNotIn(b"P-Asserted-Identity", invite.headers)
        invite = self.called(self.far, "1002", claim)
        self.assertFrom(invite, b"<sip:5550100@lab.example>")

    def test_hiddenOutside(self) -> None:
        """
        Of a caller from outside that does not want to be shown nobody sees the number.
        """
        invite = self.called(self.far, "1002", (b"Privacy", b"user;critical"))
        self.assertFrom(invite, ANONYMOUS)
        self.assertEqual({ani for _, ani in self.callers()}, {"anonymous"})

    def test_alerting(self) -> None:
        """
        Telephones answer by themselves when another one wants it; who calls by a trunk
        that is not trusted could hear what is said in a room.
        """
        fields = (
            (b"Call-Info", b"<sip:x>;answer-after=0"),
            (b"Alert-Info", b"<http://x>;info=alert-autoanswer;delay=0"),
        )
        for caller, number in ((self.alice, 2), (self.far, 0)):
            invite = self.called(caller, "1002", *fields)
            self.assertEqual(sum(n in invite.headers for n, _ in fields), number)

    def test_divertedByTelephone(self) -> None:
        """
        Nobody is told what a telephone says of who has diverted its call.
        """
        fields = (
            (b"diversion", b"<sip:5550199@x>;reason=no-answer"),
            (b"History-Info", b"<sip:5550199@x>;index=1"),
        )
        for to in ("1002", "9555"):
            invite = self.called(self.alice, to, *fields)
            for name, _ in fields:
                self.assertNotIn(name, invite.headers)


class TrustedTests(IdentityTestCase):
    """
    A trunk that is trusted.
    """

    trusted = True

    def test_told(self) -> None:
        """
        It is told who calls, and whether to keep that to itself.
        """
        invite = self.called(self.alice, "9555")
        self.assertFrom(invite, b"<sip:1001@lab.example>")
        asserted = invite.headers.all(b"P-Asserted-Identity")
        self.assertEqual(asserted, [b"<sip:1001@lab.example>"])
        self.assertNotIn(b"Privacy", invite.headers)
        invite = self.called(self.alice, "9555", HIDDEN)
        self.assertFrom(invite, ANONYMOUS)
        asserted = invite.headers.all(b"P-Asserted-Identity")
        self.assertEqual(asserted, [b"<sip:1001@lab.example>"])
        self.assertEqual(invite.headers.first(b"Privacy"), b"id")

    def test_believed(self) -> None:
        """
        What it says of who calls is believed; what cannot be read is left out.
        """
        claims = [
            (b"P-Asserted-Identity", b"<urn:x>, <"),
            (b"P-Asserted-Identity", b'"Boss" <tel:+15550199>'),
        ]
        invite = self.called(self.far, "1002", *claims[1:])
        self.assertFrom(invite, b'"Boss" <sip:+15550199@lab.example>')
        self.assertEqual({ani for _, ani in self.callers()}, {"+15550199"})
        invite = self.called(self.far, "1002", *claims[:1])
        self.assertFrom(invite, b"<sip:5550100@lab.example>")
        self.sink.events.clear()
        invite = self.called(self.far, "1002", claims[1], HIDDEN)
        self.assertFrom(invite, ANONYMOUS)
        self.assertNotIn(b"P-Asserted-Identity", invite.headers)
        self.assertEqual({ani for _, ani in self.callers()}, {"anonymous"})


class DiversionTests(IdentityTestCase):
    """
    A call is forwarded, or sent elsewhere.
    """

    trusted = True

    def setUp(self) -> None:
        super().setUp()
        directory = directoryOf(self.configuration)
        self.features = Features()
        self.node.controller._plan = FeatureDialPlan(
            StaticDialPlan(directory), directory, self.features
        )

    def told(self, invite: Request) -> tuple[list[bytes], list[bytes]]:
        """
        What the called side learns.
        """
        headers = invite.headers
        return headers.all(b"Diversion"), headers.all(b"History-Info")

    def ends(self, phone: Phone, invite: Request) -> None:
        """
        Nobody takes the call.
        """
        phone.refuse(invite, 480)
        self.peer.expectRequest(b"ACK")
        self.assertRefused(480)

    def test_forwarded(self) -> None:
        """
        Whoever is called instead learns who has forwarded the call, and why: the last
        one first.
        """
        self.features.forward("1002", ForwardMode.UNCONDITIONAL, "1003")
        self.features.forward("1003", ForwardMode.ON_BUSY, "9555")
        self.alice.request(b"INVITE", "1002", body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        first = b"<sip:1002@lab.example>;reason=unconditional;counter=1"
        history = [
            b"<sip:1002@lab.example>;index=1",
            b"<sip:1003@lab.example;cause=302>;index=1.1;mp=1",
        ]
        self.assertEqual(self.told(invite), ([first], history))
        self.carol.refuse(invite, 486)
        self.peer.expectRequest(b"ACK")
        invite = self.peer.expectRequest(b"INVITE")
        second = b"<sip:1003@lab.example>;reason=user-busy;counter=1"
        further = b"<sip:555@lab.example;cause=486>;index=1.1.1;mp=1.1"
        self.assertEqual(self.told(invite), ([second, first], [*history, further]))
        self.ends(self.carol, invite)

    def test_redirected(self) -> None:
        """
        So it is when a telephone sends its call elsewhere; what the caller has said
        stays.
        """
        before = (b"Diversion", b"<sip:x@y>;reason=no-answer")
        history = (b"History-Info", b"<sip:x@y>;index=1, <sip:1002@y>;index=1.3")
        self.far.request(b"INVITE", "1002", [before, history], body=sdp())
        invite = self.peer.expectRequest(b"INVITE")
        self.assertEqual(self.told(invite), ([before[1]], [history[1]]))
        uri = b"<sip:1003@lab.example>"
        self.bob.refuse(invite, 302, [(b"Contact", uri)])
        self.peer.expectRequest(b"ACK")
        invite = self.peer.expectRequest(b"INVITE")
        ours = b"<sip:1002@lab.example>;reason=deflection;counter=1"
        further = b"<sip:1003@lab.example;cause=480>;index=1.3.1;mp=1.3"
        self.assertEqual(self.told(invite), ([ours, before[1]], [history[1], further]))
        self.carol.refuse(invite, 480)
        self.peer.expectRequest(b"ACK")
        assert self.far.invite is not None
        self.far.acknowledgeRefusal(self.peer.expectResponse(480), self.far.invite)
