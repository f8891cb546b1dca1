"""
The seam of media: the little that the cluster sends itself.
"""

from __future__ import annotations

from collections.abc import Callable

from zope.interface import Attribute, Interface


class IMediaPort(Interface):
    """
    One UDP port for RTP.
    """

    host: str = Attribute("Its address, without brackets.")
    port: int = Attribute("Its number.")

    def send(data: bytes, host: str, port: int) -> None:
        """
        Send one datagram.  Never raises; what cannot be sent is lost.
        """

    def close() -> None:
        """
        Give it back.  May be called twice.
        """


class IMediaPorts(Interface):
    """
    Opens ports for RTP.
    """

    def open(received: Callable[[bytes, tuple[str, int]], None]) -> IMediaPort:
        """
        Open one.

        @param received: takes each datagram, and where it came from.

        @raise OSError: none is left.
        """
