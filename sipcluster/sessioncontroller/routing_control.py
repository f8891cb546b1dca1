"""
What can be asked of calls at a routing point.
"""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipcluster.sessioncontroller.call_asked import checkSize, checkUserData
from sipcluster.sessioncontroller.call_control import MOST_DIALLED
from sipcluster.sessioncontroller.call_ringing import REFUSALS
from sipcluster.sessioncontroller.events import Role
from sipcluster.sessioncontroller.irouting import IRouting, RouteType, Treatment
from sipcluster.sessioncontroller.isessioncontroller import (
    Asked,
    CallRefused,
    Destination,
    ExtensionDN,
    QueuedAt,
    Refusal,
    RoutingPointDN,
    Why,
)
from sipcluster.sessioncontroller.prediction import predictionOf
from sipcluster.sessioncontroller.route_words import MOST_RINGING, overridesOf
from sipcluster.sessioncontroller.supervision_control import SupervisionControl
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

#: Route types that need no destination.
_NOWHERE = frozenset([RouteType.DEFAULT, RouteType.REJECT, RouteType.CALL_DISCONNECT])


@implementer(IRouting)
class RoutingControl(SupervisionControl):
    """
    Finds the calls, and has them routed and treated.
    """

    def route(
        self,
        dn: str,
        connID: str,
        destination: str,
        routeType: RouteType = RouteType.UNKNOWN,
        userData: KVList = (),
        extensions: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{IRouting}.
        """

        def act() -> Deferred[None]:
            call, party = self._find(dn, connID)
            call.waitsAt(party)
            number = destination
            if routeType is RouteType.AGENT_ID:
                number = self.ua.routing.agentAt(destination) or ""
            if (not number and routeType not in _NOWHERE) or len(number) > MOST_DIALLED:
                raise CallRefused(Why.INVALID_DESTINATION)
            data = checkUserData(userData)
            checkSize((*call.userData, *data))
            return call.routeParty(
                party, number, routeType, data, overridesOf(extensions), requester
            )

        return self._later(act)

    def applyTreatment(
        self,
        dn: str,
        connID: str,
        treatment: Treatment,
        requester: Requester | None = None,
    ) -> Deferred[None]:
        """
        See L{IRouting}.
        """

        def act() -> Deferred[None]:
            call, party = self._find(dn, connID)
            return call.treatParty(party, treatment, requester)

        return self._later(act)

    def makePredictiveCall(
        self,
        dn: str,
        destination: str,
        timeout: float = 0.0,
        userData: KVList = (),
        extensions: KVList = (),
        requester: Requester | None = None,
    ) -> Deferred[str]:
        """
        See L{IRouting}.
        """

        def act() -> Deferred[str]:
            directory = self._authenticator.directory
            made = directory.dn(dn)
            if made is None or isinstance(made, ExtensionDN):
                raise CallRefused(Why.INVALID_DN)
            if not destination or len(destination) > MOST_DIALLED:
                raise CallRefused(Why.INVALID_DESTINATION)
            if not 0 <= timeout <= MOST_RINGING:
                raise CallRefused(Why.BAD_VALUE, f"timeout: 0 to {MOST_RINGING}")
            data = checkUserData(userData)
            checkSize(data)
            prediction = predictionOf(extensions)
            self.notFull()
            point = made if isinstance(made, RoutingPointDN) else None
            where = Asked(
                destination,
                self.ua.domain.decode(),
                made,
                forwarder=point or RoutingPointDN(dn),
            )

            def found(to: Destination | Refusal) -> str:
                if isinstance(to, Refusal):
                    raise CallRefused(REFUSALS.get(to.cause, Why.INVALID_DESTINATION))
                if isinstance(to, QueuedAt):
                    raise CallRefused(Why.INVALID_DESTINATION)
                self.notFull()
                call = self.newCall(dn, destination)
                call.userData = data
                self.calls[call.connID] = call
                party = call.addParty(dn, Role.ORIGINATION, True)
                if timeout:
                    to = evolve(to, noAnswerTimeout=timeout)
                call.predictFor(party, where, to, prediction, point, requester)
                return call.connID

            return self._plan.route(where).addCallback(found)

        return self._later(act)

    def routersGone(self, dn: str) -> None:
        """
        Nobody is there any more who says where the calls at a routing point go.
        """
        for party in list(self.ua.parties.get(dn, ())):
            call = self.calls.get(party.view.connID)
            waiting = None if call is None else call.waiting
            if waiting is not None and waiting.party is party:
                assert call is not None
                call.touch()
                call.routersGone()
