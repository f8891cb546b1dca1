"""
The seams of the service checker: who is asked, how, and who wants to know.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from zope.interface import Interface

from sipcluster.sip.isip import Target


@frozen
class Member:
    """
    One process that can be asked whether it serves: a node, one member of a
    primary/backup pair, a proxy.

    @ivar name: its application name.
    @ivar target: where its SIP port is.
    @ivar pair: the name under which it serves, and which its Contact and Via
        carry; its own name when it serves alone.
    @ivar uri: the Request-URI of the question, C{sip:host:port} made of
        C{target} when empty.
    """

    name: str
    target: Target
    pair: str
    uri: bytes = b""


@frozen
class PeerRole:
    """
    What a peer said of itself in C{X-SIPCluster-Role}.

    @ivar primary: whether it serves; true for a peer that says nothing.
    @ivar epoch: the fencing token of its role; 0 for a peer that stands alone.
    @ivar pair: the pair it belongs to, empty when it did not say.
    """

    primary: bool = True
    epoch: int = 0
    pair: str = ""


@frozen
class ProbeTimes:
    """
    How often peers are asked.  All in seconds of the clock.

    @ivar check: between two questions to a peer in service (C{oos-check});
        0 asks no peer that is in service, so that only a failed request takes
        it out.
    @ivar force: between two questions to a peer out of service (C{oos-force}).
    @ivar timeout: how long an answer is waited for.
    @ivar recheck: how soon a peer is asked that failed a request of somebody
        else's.
    """

    check: float = 5.0
    force: float = 5.0
    timeout: float = 2.0
    recheck: float = 1.0

    @classmethod
    def of(cls, check: float, force: float) -> ProbeTimes:
        """
        The times that go with the two options.

        A peer that is asked often is also given up soon, though never before
        a lost question was asked once more and had time to be answered.
        """
        patience = min(2.0, max(1.1, check)) if check > 0 else 2.0
        return cls(check, force, patience)

    @property
    def worstDetection(self) -> float | None:
        """
        The longest time from the silent end of a peer until it counts as out
        of service, when no request meets it; L{None} when nobody asks.
        """
        return self.check + self.timeout if self.check > 0 else None


class IQuestion(Interface):
    """
    One question under way.
    """

    def abandon() -> None:
        """
        Forget it: its taker is told nothing any more.
        """


class IAnswerTaker(Interface):
    """
    Takes the answer to one question.
    """

    def alive(role: PeerRole) -> None:
        """
        The peer answered, and with anything but 503.
        """

    def dead(why: str) -> None:
        """
        No answer in time, a refusal of the transport, or a 503.
        """


class IAsker(Interface):
    """
    Asks a member whether it serves.
    """

    def ask(member: Member, seconds: float, taker: IAnswerTaker) -> IQuestion:
        """
        Ask once.  Exactly one of C{taker.alive} and C{taker.dead} is called,
        perhaps before this returns, unless the question is abandoned first.

        @param seconds: how long to wait for the answer.
        """


class IServiceObserver(Interface):
    """
    Is told what changes.  Must not raise.
    """

    def memberInService(member: Member) -> None:
        """
        A member began to serve.
        """

    def memberOutOfService(member: Member, why: str) -> None:
        """
        A member serves no longer: what waits for its answer waits in vain.
        """


class IPrimaryObserver(Interface):
    """
    Is told who serves under a name.  Must not raise.
    """

    def primaryChanged(pair: str, member: Member | None) -> None:
        """
        Another member serves now.

        @param member: L{None}: nobody does, for the moment.
        """


class IDeviceObserver(Interface):
    """
    Is told which devices of DNs are in service: each begins out of service.  Saying
    again what is known already changes nothing.  Must not raise.
    """

    def deviceInService(dn: str) -> None:
        """
        The device of a DN can be reached: it is registered, or answers.
        """

    def deviceOutOfService(dn: str, why: str) -> None:
        """
        It can no longer be reached.

        @param why: for people, as in C{"the registration expired"}.
        """


class IServiceRegistry(Interface):
    """
    Who is in service.
    """

    def primary(pair: str) -> Member | None:
        """
        The member that serves under a name now: of those in service that say
        they are primary the one with the highest epoch.  L{None} when there is
        none, or no such pair.
        """

    def pairs() -> Sequence[str]:
        """
        The names that somebody serves under now, in order of configuration.
        While no peer has answered yet, those not yet known to be out of
        service: a proxy that has just begun turns no call away.
        """

    def memberFailed(name: str, why: str) -> None:
        """
        Somebody's request to a member was refused or got no answer: counts at
        once, as if the member had failed a question.
        """

    def observe(observer: IServiceObserver) -> None:
        """
        Tell C{observer} of each change from now on.
        """

    def observePrimaries(observer: IPrimaryObserver) -> None:
        """
        Tell C{observer} from now on whenever another member of a pair serves.
        """

    def hasStandby(pair: str) -> bool:
        """
        Whether another member goes on when the one that serves under a name fails.
        """

    def told(name: str, role: PeerRole) -> bool:
        """
        A member said unasked what it is.

        @return: whether it is believed; a primary of an epoch before the highest
            one seen is not.
        """

    def epoch(pair: str) -> int:
        """
        The highest epoch in which somebody has served under a name; 0: none.
        """

    def superseded(name: str) -> bool:
        """
        Whether a member takes itself for the primary, while another one has become
        it in a higher epoch.
        """

    def roleOf(name: str) -> PeerRole | None:
        """
        What a member said last that it is; L{None}: nothing yet.
        """

    def doubt(name: str) -> None:
        """
        Ask a member now that is in service: it does what does not go with what it has
        said.
        """
