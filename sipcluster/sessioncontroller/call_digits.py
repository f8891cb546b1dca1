"""
The part of a call that sends digits.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.sessioncontroller.call_third_party import ThirdParty
from sipcluster.sessioncontroller.events import DTMFSent
from sipcluster.sessioncontroller.idigits import IDigitSender, IDigitTarget
from sipcluster.sessioncontroller.isessioncontroller import DTMFMethod
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.sessioncontroller.undertakings import Undertaking, withoutFrames
from sipcluster.wire.correlation import Requester


class Digits(ThirdParty):
    """
    What a call does about digits.
    """

    __slots__ = ()

    def sendDigits(
        self,
        party: Party,
        digits: str,
        sender: IDigitSender,
        requester: Requester | None,
    ) -> Deferred[None]:
        """
        Send digits to the other party.  No far end may change the session until the
        last one is sent.

        @raise CallRefused: the parties do not talk.
        """
        self._talkingLegs(party, "Connected")
        asked = Undertaking("digits", party, requester, quiet=True)
        return self._inTurn(
            asked,
            lambda: self._sendDigits(asked, digits, sender),
            self._ua.limits.changeWithin + len(digits),
        )

    async def _sendDigits(
        self, asked: Undertaking, digits: str, sender: IDigitSender
    ) -> None:
        party = asked.party
        _, other = self._talkingLegs(party, "Connected")
        target = DigitTarget(self, other)
        await self.work.until(asked, sender.send(target, digits))
        party.tell(
            DTMFSent(party.view, self._ua.wallTime(), digits, requester=asked.requester)
        )


@implementer(IDigitTarget)
class DigitTarget:
    """
    The far end of a leg, as a place that digits are sent to.
    """

    __slots__ = ("_call", "_leg")

    def __init__(self, call: Digits, leg: Leg) -> None:
        self._call = call
        self._leg = leg

    @property
    def dtmfMethod(self) -> DTMFMethod:
        """
        See L{IDigitTarget}.
        """
        return self._leg.dtmfMethod

    @property
    def sent(self) -> bytes:
        """
        See L{IDigitTarget}.
        """
        return self._leg.origin.last

    @property
    def received(self) -> bytes:
        """
        See L{IDigitTarget}.
        """
        return self._leg.received

    @property
    def other(self) -> IDigitTarget | None:
        """
        See L{IDigitTarget}.
        """
        leg = self._call.other(self._leg)
        return None if leg is None else DigitTarget(self._call, leg)

    def request(self, method: bytes, contentType: bytes, body: bytes) -> Deferred[int]:
        """
        See L{IDigitTarget}.
        """
        self._leg.ua.touch()
        fields = ((b"Content-Type", contentType),)
        return self._call.tellDevice(self._leg, method, fields, body)

    def offer(self, body: bytes) -> Deferred[bytes]:
        """
        See L{IDigitTarget}.
        """
        call = self._call
        self._leg.ua.touch()
        offered = call.renegotiate(self._leg, lambda: body, True)
        return Deferred.fromCoroutine(offered).addErrback(withoutFrames)
