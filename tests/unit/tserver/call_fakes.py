"""
What stands in for the neighbours of the call model in its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.sessioncontroller.events import CallType, PartyView, Role
from sipcluster.sessioncontroller.iconferences import IConferences
from sipcluster.sessioncontroller.irouting import IRouting, RouteType, Treatment
from sipcluster.sessioncontroller.isessioncontroller import (
    CallRefused,
    ICallControl,
    PartyStatus,
)
from sipcluster.sessioncontroller.isupervision import (
    ISupervision,
    Monitoring,
    MonitorMode,
)
from sipcluster.sessioncontroller.itransfers import ITransfers
from sipcluster.tlib.enums import AddressType
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import Message
from sipcluster.tserver.itserver import IAddresses, IEventPublisher
from sipcluster.tserver.outgoing import Outgoing
from sipcluster.wire.correlation import Requester

CONN = "006c02462a161006"
UUID = "0123456789abcdef0123456789abcdef"

#: Alice, who calls Bob.
ALICE = PartyView(
    CONN,
    UUID,
    CallType.INTERNAL,
    "1001",
    Role.ORIGINATION,
    True,
    "1002",
    Role.DESTINATION,
    "1001",
    "1002",
    7,
)

#: Bob, whom she calls.
BOB = evolve(
    ALICE,
    thisDN="1002",
    thisRole=Role.DESTINATION,
    otherDN="1001",
    otherRole=Role.ORIGINATION,
)


@implementer(IEventPublisher)
class RecordingPublisher:
    """
    A T-Library port that keeps what it is given.

    @ivar published: DN, event and requester.
    @ivar answers: requester and event.
    @ivar refusals: requester, code and text.
    @ivar dns: those that somebody watches; L{None}: all.
    """

    def __init__(self) -> None:
        self.published: list[tuple[str, Message, Requester | None]] = []
        self.wrapped: list[Outgoing] = []
        self.answers: list[tuple[Requester, Message]] = []
        self.refusals: list[tuple[Requester, TErrorCode, str]] = []
        self.dns: set[str] | None = None

    def publish(
        self, dn: str, event: Message | Outgoing, requester: Requester | None = None
    ) -> None:
        if isinstance(event, Outgoing):
            self.wrapped.append(event)
            event = event.message
        self.published.append((dn, event, requester))

    def publishToAll(self, event: Message | Outgoing) -> None:
        raise NotImplementedError

    def publishTo(self, clients: Iterable[str], event: Message | Outgoing) -> None:
        raise NotImplementedError

    def hasRoom(self, client: str) -> bool:
        raise NotImplementedError

    def answer(self, requester: Requester, event: Message | Outgoing) -> None:
        assert isinstance(event, Message)
        self.answers.append((requester, event))

    def refuse(self, requester: Requester, code: TErrorCode, text: str = "") -> None:
        self.refusals.append((requester, code, text))

    def watched(self, dn: str) -> bool:
        return self.dns is None or dn in self.dns


@implementer(ICallControl)
class FakeControl:
    """
    A Session Controller that keeps what it is asked.

    @ivar asked: name of the method and its arguments, absent ones left out.
    @ivar results: the Deferreds that it returned.
    @ivar parties: all live ones.
    @ivar raises: what the next request raises at once.
    """

    def __init__(self, parties: Sequence[PartyStatus] = ()) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.results: list[Deferred[Any]] = []
        self.parties = list(parties)
        self.raises: Exception | None = None

    def _note(self, *what: Any) -> Deferred[Any]:
        self.asked.append(what)
        if self.raises is not None:
            raise self.raises
        result: Deferred[Any] = Deferred()
        self.results.append(result)
        return result

    def makeCall(
        self,
        dn: str,
        destination: str,
        userData: Any = (),
        requester: Requester | None = None,
    ) -> Deferred[str]:
        return self._note("makeCall", dn, destination, userData, requester)

    def answer(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("answer", dn, connID, requester)

    def release(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("release", dn, connID, requester)

    def clear(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("clear", dn, connID, requester)

    def hold(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("hold", dn, connID, requester)

    def retrieve(
        self, dn: str, connID: str, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("retrieve", dn, connID, requester)

    def redirect(
        self,
        dn: str,
        connID: str,
        destination: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note("redirect", dn, connID, destination, requester)

    def sendDTMF(
        self, dn: str, connID: str, digits: str, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("sendDTMF", dn, connID, digits, requester)

    def changeUserData(
        self,
        dn: str,
        connID: str,
        attach: Any = (),
        update: Any = (),
        delete: Sequence[str] = (),
        deleteAll: bool = False,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note(
            "changeUserData", dn, connID, attach, update, delete, deleteAll, requester
        )

    def partiesOf(self, dn: str) -> Sequence[PartyStatus]:
        return [one for one in self.parties if one.view.thisDN == dn]

    def partiesIn(self, connID: str) -> Sequence[PartyStatus]:
        return [one for one in self.parties if one.view.connID == connID]

    def connIDs(self) -> Sequence[str]:
        return list(dict.fromkeys(one.view.connID for one in self.parties))

    def awaits(self, requester: Requester) -> bool:
        return False

    def refusalsTo(self, tell: Callable[[Requester, CallRefused], object]) -> None:
        self.tell = tell


@implementer(ITransfers, IConferences, IRouting, ISupervision)
class FakeFeatures(FakeControl):
    """
    One that can do everything.
    """

    def consult(
        self,
        dn: str,
        connID: str,
        destination: str,
        userData: Any = (),
        conference: bool = False,
        requester: Requester | None = None,
    ) -> Deferred[str]:
        return self._note(
            "consult", dn, connID, destination, userData, conference, requester
        )

    def completeTransfer(
        self,
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note("completeTransfer", dn, heldConnID, connID, requester)

    def muteTransfer(
        self,
        dn: str,
        connID: str,
        destination: str,
        userData: Any = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note("muteTransfer", dn, connID, destination, userData, requester)

    def singleStepTransfer(
        self,
        dn: str,
        connID: str,
        destination: str,
        userData: Any = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note(
            "singleStepTransfer", dn, connID, destination, userData, requester
        )

    def alternate(
        self,
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note("alternate", dn, heldConnID, connID, requester)

    def reconnect(
        self,
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note("reconnect", dn, heldConnID, connID, requester)

    def completeConference(
        self,
        dn: str,
        heldConnID: str,
        connID: str,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note("completeConference", dn, heldConnID, connID, requester)

    def singleStepConference(
        self,
        dn: str,
        connID: str,
        destination: str,
        userData: Any = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note(
            "singleStepConference", dn, connID, destination, userData, requester
        )

    def deleteFromConference(
        self, dn: str, connID: str, other: str, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("deleteFromConference", dn, connID, other, requester)

    def listenDisconnect(
        self, dn: str, connID: str, listener: str, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("listenDisconnect", dn, connID, listener, requester)

    def listenReconnect(
        self, dn: str, connID: str, listener: str, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("listenReconnect", dn, connID, listener, requester)

    def mute(
        self, dn: str, connID: str, on: bool, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("mute", dn, connID, on, requester)

    def route(
        self,
        dn: str,
        connID: str,
        destination: str,
        routeType: RouteType = RouteType.UNKNOWN,
        userData: Any = (),
        extensions: Any = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note(
            "route", dn, connID, destination, routeType, userData, extensions, requester
        )

    def applyTreatment(
        self,
        dn: str,
        connID: str,
        treatment: Treatment,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note("applyTreatment", dn, connID, treatment, requester)

    def makePredictiveCall(
        self,
        dn: str,
        destination: str,
        timeout: float = 0.0,
        userData: Any = (),
        extensions: Any = (),
        requester: Requester | None = None,
    ) -> Deferred[str]:
        return self._note(
            "makePredictiveCall",
            dn,
            destination,
            timeout,
            userData,
            extensions,
            requester,
        )

    def observe(
        self, connID: str, monitoring: Monitoring, requester: Requester | None = None
    ) -> Deferred[None]:
        return self._note("observe", connID, monitoring, requester)

    def changeMode(
        self,
        supervisor: str,
        connID: str,
        mode: MonitorMode,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        return self._note("changeMode", supervisor, connID, mode, requester)


@implementer(IAddresses)
class FakeAddresses:
    """
    Three extensions and a routing point.
    """

    def addressType(self, dn: str) -> AddressType | None:
        if dn in ("1001", "1002", "1003"):
            return AddressType.DN
        return AddressType.ROUTE_DN if dn == "5000" else None
