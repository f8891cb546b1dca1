"""
The seams of a pair: who decides which member serves, and who is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Interface, implementer

if TYPE_CHECKING:
    from sipcluster.ha.lease import Fence


class ArbiterAway(Exception):
    """
    The arbiter did not answer, or not in a way that can be used.

    Whether it did what was asked is not known.
    """


@frozen
class Granted:
    """
    The role is this member's.

    @ivar epoch: counts the holds of the role; no two holds have the same.
    @ivar seconds: for how long the arbiter gives the role to nobody else, by its
        own clock and from no earlier than when it was asked.
    """

    epoch: int
    seconds: float


@frozen
class Refused:
    """
    The role is not this member's.

    @ivar epoch: in which the other one holds it; 0 when that is not known.
    @ivar holder: name of the other one; empty when not known.
    """

    epoch: int = 0
    holder: str = ""


Verdict = Granted | Refused


class IFollowing(Interface):
    """
    An arbiter is being followed.
    """

    def stop() -> None:
        """
        Be told no more.  May be called twice.
        """


class IArbiter(Interface):
    """
    Gives the role of primary to one member of a pair at a time.

    One of these is one member's way to the arbiter.  A member asks one thing at
    a time; it may cancel what it asked, which leaves open whether it was done,
    and ask again.  Every failure is an L{ArbiterAway}.  Whatever is lost, late,
    or done although the answer was lost, the arbiter gives nobody the role
    before the seconds that it granted are over by its clock, unless the holder
    has released it or is known to be dead.
    """

    def acquire(above: int) -> Deferred[Verdict]:
        """
        Ask for the role anew.

        A hold of this member's own that it does not know of, because the answer
        was lost, is ended by this.

        @param above: an epoch granted is higher than this, and than all that
            were granted before.
        """

    def renew(epoch: int) -> Deferred[Verdict]:
        """
        Ask to go on.

        @param epoch: in which this member has the role; the same is granted, or
            none.
        """

    def reclaim(epoch: int) -> Deferred[Verdict]:
        """
        Ask to go on after the arbiter was away for longer than the lease: the
        other member has promised to take no grant meanwhile.  If nobody has the
        role, it is granted again.

        @param epoch: in which this member still serves; the same is granted, or
            none.  Epochs granted afterwards are higher.
        """

    def release(epoch: int) -> Deferred[None]:
        """
        Give the role back, so that the other member can have it at once.

        No error when it is not this member's any more, and without effect on a
        later hold, whenever it arrives.
        """

    def follow(vacant: Callable[[], None]) -> IFollowing:
        """
        Say when the role may have become free.

        @param vacant: called soon after it became free; perhaps too often, and
            perhaps not at all while the arbiter is away.  Must not raise.
        """


class IRoleObserver(Interface):
    """
    Is told what this member has become.  Must not raise; may call back.
    """

    def becamePrimary(fence: Fence) -> None:
        """
        This member serves from now on.

        @param fence: open while it does.  It never opens again once it has
            closed: the next time there is another one.
        """

    def handingOver(epoch: int) -> None:
        """
        This member was asked to switch over.  It still serves; when the other
        has all that it needs, call C{handedOver}.
        """

    def handoverFailed(why: str) -> None:
        """
        The switchover did not take place: this member goes on serving.
        """

    def becameBackup(why: str) -> None:
        """
        This member has ceased to serve: its fence is closed.
        """


class IFitness(Interface):
    """
    Is told whether it can serve.
    """

    def unfit(why: str) -> None:
        """
        It cannot.
        """

    def fit() -> None:
        """
        It can again.
        """


class IPartner(Interface):
    """
    One member's way to the other one.
    """

    def promises() -> bool:
        """
        Whether it may have been promised something at any time: false for one who
        can never be asked.
        """

    def askPromise(epoch: int, seconds: float) -> None:
        """
        Ask it to take no grant; its answer is told by
        C{PairMember.promised}, if there is one.

        @param epoch: in which this member serves.
        """

    def mayAsk() -> bool:
        """
        Whether this member may ask for the role: not when it has nothing of what
        is kept, and the other one is there and has it.
        """

    def confirmed() -> None:
        """
        The arbiter has said that this member is still primary.
        """

    def changed() -> None:
        """
        This member has ceased to serve, and counts on no promise.
        """


@implementer(IPartner)
@frozen
class NoPartner:
    """
    There is no way to the other member.
    """

    def promises(self) -> bool:
        """
        See L{IPartner}.
        """
        return False

    def askPromise(self, epoch: int, seconds: float) -> None:
        """
        See L{IPartner}.
        """

    def mayAsk(self) -> bool:
        """
        See L{IPartner}.
        """
        return True

    def confirmed(self) -> None:
        """
        See L{IPartner}.
        """

    def changed(self) -> None:
        """
        See L{IPartner}.
        """


ALONE = NoPartner()


class ILockFiles(Interface):
    """
    The files behind a lock file, one for each claim of an epoch.

    Every operation is one that no other process can see half done, and may fail
    with L{OSError}, in which case it may or may not have taken place.  They may
    be called in a thread, one at a time.
    """

    def epochs() -> Sequence[int]:
        """
        All claims there are, lowest first.
        """

    def claim(epoch: int, record: bytes) -> bool:
        """
        Make a claim with its record, safe on the disk, and hold it: it is
        C{held} until C{drop} is called or this process has ended, however it
        ends.

        @return: whether it was made: not when there is one of this epoch.
        """

    def mine(epoch: int) -> bool:
        """
        Whether this object holds the claim.
        """

    def write(epoch: int, record: bytes) -> None:
        """
        Replace the record of a claim that is held by this object.
        """

    def read(epoch: int) -> bytes | None:
        """
        The record of a claim; L{None} when there is no such claim.
        """

    def held(epoch: int) -> bool:
        """
        Whether a living process holds the claim.
        """

    def drop(epoch: int) -> None:
        """
        Hold a claim no more; its file stays.  No error when it was not held.
        """

    def remove(epoch: int) -> None:
        """
        Remove the file of a claim; no error when there is none.
        """
