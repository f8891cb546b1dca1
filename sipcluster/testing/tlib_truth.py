"""
What a T-Library client should have got, as its port knows it.
"""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.enums import AddressType
from sipcluster.tlib.messages import Message
from sipcluster.tserver.itserver import IAddresses, ITrace, Receiver


@implementer(IAddresses)
class Everything:
    """
    A switch that has every DN that is a number.
    """

    def addressType(self, dn: str) -> AddressType | None:
        return AddressType.DN if dn.isdigit() else None


@implementer(ITrace)
class Truth:
    """
    What a port meant the clients of an application to get, however that came about.

    @ivar sent: numbered messages, in order; of one client where there is one.
    """

    def __init__(self, application: str = "") -> None:
        """
        @param application: its name, or how that begins; empty: any.
        """
        self.sent: list[Envelope] = []
        self._application = application

    def messageReceived(self, port: str, sender: Receiver, message: Message) -> None:
        "Not of interest."

    def messageSent(
        self, port: str, receivers: Sequence[Receiver], message: Message
    ) -> None:
        self.sent += [
            Envelope(one.position, one.reference, message)
            for one in receivers
            if one.position and one.client.startswith(self._application)
        ]
