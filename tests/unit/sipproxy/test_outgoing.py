"""
L{sipcluster.sipproxy.outgoing}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipcluster.sip.isip import Target
from sipcluster.sip.message import Headers, Request, makeResponse
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.destinations import Destination, Hop
from sipcluster.sipproxy.outgoing import loopKey, outgoing, recordRoutes, withoutTopVia
from sipcluster.testing.records import RecordingFlow
from tests.unit.sipproxy.samples import contextOf, request

UDP = RecordingFlow(local=("192.0.2.11", 5060))
TLS = RecordingFlow("TLS", local=("192.0.2.11", 5061))
HOP = Hop(Target("UDP", "192.0.2.21", 5060))


def sent(context: RequestContext, hop: Hop = HOP, **how: object) -> Request:
    """
    What leaves.
    """
    return outgoing(context, Destination(**how), hop, UDP)  # type: ignore[arg-type]


class OutgoingTests(SynchronousTestCase):
    """
    RFC 3261 section 16.6.
    """

    def test_nothingElseChanges(self) -> None:
        """
        Every field but Max-Forwards is as it came, byte for byte.
        """
        message = request("sip:x@y", "Max-Forwards: 70", "X-Odd :  a ,b", "s: subject")
        context = contextOf(message)
        context.maxForwards = 69
        made = sent(context)
        lines = [line for line in message.headers.lines if b"Max" not in line]
        self.assertEqual([x for x in made.headers.lines if b"Max" not in x], lines)
        self.assertEqual(made.maxForwards, 69)
        self.assertEqual(made.uri, b"sip:x@y")

    def test_maxForwardsAdded(self) -> None:
        """
        Who brings none gets one.
        """
        self.assertEqual(sent(contextOf(request())).maxForwards, 70)

    def test_target(self) -> None:
        """
        The destination's URI takes the place of the Request-URI.
        """
        made = sent(contextOf(request()), uri=b"sip:bob@192.0.2.2")
        self.assertEqual(made.uri, b"sip:bob@192.0.2.2")

    def test_routes(self) -> None:
        """
        What was popped is gone, what is to be added stands on top.
        """
        context = contextOf(request("sip:x@y", "Route: <sip:a;lr>, <sip:b;lr>"))
        context.popRoute()
        self.assertEqual(sent(context).headers.all(b"Route"), [b"<sip:b;lr>"])
        made = sent(
            context,
            Hop(HOP.target, route=b"<sip:hop;lr>"),
            route=(b"<sip:path;lr>",),
        )
        self.assertEqual(
            made.headers.all(b"Route"),
            [b"<sip:hop;lr>", b"<sip:path;lr>", b"<sip:b;lr>"],
        )
        skipping = Hop(HOP.target, skips=1)
        self.assertEqual(sent(context, skipping).headers.all(b"Route"), [])
        context.popRoute()
        self.assertNotIn(b"Route", sent(context).headers)

    def test_strictRouter(self) -> None:
        """
        A next hop that is a strict router gets its own URI, and ours below.
        """
        context = contextOf(request("sip:x@y", "Route: <sip:strict>, <sip:b;lr>"))
        made = sent(context)
        self.assertEqual(made.uri, b"sip:strict")
        self.assertEqual(made.headers.all(b"Route"), [b"<sip:b;lr>", b"<sip:x@y>"])
        odd = contextOf(request("sip:x@y", "Route: <sip:a;LR>"))
        self.assertEqual(sent(odd).uri, b"sip:x@y")

    def test_recordRoute(self) -> None:
        """
        Ours stands above those of the hops before.
        """
        context = contextOf(request("sip:x@y", "Record-Route: <sip:before;lr>"), UDP)
        context.recordRoute = True
        self.assertEqual(
            sent(context).headers.all(b"Record-Route"),
            [b"<sip:192.0.2.11:5060;lr>", b"<sip:before;lr>"],
        )

    def test_twoRecordRoutes(self) -> None:
        """
        Where the sides differ each has a value of its own, the one for the
        next hop on top (RFC 5658); a token stands with its own side.
        """
        self.assertEqual(
            recordRoutes(TLS, b"token", UDP, b"", False),
            [
                b"<sip:192.0.2.11:5060;lr;r2=on>",
                b"<sip:token@192.0.2.11:5061;transport=tls;lr;r2=on>",
            ],
        )
        self.assertEqual(
            recordRoutes(UDP, b"one", UDP, b"", False),
            [b"<sip:one@192.0.2.11:5060;lr>"],
        )
        self.assertEqual(len(recordRoutes(UDP, b"one", UDP, b"two", False)), 2)
        self.assertTrue(recordRoutes(UDP, b"", UDP, b"", True)[0].startswith(b"<sips:"))

    def test_breadth(self) -> None:
        """
        Max-Breadth is set where a branch has a share.
        """
        made = sent(contextOf(request()), breadth=3)
        self.assertEqual(made.headers.first(b"Max-Breadth"), b"3")
        made = sent(contextOf(request("sip:x@y", "Max-Breadth: 9")), breadth=4)
        self.assertEqual(made.headers.all(b"Max-Breadth"), [b"4"])

    @given(st.sampled_from(["sip:a@b", "sip:c@d"]), st.sampled_from(["", "<sip:r;lr>"]))
    def test_loopKey(self, uri: str, route: str) -> None:
        """
        The key differs when anything differs that decides the way, and with
        nothing that a CANCEL leaves out.
        """
        more = [f"Route: {route}"] if route else []
        one = loopKey(contextOf(request(uri, *more)))
        same = loopKey(contextOf(request(uri, *more, "Proxy-Authorization: x")))
        other = loopKey(contextOf(request(uri, *more, "Route: <sip:s;lr>")))
        self.assertEqual(one, same)
        self.assertNotEqual(one, other)
        self.assertNotEqual(one, loopKey(contextOf(request(uri + "x", *more))))


class WithoutTopViaTests(SynchronousTestCase):
    """
    RFC 3261 section 16.7 step 3.
    """

    def test_oneLineEach(self) -> None:
        """
        The first line goes, whatever is between it and the next.
        """
        headers = Headers.of((b"Via", b"a"), (b"To", b"t"), (b"v", b"b"))
        self.assertEqual(withoutTopVia(headers).all(b"Via"), [b"b"])

    def test_allInOneLine(self) -> None:
        """
        Of several in one line the first goes.
        """
        for value in (b"a, b,c", b"a,b, c", b'a;x="1,2" , b,c'):
            headers = Headers.of((b"Via", value), (b"Via", b"d"))
            left = withoutTopVia(headers)
            self.assertEqual(left.values(b"Via"), [b"b", b"c", b"d"], value)

    def test_elsewhere(self) -> None:
        """
        It need not stand on top of the message; there need not be any.
        """
        headers = Headers.of((b"To", b"t"), (b"Via", b"a"), (b"Via", b"b"))
        self.assertEqual(withoutTopVia(headers).all(b"Via"), [b"b"])
        self.assertEqual(withoutTopVia(Headers()).all(b"Via"), [])
        one = Headers.of((b"Via", b"a, "))
        self.assertEqual(withoutTopVia(one).all(b"Via"), [])

    def test_forgets(self) -> None:
        """
        What was read of the old top Via is not believed of the new one.
        """
        response = makeResponse(request(), 200)
        first = response.via
        headers = response.headers.prepend(b"Via", b"SIP/2.0/TCP other;branch=x")
        above = response.replacing(headers=headers)
        self.assertEqual(above.via.host, b"other")
        self.assertEqual(len(above.vias), 2)
        below = above.replacing(headers=withoutTopVia(headers))
        self.assertEqual(below.via, first)
        self.assertEqual(len(below.vias), 1)
