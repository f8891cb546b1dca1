"""
Calls between two scripted telephones through a SIP Proxy and a node.

Each telephone registers first, through a proxy of its own, and then serves on the
address that it registered from.  Callers and called fail on anything that is not in
their scenario, and the test on anything that was sent twice.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from attrs import evolve
from twisted.internet.defer import gatherResults

from tests.interop.load import load
from tests.interop.phones import Phone, listens
from tests.interop.shared import ClusterTestCase, reactor
from tests.interop.sipp import Report
from tests.interop.status import until

#: Rings for three seconds only.
IMPATIENT = "1010"

PROXY1, PROXY2 = "127.0.0.11:5060", "127.0.0.12:5060"

CALLER = Phone("1001", "127.0.0.101", PROXY1)
CALLED = Phone("1002", "127.0.0.102", PROXY2, mediaPort=17000)
OTHER = Phone("1003", "127.0.0.103", PROXY2, mediaPort=18000)
TRUNK = Phone("9", "127.0.0.40", PROXY1, mediaPort=19000)


def impatient(toml: str) -> str:
    """
    One extension that rings for a short time only.
    """
    number = f'number = "{IMPATIENT}"\n'
    return toml.replace(number, f"{number}no-answer-timeout = 3\n")


class SIPpTestCase(ClusterTestCase):
    """
    Two telephones that are played by SIPp.
    """

    change = staticmethod(impatient)

    async def register(self, *phones: Phone) -> None:
        """
        Let telephones register.
        """
        for phone in phones:
            report = await self.run_(phone.run("register"), f"register-{phone.number}")
            self.assertAsWritten(report)

    async def waiting(self, phone: Phone, scenario: str, **options: Any) -> Any:
        """
        Start a telephone that waits for a call.

        @return: a list with the Deferred of its report, when it listens.
        """
        ends = self.run_(phone.answer(scenario, **options), f"{phone.number}-answers")
        table = "tcp" if phone.transport.startswith("t") else "udp"
        await until(
            reactor,
            lambda: (
                ends.called
                or listens(self.cluster.namespace, phone.address, table=table)
            ),
            5.0,
            f"{scenario} listens",
            0.02,
        )
        return [ends]

    async def call(
        self,
        caller: str,
        called: str,
        dialled: str = CALLED.number,
        calling: Phone = CALLER,
        answering: Phone = CALLED,
        **options: Any,
    ) -> None:
        """
        Make one call from scenario to scenario.
        """
        if calling is not TRUNK:
            await self.register(calling)
        if answering is not TRUNK:
            await self.register(answering)
        [answers] = await self.waiting(answering, called)
        made = self.run_(calling.run(caller, dialled, **options), "caller")
        both: list[Report] = await gatherResults([made, answers])
        for report in both:
            self.assertAsWritten(report)

    async def refused(self, caller: str, dialled: str, **options: Any) -> None:
        """
        Make one call that reaches nobody.
        """
        await self.register(CALLER)
        report = await self.run_(CALLER.run(caller, dialled, **options))
        self.assertAsWritten(report)


class RegistrationTests(SIPpTestCase):
    """
    REGISTER with digest.
    """

    async def assertRegisters(
        self, scenario: str, phone: Phone, **options: Any
    ) -> None:
        """
        One run goes as written.
        """
        report = await self.run_(phone.run(scenario, **options))
        self.assertAsWritten(report)

    async def test_overUDP(self) -> None:
        """
        A telephone is challenged and then granted its binding, over UDP.
        """
        await self.assertRegisters("register", OTHER)

    async def test_overTCP(self) -> None:
        """
        A telephone is challenged and then granted its binding, over TCP.
        """
        await self.assertRegisters(
            "register", Phone("1004", "127.0.0.104", PROXY1, "t1")
        )

    async def test_refresh(self) -> None:
        """
        A refresh keeps one binding, with a new time to live.
        """
        await self.assertRegisters("refresh", Phone("1005", "127.0.0.105", PROXY1))

    async def test_wrongPassword(self) -> None:
        """
        A wrong password is granted nothing.
        """
        await self.assertRegisters(
            "register-refused", Phone("1006", "127.0.0.106", PROXY1), password="no"
        )

    async def test_takenBack(self) -> None:
        """
        A binding that is taken back is gone from every proxy.
        """
        phone = Phone("1007", "127.0.0.107", PROXY1)
        for scenario, count in (("register", 1), ("unregister", 0)):
            self.assertAsWritten(await self.run_(phone.run(scenario)))
            for name in ("proxy1", "proxy2"):
                known = partial(self.cluster.registered, name, "1007")
                await until(
                    reactor,
                    lambda: len(known()) == count,  # noqa: B023 - used at once
                    2.0,
                    f"{name} knows {count} bindings",
                    0.02,
                )


class CallTests(SIPpTestCase):
    """
    One call at a time, from a telephone at one proxy to one at the other.
    """

    async def test_answered(self) -> None:
        """
        A call is challenged, rings, is answered, and the caller hangs up.
        """
        await self.call("caller", "callee")

    async def test_hungUpByTheCalled(self) -> None:
        """
        A call is hung up by the telephone that was called.
        """
        await self.call("caller-hung-up", "callee-hangs-up")

    async def test_cancelled(self) -> None:
        """
        A caller who gives up gets 487, and the telephone stops ringing.
        """
        await self.call("caller-cancels", "callee-cancelled")

    async def test_busy(self) -> None:
        """
        486 of the called telephone reaches the caller.
        """
        await self.call("caller-busy", "callee-busy")

    async def test_declined(self) -> None:
        """
        603 of the called telephone reaches the caller.
        """
        await self.call("caller-declines", "callee-declines")

    async def test_noAnswer(self) -> None:
        """
        A telephone that does not answer in its time is cancelled, and the
        caller is told.
        """
        await self.call(
            "caller-no-answer",
            "callee-cancelled",
            IMPATIENT,
            answering=Phone(IMPATIENT, "127.0.0.110", PROXY2, mediaPort=17000),
        )

    async def test_hold(self) -> None:
        """
        The caller holds and resumes by re-INVITE, with one codec less, and the
        offers and answers arrive as they were made.
        """
        await self.call("caller-holds", "callee-held")

    async def test_holdByTheCalled(self) -> None:
        """
        The called telephone holds, resumes and hangs up.
        """
        await self.call("caller-held-by-callee", "callee-holds")

    async def test_earlyMedia(self) -> None:
        """
        183 with SDP reaches the caller before the answer.
        """
        await self.call("caller-early-media", "callee-early-media")

    async def test_reliable(self) -> None:
        """
        Each side has its own reliable provisional responses and its own PRACK.
        """
        await self.call("caller-reliable", "callee-reliable")

    async def test_reliableForOneSide(self) -> None:
        """
        One side has them, the other one knows nothing of them.
        """
        await self.call("caller-reliable", "callee-early-media")
        await self.call("caller-early-media", "callee-reliable")

    async def test_lateOffer(self) -> None:
        """
        An INVITE without SDP gets the offer in the 200, and its ACK carries the
        answer to the called telephone.
        """
        await self.call("caller-late-offer", "callee-late-offer")

    async def test_redirected(self) -> None:
        """
        302 of the called telephone is followed to another one.
        """
        await self.register(CALLER, CALLED, OTHER)
        [first] = await self.waiting(
            CALLED, "callee-redirects", keys={"elsewhere": OTHER.number}
        )
        [second] = await self.waiting(OTHER, "callee")
        made = self.run_(CALLER.run("caller", CALLED.number), "caller")
        for report in await gatherResults([made, first, second]):
            self.assertAsWritten(report)

    async def test_overItsConnection(self) -> None:
        """
        A telephone that registered over TCP is called over that connection,
        from the other proxy too.
        """
        phone = Phone("1008", "127.0.0.108", PROXY1, "t1")
        stays = self.run_(phone.run("register-and-stay", outOfCall="callee"))
        for name in ("proxy1", "proxy2"):
            await until(
                reactor,
                lambda: self.cluster.registered(name, "1008"),  # noqa: B023
                5.0,
                f"{name} knows the telephone",
                0.02,
            )
        await self.register(CALLER)
        for index, calling in enumerate((CALLER, evolve(CALLER, proxy=PROXY2))):
            made = self.run_(calling.run("caller", "1008"), f"caller-{index}")
            self.assertAsWritten(await made)
        self.assertAsWritten(await stays)

    async def test_toTrunk(self) -> None:
        """
        A number with the trunk's prefix is called at the trunk's address.
        """
        await self.call("caller", "callee-anything", "95551234", answering=TRUNK)

    async def test_fromTrunk(self) -> None:
        """
        A call from the trunk's address is asked for no digest.
        """
        await self.call("trunk-caller", "callee-anything", calling=TRUNK)

    async def test_wrongPassword(self) -> None:
        """
        An INVITE with a wrong password reaches nobody.
        """
        await self.refused("caller-unauthorised", CALLED.number, password="no")

    async def test_unknownNumber(self) -> None:
        """
        A number that the switch does not have is answered 404.
        """
        await self.refused("caller-unknown", "7777")

    async def test_unregistered(self) -> None:
        """
        A number whose telephone is not registered is answered 480.
        """
        await self.refused("caller-unregistered", "1019")

    async def test_unknownDialog(self) -> None:
        """
        A BYE for a call that nobody knows is answered 481.
        """
        await self.refused("unknown-dialog", "1002")

    async def test_options(self) -> None:
        """
        OPTIONS to a proxy is answered by the proxy.
        """
        await self.refused("options", "1002")


class ManyCallsTests(SIPpTestCase):
    """
    Many calls at once, a few seconds of what C{bin/load} does for a minute.
    """

    async def test_fiftyCallsASecond(self) -> None:
        """
        Fifty calls a second through both proxies and both nodes: none fails and
        nothing is sent twice by anyone.  Once RFC 3261's timers have run out,
        no transaction, timer, dialog or call is left in any member, of these
        calls or of a refused or a cancelled one, and no member has complained.
        """
        await self.refused("caller-unknown", "7777")
        await self.call("caller-cancels", "callee-cancelled")
        result = await load(reactor, self.cluster, 50, 5, self.work)
        self.assertEqual((result.successful, result.failed), (result.calls, 0))
        self.assertEqual(
            (result.repeatedBy, result.repeated), ({}, ()), result.examples
        )
        self.assertGreater(result.datagrams, 20 * result.calls)
        await self.cluster.settled(reactor)
        self.assertEqual(self.cluster.complaints(), "")
