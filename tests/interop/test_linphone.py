"""
linphone against a cluster that offers SHA-256 before MD5, over TLS with a certificate
that linphone verifies.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sipcluster.app.ca import LabCA
from tests.interop.linphone import Linphone
from tests.interop.shared import ClusterTestCase, reactor
from tests.interop.status import until

PLAIN = "sip:10.9.8.11"
SECURE = "sip:proxy2.lab.example:5061;transport=tls"


def strongestFirst(toml: str) -> str:
    """
    The lab offers MD5 alone, for baresip; linphone can do better.
    """
    return toml.replace('["MD5"]', '["SHA-256", "MD5"]')


class LinphoneTests(ClusterTestCase):
    """
    One telephone on UDP, one on TLS.
    """

    programs = ("linphonec",)
    base = "10.9.8"
    hosts = (101, 102)

    change = staticmethod(strongestFirst)

    def phone(self, index: int, outbound: str, authority: Path) -> Linphone:
        """
        Start a telephone, which knows the proxies by name.
        """
        namespace = self.bridge.phones[index]
        namespace.knows({f"proxy{n}.lab.example": f"{self.base}.1{n}" for n in (1, 2)})
        number = str(1001 + index)
        phone = Linphone.start(
            number, namespace, self.work / number, outbound, authority
        )
        self.addCleanup(phone.stop, reactor)
        return phone

    async def registered(self, phone: Linphone) -> str:
        """
        Wait for a telephone's binding.

        @return: what a proxy says of it.
        """
        known = await until(
            reactor,
            lambda: self.cluster.registered("proxy1", phone.number),
            15.0,
            f"{phone.number} is registered",
        )
        return str(known)

    async def test_conversation(self) -> None:
        """
        They register with SHA-256, one over a connection whose certificate it
        has verified by name, call, hold, resume and hang up.
        """
        authority = self.cluster.files.authority
        one = self.phone(0, PLAIN, authority)
        two = self.phone(1, SECURE, authority)
        await self.registered(one)
        self.assertIn("TLS", await self.registered(two))
        self.assertIn("algorithm=SHA-256, username", one.log())
        one.say("call sip:1002@lab.example")
        await two.told(reactor, "Receiving new incoming call from")
        two.say("answer")
        for phone in (one, two):
            await phone.told(reactor, "connected")
        one.say("pause")
        await one.told(reactor, "paused")
        one.say("resume")
        await one.told(reactor, "resum")
        two.say("terminate")
        for phone in (one, two):
            await phone.told(reactor, "ended")

    async def test_foreignAuthority(self) -> None:
        """
        A telephone that believes another authority does not speak to the proxy
        at all: so the one above did verify.
        """
        other = self.work / "other"
        LabCA(other, datetime.now(UTC))
        phone = self.phone(1, SECURE, other / "ca.pem")
        await until(
            reactor,
            lambda: "SSL handshake failed" in phone.log(),
            15.0,
            "the handshake is refused",
        )
        self.assertEqual(self.cluster.registered("proxy1", phone.number), [])
