"""
The part of a call that does what is asked of it at once: to end, and to carry other
data.
"""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve

from sipcluster.sessioncontroller.call_making import Making
from sipcluster.sessioncontroller.events import Cause, Released, UserDataChanged
from sipcluster.sessioncontroller.isessioncontroller import CallRefused, Why
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.party import Party
from sipcluster.wire import kvlist
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

#: Bytes of data that may be attached to a call.  All of it stands in every event of
#: the call, and an event must fit into a frame (65536).
MOST_USER_DATA = 40000


def checkUserData(data: object) -> KVList:
    """
    Make data fit to be attached.

    @raise CallRefused: it is not.
    """
    try:
        return kvlist.asKVList(data)
    except ValueError as e:
        raise CallRefused(Why.BAD_VALUE, str(e)) from None


def checkSize(data: KVList) -> None:
    """
    @raise CallRefused: it is too much for one call.
    """
    if kvlist.size(data) > MOST_USER_DATA:
        raise CallRefused(Why.LIMIT, f"more than {MOST_USER_DATA} bytes of user data")


class AskedOf(Making):
    """
    What a call does when it is asked to end or to carry other data.
    """

    __slots__ = ()

    def goesOnWithout(self, leg: Leg, event: Released) -> bool:
        """
        A party has hung up, or is to leave: see whether the call goes on among the
        others, and let it.

        @param event: with its cause, and who has asked for it.

        @return: whether it does; the party has been told then, and its leg released
            unless it has ended by itself.
        """
        return False

    def releaseParty(self, party: Party, requester: Requester | None) -> None:
        """
        Take a party out of the call, which has two: that ends it, unless the party
        is called and rings.  Then its caller finds it busy.
        """
        if party.state != "Alerting":
            leg = self.legOf(party)
            now = self._ua.wallTime()
            released = Released(party.view, now, Cause.OK, requester=requester)
            if leg is None or not self.goesOnWithout(leg, released):
                self.release(Cause.OK, b"", party, requester)
            return
        leg = self._second
        if leg is not None:
            self.loosen(leg)
        self._clear(party, Cause.REJECTED, b"", requester)
        if leg is not None:
            leg.machine.release(Cause.REJECTED, b"")
        self._refuse(486, Cause.BUSY)

    def changeUserData(
        self,
        party: Party,
        attach: KVList,
        update: KVList,
        delete: Collection[str],
        deleteAll: bool,
        requester: Requester | None,
    ) -> None:
        """
        Change what is attached to the call, and tell all parties, the asking one
        first.

        @raise CallRefused: that is too much, or no data; nothing is changed.
        """
        attach, update = checkUserData(attach), checkUserData(update)
        before = self.userData
        left: KVList = () if deleteAll else kvlist.delete(before, delete)
        after = kvlist.attach(kvlist.update(left, update), attach)
        checkSize(after)
        keys = {key for key, _ in after}
        gone = dict.fromkeys(key for key, _ in before if key not in keys)
        self.userData = after
        now = self._ua.wallTime()
        parties = [one for one in self.parties if one is not party]
        for one in (party, *parties):
            one.view = evolve(one.view, userData=after)
        for one in (party, *parties):
            if one.live:
                one.tell(
                    UserDataChanged(
                        one.view,
                        now,
                        (*update, *attach),
                        tuple(gone),
                        party.view.thisDN,
                        requester=requester if one is party else None,
                    )
                )
