"""
Finds where a node's request goes: to the contacts of an address-of-record, or to
another domain.
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.registrar.iregistrar import IRegistrationStore
from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.destinations import Destination
from sipcluster.sipproxy.isipproxy import NEXT, Answer, IStep, Outcome
from sipcluster.sipproxy.location import Contacts
from sipcluster.sipproxy.topology import Topology


@implementer(IStep)
class Locate:
    """
    Makes the target set of RFC 3261 section 16.5.
    """

    name = "locate"

    def __init__(
        self, topology: Topology, store: IRegistrationStore, contacts: Contacts
    ) -> None:
        self._topology = topology
        self._store = store
        self._contacts = contacts

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        if context.groups or not context.fromNode:
            return NEXT
        uri = context.sipURI
        if uri is None:
            return Answer(416)
        if not self._topology.isOurDomain(uri):
            context.groups = [[Destination(locate=uri)]]
            return NEXT
        if not uri.user:
            return Answer(404)
        bindings = self._store.bindings(self._topology.aor(uri))
        context.groups = self._contacts.groups(bindings)
        return NEXT if context.groups else Answer(480)
