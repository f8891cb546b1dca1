"""
T-Library ports of a process that is sometimes primary of its pair, and sometimes not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from sipcluster.tlib.enums import AddressType, ServerRole
from sipcluster.tserver.itserver import (
    IAddresses,
    IConnection,
    IConnectionTaker,
    IConnectionUser,
    ITrace,
)
from sipcluster.tserver.limits import Application, Limits
from sipcluster.tserver.server import TServer


@implementer(IConnectionTaker)
class SwitchablePort:
    """
    Gives each new connection of a listening port to whoever serves at the time.
    """

    def __init__(self, taker: IConnectionTaker) -> None:
        self._taker = taker

    @property
    def taker(self) -> IConnectionTaker:
        """
        Whoever serves.  When it is replaced, connections that a L{BackupPort} has
        not answered yet are cut, since it does not know who serves now.
        """
        return self._taker

    @taker.setter
    def taker(self, taker: IConnectionTaker) -> None:
        before, self._taker = self._taker, taker
        if isinstance(before, BackupPort) and before is not taker:
            before.abandon()

    def connectionMade(self, connection: IConnection) -> IConnectionUser:
        """
        See L{IConnectionTaker}.
        """
        return self._taker.connectionMade(connection)

    def stop(self) -> None:
        """
        The process ends: nobody serves any more.
        """
        if isinstance(self._taker, TServer):
            self._taker.abandon()


@implementer(IAddresses)
class _NoAddresses:
    """
    A switch whose DNs are looked after elsewhere.
    """

    def addressType(self, dn: str) -> AddressType | None:
        """
        See L{IAddresses}.
        """
        return None


class BackupPort(TServer):
    """
    A T-Library port of a backup: who may connect is told that this member does not
    serve, and the connection is closed.  It has no sessions.
    """

    role = ServerRole.BACKUP

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        wallTime: Callable[[], float],
        entropy: Callable[[int], bytes],
        applications: Mapping[str, Application],
        limits: Limits | None = None,
        location: str = "",
        trace: ITrace | None = None,
        version: str = "sipcluster",
    ) -> None:
        super().__init__(
            name,
            clock,
            wallTime,
            entropy,
            applications,
            _NoAddresses(),
            limits=limits,
            location=location,
            trace=trace,
            version=version,
        )
