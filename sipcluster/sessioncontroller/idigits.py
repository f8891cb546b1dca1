"""
The seam between calls and those who send digits to a far end.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from sipcluster.sessioncontroller.isessioncontroller import DTMFMethod


class IDigitTarget(Interface):
    """
    The far end of a leg, as a place that digits are sent to.  While a method's
    Deferred is pending, and between two calls of L{offer}, the other side's
    changes of the session have to wait (491).
    """

    dtmfMethod: DTMFMethod = Attribute("How it is sent digits.")
    sent: bytes = Attribute("The session description that it was sent last.")
    received: bytes = Attribute("The session description that it sent last.")
    other: IDigitTarget | None = Attribute("The far end that it talks to.")

    def request(method: bytes, contentType: bytes, body: bytes) -> Deferred[int]:
        """
        Send a request inside the dialog.

        @return: fires with the status of the final answer, 408 when none came;
            fails with L{CallRefused} when the leg has ended.
        """

    def offer(body: bytes) -> Deferred[bytes]:
        """
        Send a re-INVITE with an offer, whose origin line has the right session
        id and version when it leaves; what the other side of the call knows does
        not change by it.

        @return: fires with the answer; fails with L{CallRefused} when it was
            refused or the leg has ended.
        """


class IDigitSender(Interface):
    """
    Sends digits.
    """

    def send(target: IDigitTarget, digits: str) -> Deferred[None]:
        """
        Send digits to a far end, in order.

        @return: fires when the last one was sent; fails with L{CallRefused}:
            C{Why.BAD_VALUE} for what is no digit, C{Why.UNSUPPORTED} when the
            device cannot take digits so, C{Why.DISCONNECTED} when the call has
            ended.
        """
