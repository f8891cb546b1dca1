"""
Tests for L{sipcluster.media.rtp_stream}: whose packets count, and reports.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sipcluster.media.packets import render
from tests.unit.media.sessions import PLAIN, SessionCase, Studio


class PeerTests(SessionCase):
    """
    Whose packets are heard, and where ours go.
    """

    def setUp(self) -> None:
        super().setUp()
        self.server.collect(self.digits.append)

    def _from(self, host: str, data: bytes, port: int = 7000) -> None:
        self.server._received(data, (host, port))

    def _event(self, number: int, stamp: int, source: int = 5) -> bytes:
        return render(101, stamp & 0xFFFF, stamp, source, bytes([number, 10, 0, 160]))

    def test_described(self) -> None:
        """
        While the described far end sends, nobody else is heard.
        """
        self.studio.run(0.5)
        self._from("203.0.113.9", self._event(1, 999999))
        self.assertEqual(self.digits, [])
        self.assertEqual(self.server.status()["foreign"], 1)

    def test_behindATranslator(self) -> None:
        """
        Where packets come from another place than was described, ours go there.
        """
        self.phone.stop()
        server = self.studio.server.session(PLAIN)
        server._received(render(8, 1, 2, 3, bytes(160)), ("203.0.113.9", 7000))
        self.studio.run(0.02)
        sent = self.studio.network["192.0.2.1"].bound[server.local.port].sent
        self.assertEqual(sent[-1][1:], ("203.0.113.9", 7000))

    def test_describedComesFirst(self) -> None:
        """
        Whoever sends first is left for the described far end when that one sends.
        """
        server = self.studio.server.session(PLAIN)
        server._received(render(8, 1, 2, 3, bytes(160)), ("203.0.113.9", 7000))
        server._received(render(8, 1, 2, 4, bytes(160)), ("192.0.2.9", 4000))
        server._received(render(8, 2, 2, 3, bytes(160)), ("203.0.113.9", 7000))
        self.assertEqual(server.receiver.peer, ("192.0.2.9", 4000))
        self.assertEqual(server.status()["foreign"], 1)

    def test_movesWhenSilent(self) -> None:
        """
        A far end that nothing is heard of may have moved.
        """
        self.studio.run(0.5)
        self.phone.stop()
        self.studio.run(7.0)
        self._from("203.0.113.9", self._event(3, 1000))
        self.assertEqual(self.digits, ["3"])

    def test_newDescription(self) -> None:
        """
        A description with another address is believed at once.
        """
        self.studio.run(0.5)
        self.server.answer(PLAIN.replace(b"192.0.2.9", b"203.0.113.9"))
        self.server._received(render(8, 1, 2, 3, bytes(160)), ("203.0.113.9", 4000))
        self.assertEqual(self.server.receiver.peer, ("203.0.113.9", 4000))

    def test_unknown(self) -> None:
        """
        Payload types that nobody agreed on are counted, and so is what is no RTP.
        """
        self.studio.run(0.1)
        peer = self.server.receiver.peer
        assert peer is not None
        self.server._received(render(13, 1, 2, 3, b"x"), peer)
        self.server._received(b"nonsense", peer)
        status = self.server.status()
        self.assertEqual((status["unknown"], status["bad"]), (1, 1))

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.binary(max_size=60), max_size=5))
    def test_anything(self, datagrams: list[bytes]) -> None:
        """
        Whatever comes on either port, nothing is raised.
        """
        studio = Studio()
        _, server = studio.call()
        server.join("c")
        studio.run(0.1)
        peer = server.receiver.peer
        assert peer is not None
        for data in datagrams:
            for start in (b"", b"\x80\x00", b"\x80\xc8", b"\x90\x80", b"\x80\x65"):
                server._received(start + data, peer)
                server._controlReceived(start + data, peer)
        studio.run(0.1)
        studio.end()


class ReportTests(SessionCase):
    """
    RTCP.
    """

    def test_reports(self) -> None:
        """
        Each learns what the other gets.
        """
        server = self.studio.network["192.0.2.1"]
        count = iter(range(10**6))
        server.loses = (  # type: ignore[method-assign]
            lambda data: len(data) == 172 and next(count) % 10 == 5
        )
        self.studio.run(20.0)
        self.assertLess(abs(self.reported(self.server, "farLost") - 75), 30)
        self.assertEqual(self.reported(self.phone, "farLost"), 0)
        self.assertEqual(self.reported(self.server, "roundTrip"), 0.0)

    def test_withRTP(self) -> None:
        """
        RTCP may go with RTP.
        """
        offer = self.phone.offer() + b"a=rtcp-mux\r\n"
        self.phone.accepted(self.server.answer(offer))
        port = self.studio.network["192.0.2.1"].bound
        del port[self.server._ports.rtcp.port]
        self.studio.run(10.0)
        self.assertGreater(self.phone._control.reports, 0)
        self.assertGreater(self.server._control.reports, 0)

    def test_foreign(self) -> None:
        """
        Reports of others, and what is none, are dropped.
        """
        before = self.server._control.reports
        self.server._controlReceived(b"nonsense", ("192.0.2.2", 1))
        self.server._controlReceived(b"nonsense", ("203.0.113.9", 1))
        status = self.server.status()
        self.assertEqual((status["bad"], status["foreign"]), (1, 1))
        self.assertEqual(self.server._control.reports, before)
