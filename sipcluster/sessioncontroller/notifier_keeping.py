"""
Subscriptions to message waiting as what is kept at the other member of a pair.

A NOTIFY that was under way is not gone on with: its state is told again by the next
one, which is as good and simpler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
from attrs import evolve, frozen
from zope.interface import implementer

from sipcluster.ha.ikeeping import IKept
from sipcluster.sip.dialog import Dialog

#: Begins the keys of DNs whose telephones are told although they have not
#: subscribed; tags have none.
_TOLD = "/"


@frozen
class SubscriptionValue:
    """
    One subscription.

    @ivar dialog: L{None}: there is none; a telephone that has not subscribed is to be
        told.
    @ivar event: the value of Event.
    @ivar left: seconds that it lives.
    @ivar due: a NOTIFY is under way, or to come.
    @ivar reason: it has ended, and the last NOTIFY, which says so, is due; empty: it
        has not.
    """

    dn: str
    dialog: Dialog | None
    event: bytes = b""
    left: float = 0.0
    due: bool = True
    reason: bytes = b""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(SubscriptionValue)


def tagKey(tag: bytes) -> str:
    """
    Names a subscription, by our tag.
    """
    return tag.decode("latin-1")


def toldKey(dn: str) -> str:
    """
    Names a telephone that has not subscribed.
    """
    return _TOLD + dn


class _Subscriptions(Protocol):
    """
    Who has them.
    """

    def tags(self) -> Iterable[bytes]:
        "Of all subscriptions."

    def beingTold(self) -> Iterable[str]:
        "The DNs whose telephones are being told although they have not subscribed."

    def isBeingTold(self, dn: str) -> bool:
        "Whether this one is."

    def written(self, tag: bytes) -> SubscriptionValue | None:
        "One as it is now."

    def adopt(self, value: SubscriptionValue) -> None:
        "Go on with one."

    def goOn(self, value: SubscriptionValue) -> None:
        "All have been adopted: do what is due."


@implementer(IKept)
class KeptSubscriptions:
    """
    The subscriptions of a node, by our tag, and the telephones that are being told
    without one.
    """

    kind = "subscription"

    def __init__(self, subscriptions: _Subscriptions) -> None:
        self._subscriptions = subscriptions
        self._restored: list[SubscriptionValue] = []

    def keys(self) -> Iterable[str]:
        """
        See L{IKept}.
        """
        found = self._subscriptions
        return [
            *(tagKey(tag) for tag in found.tags()),
            *(toldKey(dn) for dn in found.beingTold()),
        ]

    def entry(self, key: str) -> bytes | None:
        """
        See L{IKept}.
        """
        value: SubscriptionValue | None
        if key.startswith(_TOLD):
            dn = key[len(_TOLD) :]
            there = self._subscriptions.isBeingTold(dn)
            value = SubscriptionValue(dn, None) if there else None
        else:
            value = self._subscriptions.written(key.encode("latin-1"))
        return None if value is None else _encoder.encode(value)

    def restore(self, key: str, value: bytes, age: float) -> None:
        """
        See L{IKept}.
        """
        found = _decoder.decode(value)
        found = evolve(found, left=max(0.0, found.left - age))
        self._subscriptions.adopt(found)
        self._restored.append(found)

    def restored(self) -> None:
        """
        See L{IKept}.
        """
        restored, self._restored = self._restored, []
        for value in restored:
            self._subscriptions.goOn(value)

    def comparable(self, value: bytes) -> object:
        """
        See L{IKept}.
        """
        return evolve(_decoder.decode(value), left=0.0)


#: Told of each key that may not be as it was.
Touch = Callable[[str], object]
