"""
Digits for a far end: how they are sent is the device's choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from zope.interface import implementer

from sipcluster.sessioncontroller.idigits import IDigitSender, IDigitTarget
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    DTMFMethod,
    Why,
)

#: Digits of one request.
MOST = 64

#: Milliseconds that a tone sounds, and that follow it in silence.
TONE = 160
SILENCE = 80

RELAY = b"application/dtmf-relay"

_digits = re.compile(r"[0-9*#A-D]+")

#: What a device answers that cannot take digits so.
_UNKNOWN = frozenset([405, 406, 415, 420, 488, 501])
_GONE = frozenset([404, 408, 410, 481])


class DigitMethod(Protocol):
    """
    One way to send digits.
    """

    async def send(self, target: IDigitTarget, digits: str) -> None:
        """
        Send digits that are known to be some.

        @raise CallRefused: as for L{IDigitSender.send}.
        """

    def abandon(self) -> None:
        """
        Another process goes on with all calls: give back what was taken, and send
        nothing.
        """


@implementer(IDigitSender)
class DigitSender:
    """
    Sends digits in the way that the device wants.
    """

    def __init__(self, methods: Mapping[DTMFMethod, DigitMethod]) -> None:
        """
        @param methods: one that is left out is not supported.
        """
        self._methods = dict(methods)

    def send(self, target: IDigitTarget, digits: str) -> Deferred[None]:
        """
        See L{IDigitSender}.
        """
        wanted = digits.upper()
        if len(wanted) > MOST:
            text = f"more than {MOST} digits"
            return fail(CallRefused(Why.BAD_VALUE, text))
        if not _digits.fullmatch(wanted):
            return fail(CallRefused(Why.BAD_VALUE, "no digits: 0-9, *, #, A-D are"))
        method = self._methods.get(target.dtmfMethod)
        if method is None:
            return fail(CallRefused(Why.UNSUPPORTED))
        return Deferred.fromCoroutine(method.send(target, wanted))

    def abandon(self) -> None:
        """
        Another process goes on with all calls.
        """
        for method in self._methods.values():
            method.abandon()


class InfoDigits:
    """
    Digits as the bodies of INFO requests, as Cisco's gateways have them: one
    request a digit, the next one when the last one is answered and its tone is
    over.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    async def send(self, target: IDigitTarget, digits: str) -> None:
        """
        See L{DigitMethod}.
        """
        seconds = (TONE + SILENCE) / 1000
        free = self._clock.seconds()
        for digit in digits:
            left = free - self._clock.seconds()
            if left > 0:
                await deferLater(self._clock, left)
            free = self._clock.seconds() + seconds
            body = b"Signal=%b\r\nDuration=%d\r\n" % (digit.encode(), TONE)
            status = await target.request(b"INFO", RELAY, body)
            if status >= 300:
                raise _refused(status)

    def abandon(self) -> None:
        """
        See L{DigitMethod}: nothing was taken.
        """


def _refused(status: int) -> CallRefused:
    text = f"the telephone answered {status} to INFO"
    if status in _UNKNOWN:
        return CallRefused(Why.UNSUPPORTED, text)
    if status == 408:
        return CallRefused(Why.TIMEOUT)
    return CallRefused(Why.DISCONNECTED if status in _GONE else Why.FAILED, text)
