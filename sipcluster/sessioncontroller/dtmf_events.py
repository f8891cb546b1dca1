"""
Digits as telephone events (RFC 4733): the node talks to the device itself for a
moment.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from attrs import evolve
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from sipcluster.sessioncontroller.dtmf import SILENCE, TONE
from sipcluster.sessioncontroller.dtmf_packets import (
    NoTelephoneEvents,
    Place,
    Stream,
    offerOf,
    placeOf,
)
from sipcluster.sessioncontroller.idigits import IDigitTarget
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.session_description import silent
from sipcluster.sip.imedia import IMediaPort, IMediaPorts

log = Logger()

#: How often the old session is offered again, and seconds in between: else the two
#: telephones would not hear each other.
_RETURNS = 3
_PAUSE = 2.0

#: How often it is looked whether RTP has come, and seconds in between.
_LOOKS = 6
_LOOK = 0.02

#: Bytes of the smallest RTP packet.
_LEAST = 12


class EventDigits:
    """
    Takes an RTP port, offers the device a session with it, sends the digits there,
    and offers the old session again.

    The other telephone is asked to be silent meanwhile: it would go on sending to
    the same port of the device, and many a device cannot tell two streams apart.  If
    it does not want to, the digits are sent all the same.

    A device whose address is a private one may be behind a NAT: it gets the digits
    where the first RTP packet to our port has come from.  Others do not: whoever
    sends a packet would have the digits.
    """

    def __init__(
        self,
        clock: IReactorTime,
        ports: IMediaPorts,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._clock = clock
        self._ports = ports
        self._entropy = entropy
        self._open: set[IMediaPort] = set()

    async def send(self, target: IDigitTarget, digits: str) -> None:
        """
        See L{DigitMethod<sipcluster.sessioncontroller.dtmf.DigitMethod>}.
        """
        sources: list[tuple[str, int]] = []

        def received(data: bytes, source: tuple[str, int]) -> None:
            if not sources and len(data) >= _LEAST and data[0] >> 6 == 2:
                sources.append(source)

        try:
            port = self._ports.open(received)
        except OSError as e:
            log.warn("no RTP port: {why}", why=e)
            raise CallRefused(Why.LIMIT, "no RTP port is left") from e
        self._open.add(port)
        try:
            await self._sendFrom(port, target, digits, sources)
        finally:
            self._open.discard(port)
            port.close()

    def abandon(self) -> None:
        """
        See L{DigitMethod<sipcluster.sessioncontroller.dtmf.DigitMethod>}: what is
        being sent waits for a clock that has ended, and never closes its port.
        """
        ports, self._open = self._open, set()
        for port in ports:
            port.close()

    async def _sendFrom(
        self,
        port: IMediaPort,
        target: IDigitTarget,
        digits: str,
        sources: list[tuple[str, int]],
    ) -> None:
        before = target.sent
        try:
            offer = offerOf(before, port.host, port.port)
        except NoTelephoneEvents as e:
            raise CallRefused(Why.UNSUPPORTED, str(e)) from e
        answer = await target.offer(offer)
        try:
            place = placeOf(answer)
            if ip_address(place.host).is_private:
                place = await self._seen(place, sources)
            await self._alone(port, place, target.other, digits)
        except (NoTelephoneEvents, ValueError) as e:
            raise CallRefused(Why.UNSUPPORTED, str(e)) from e
        except CancelledError:
            # Most likely the call ends, in this moment: let it.
            await deferLater(self._clock, 0)
            raise
        finally:
            await self._return(target, before)

    async def _alone(
        self, port: IMediaPort, place: Place, other: IDigitTarget | None, digits: str
    ) -> None:
        """
        Send the digits while the other telephone is silent.
        """
        before = b"" if other is None else other.sent
        if other is None or not before:
            await self._play(port, place, digits)
            return
        try:
            await other.offer(silent(before))
        except CallRefused as e:
            if e.why is Why.DISCONNECTED:
                raise
            log.info("the other telephone is not silent: {why}", why=e.text)
            await self._play(port, place, digits)
            return
        try:
            await self._play(port, place, digits)
        except CancelledError:
            await deferLater(self._clock, 0)
            raise
        finally:
            await self._return(other, before)

    async def _seen(self, place: Place, sources: list[tuple[str, int]]) -> Place:
        """
        Where a device that may be behind a NAT is seen from here.
        """
        for _ in range(_LOOKS):
            if sources:
                host, port = sources[0]
                return evolve(place, host=host, port=port)
            await deferLater(self._clock, _LOOK)
        return place

    async def _play(self, port: IMediaPort, place: Place, digits: str) -> None:
        """
        Send the packets, each at its time.
        """
        chance = self._entropy(10)
        began = self._clock.seconds()
        stream = Stream(
            place,
            int.from_bytes(chance[:2], "big"),
            int.from_bytes(chance[2:6], "big"),
            int.from_bytes(chance[6:], "big"),
        )
        for packet in stream.packets(digits, TONE, SILENCE):
            left = began + packet.at / 1000 - self._clock.seconds()
            if left > 0:
                await deferLater(self._clock, left)
            port.send(packet.data, place.host, place.port)

    async def _return(self, target: IDigitTarget, before: bytes) -> None:
        """
        Offer the session again that there was.
        """
        for left in reversed(range(_RETURNS)):
            try:
                await target.offer(before)
            except CallRefused as e:
                if e.why is Why.DISCONNECTED:
                    return
                log.warn("the old session was refused: {why}", why=e.text)
                if left:
                    await deferLater(self._clock, _PAUSE)
            except CancelledError:
                raise
            except Exception:
                log.failure("offering the old session")
                return
            else:
                return
        log.error("the old session cannot be had again")
