"""
The calls of a node, kept at the other member of its pair.

A call is one value (L{sipcluster.sessioncontroller.values}), and one entry of the
kind C{call}, by its ConnID.  It is written down at the end of each turn of the
reactor in which it may have changed.

That nobody has to remember that is how a call is made.  It does nothing by itself: it
is called by the transaction layer, by a timer, by whoever asks for something, by the
dial plan, or by what sends digits.  The way back from each of these is through a door
that touches the call before it lets anything in, and all doors hang on what a call
was given to work with, L{UserAgent.forCall
<sipcluster.sessioncontroller.useragent.UserAgent.forCall>}:

  - timers are L{CallTimers<sipcluster.sessioncontroller.useragent.CallTimers>};
  - responses, and the ends of transactions, come to an L{Attempt
    <sipcluster.sessioncontroller.attempt.Attempt>} or an L{IncomingInvite
    <sipcluster.sessioncontroller.incoming_invite.IncomingInvite>};
  - requests come to C{Leg.requestReceived} and C{Leg.ackReceived};
  - who asks for something finds the call by C{CallControl._find};
  - the dial plan's answer comes to C{Making._routed} or, like that of what sends
    digits, to C{Undertakings.until}.

A new feature of calls uses these, and is kept as soon as what it knows is a field of
the value.  C{Keeper.differing} shows what somebody has gone past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from attrs import evolve
from zope.interface import implementer

from sipcluster.ha.ikeeping import IKept
from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.values import (
    CallValue,
    decodeCall,
    encodeCall,
)
from sipcluster.sessioncontroller.values_aged import aged, later, untimed
from sipcluster.sip.adoption import InviteServerValue
from sipcluster.wire.correlation import Requester

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(InviteServerValue)


@implementer(IKept)
class KeptCalls:
    """
    The calls as entries.
    """

    kind = "call"

    def __init__(
        self,
        calls: Mapping[str, Call],
        make: Callable[[CallValue], Call],
        goOn: Callable[[Call, CallValue], object],
        tookOver: Callable[[], object] = lambda: None,
    ) -> None:
        """
        @param calls: by ConnID.
        @param make: makes a call from its value.
        @param goOn: goes on with it.
        @param tookOver: called when there will be no more to go on with.
        """
        self._tookOver = tookOver
        self._calls = calls
        self._make = make
        self._goOn = goOn
        self._restored: list[tuple[Call, CallValue]] = []

    def awaits(self, requester: Requester) -> bool:
        """
        Whether a call that is about to be gone on with was asked by somebody.
        """
        return any(
            any(one.requester == requester for one in value.undertakings)
            or (value.making is not None and value.making.requester == requester)
            for _, value in self._restored
        )

    # IKept

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return list(self._calls)

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.  A call of which nobody was told anything is none: its INVITE
        is sent to the other member, too.
        """
        call = self._calls.get(key)
        return encodeCall(call.value()) if call is not None and call.told else None

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.  What is known of a call is there from now on; it does nothing
        before all else is there, too.
        """
        written = aged(decodeCall(value), age)
        self._restored.append((self._make(written), written))

    def restored(self) -> None:
        """
        See L{IKept}.
        """
        restored, self._restored = self._restored, []
        for call, written in restored:
            self._goOn(call, written)
        self._tookOver()

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return untimed(decodeCall(value))


@implementer(IKept)
class KeptRefusals:
    """
    What callers were told last, as entries by the ConnIDs of calls that have ended:
    each caller whose INVITE was refused is told so until that is acknowledged.

    @ivar touch: called with the key of each entry that may have changed.
    """

    kind = "refusal"

    def __init__(
        self, adopt: Callable[[str, InviteServerValue], IncomingInvite]
    ) -> None:
        """
        @param adopt: goes on with one.
        """
        self.touch: Callable[[str], object] = lambda key: None
        self._adopt = adopt
        self._invites: dict[str, IncomingInvite] = {}

    def refused(self, connID: str, invite: IncomingInvite | None) -> None:
        """
        The INVITE of a call was refused; L{None}: nobody waits for the ACK any more.
        """
        if invite is not None:
            self._invites[connID] = invite
        else:
            self._invites.pop(connID, None)
        self.touch(connID)

    # IKept

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        return list(self._invites)

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        invite = self._invites.get(key)
        value = None if invite is None else invite.refusal()
        return None if value is None else _encoder.encode(value)

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.
        """
        written = _decoder.decode(value)
        left = later(written.left, age)
        self._invites[key] = self._adopt(key, evolve(written, left=left))

    def restored(self) -> None:
        """
        See L{IKept}.
        """

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return evolve(_decoder.decode(value), left=0.0)
