"""
Two real telephones call each other, each in a network namespace of its own and
registered through a proxy of its own.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from tests.interop.baresip import Baresip, after
from tests.interop.shared import ClusterTestCase, lacking, reactor
from tests.interop.sound import RATE, Ear, share
from tests.interop.status import until

#: What each telephone plays into its calls, in hertz.
TONES = {"1001": 440, "1002": 600}


class BaresipTestCase(ClusterTestCase):
    """
    Two telephones that are baresip.

    @cvar outbound: by number, the proxy that the telephone uses.
    @cvar tones: by number, what it plays.
    """

    programs = ("baresip",)
    base = "10.9.8"
    hosts: tuple[int, ...] = (101, 102)
    outbound: ClassVar[dict[str, str]]
    tones: ClassVar[dict[str, int]] = TONES

    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        if not Path("/usr/lib/baresip/modules/ctrl_tcp.so").exists():
            lacking("baresip has no ctrl_tcp module here")
        self.one = await self.phone("1001", 0)
        self.two = await self.phone("1002", 1)
        for phone in (self.one, self.two):
            await self.registered(phone)

    async def phone(self, number: str, index: int) -> Baresip:
        """
        Start a telephone.
        """
        phone = await Baresip.start(
            reactor,
            number,
            f"{self.base}.{self.hosts[index]}",
            self.bridge.phones[index],
            self.work / number,
            self.outbound[number],
            self.tones[number],
            self.cluster.files.authority,
        )
        self.addCleanup(self.end, phone)
        return phone

    async def end(self, phone: Baresip) -> None:
        """
        End a telephone; it takes its binding back.
        """
        await phone.stop(reactor)
        shutil.rmtree(self.work / phone.number, ignore_errors=True)

    async def registered(self, phone: Baresip) -> None:
        """
        Wait until both proxies know one binding of a telephone.
        """
        try:
            await until(
                reactor,
                lambda: all(
                    len(self.cluster.registered(proxy, phone.number)) == 1
                    for proxy in ("proxy1", "proxy2")
                ),
                10.0,
                f"{phone.number} is registered",
                0.05,
            )
        except AssertionError as e:
            raise AssertionError(f"{e}: {phone.program.said()}") from None

    async def called(self, caller: Baresip, callee: Baresip) -> None:
        """
        One telephone calls the other, which rings and answers; each hears the
        other's tone.
        """
        for phone in (caller, callee):
            phone.forget()
        caller.say("dial", f"sip:{callee.number}@lab.example")
        incoming = await callee.told(reactor, "CALL_INCOMING")
        self.assertIn(f"sip:{caller.number}@", str(incoming))
        await caller.told(reactor, "CALL_RINGING")
        callee.say("accept")
        for phone in (caller, callee):
            await phone.told(reactor, "CALL_ESTABLISHED")
        await caller.hears(reactor, TONES[callee.number])
        await callee.hears(reactor, TONES[caller.number])

    async def hungUp(self, by: Baresip, other: Baresip) -> None:
        """
        One telephone hangs up, and the other's call ends too.
        """
        by.say("hangup")
        for phone in (by, other):
            await phone.told(reactor, "CALL_CLOSED")

    async def held(self, by: Baresip, other: Baresip) -> None:
        """
        One telephone holds and resumes: silence on the wire, then its tone.
        """
        with Ear.at(other.namespace, other.address) as ear:
            other.forget()
            by.say("hold")
            await other.told(reactor, "CALL_REMOTE_SDP")
            await until(reactor, after(3), 2.0, "the last packets", 0.1)
            ear.heard()
            await until(reactor, after(6), 2.0, "a little time", 0.1)
            self.assertEqual(ear.heard(), [], "sound while on hold")
            by.say("resume")
            sound: list[int] = []

            def long() -> bool:
                sound.extend(ear.heard())
                return len(sound) > RATE

            await until(reactor, long, 5.0, "sound after the hold")
        self.assertGreater(share(sound[-RATE // 2 :], TONES[by.number]), 0.9)

    async def conversations(self) -> None:
        """
        Both ways: call, talk, hold, resume, hang up; either side does it.
        """
        await self.called(self.one, self.two)
        await self.held(self.one, self.two)
        await self.hungUp(self.one, self.two)
        await self.called(self.two, self.one)
        await self.held(self.one, self.two)
        await self.hungUp(self.one, self.two)

    async def cancelled(self) -> None:
        """
        The caller gives up while it rings, then the called one declines.
        """
        for ends, caller, callee in (
            (self.one, self.one, self.two),
            (self.one, self.two, self.one),
        ):
            for phone in (caller, callee):
                phone.forget()
            caller.say("dial", f"sip:{callee.number}@lab.example")
            await callee.told(reactor, "CALL_INCOMING")
            await caller.told(reactor, "CALL_RINGING")
            ends.say("hangup")
            for phone in (caller, callee):
                await phone.told(reactor, "CALL_CLOSED")


class UDPTests(BaresipTestCase):
    """
    Both telephones on UDP, at different proxies.
    """

    outbound: ClassVar[dict[str, str]] = {
        "1001": "sip:10.9.8.11",
        "1002": "sip:10.9.8.12",
    }

    async def test_conversations(self) -> None:
        """
        They call, talk, hold, resume and hang up from either side.
        """
        await self.conversations()

    async def test_givenUp(self) -> None:
        """
        A caller gives up, and a called telephone declines.
        """
        await self.cancelled()


class TLSTests(BaresipTestCase):
    """
    One telephone on UDP and one on TLS.

    baresip 1.0 takes any certificate, so the certificate that it is shown is
    verified besides, by OpenSSL, with the lab's authority and the proxy's name.
    """

    outbound: ClassVar[dict[str, str]] = {
        "1001": "sip:10.9.8.11",
        "1002": "sip:10.9.8.12:5061;transport=tls",
    }

    async def test_conversations(self) -> None:
        """
        They call, talk, hold, resume and hang up from either side.
        """
        self.assertIn("TLS", str(self.cluster.registered("proxy1", "1002")))
        await self.conversations()

    async def test_certificate(self) -> None:
        """
        The proxy shows a certificate for its own name and for its address,
        signed by the lab's authority; another name does not fit it.
        """
        for option, name, good in (
            ("-verify_hostname", "proxy2.lab.example", True),
            ("-verify_hostname", "lab.example", True),
            ("-verify_ip", "10.9.8.12", True),
            ("-verify_hostname", "proxy1.lab.example", False),
        ):
            done = subprocess.run(
                self.bridge.phones[1].command(
                    [
                        *("openssl", "s_client", "-connect", "10.9.8.12:5061"),
                        *("-CAfile", str(self.cluster.files.authority)),
                        *("-verify_return_error", option, name),
                    ]
                ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=10,
                check=False,
            )
            self.assertEqual(done.returncode == 0, good, f"{name}: {done.stderr!r}")
