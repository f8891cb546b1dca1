"""
What goes into a T-Library client and comes out of it: where to resume, how long to
wait, how the link is, why a request came to nothing.
"""

from __future__ import annotations

import json

from attrs import asdict, field, frozen, validators

from sipcluster.tlib.enums import ResumeResult
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import EventError, EventServerInfo, Message


@frozen
class Resume:
    """
    Where a client is in the stream of its session.  It can be written down, and
    given to another client object, in another process: that one goes on with the
    event that comes next.

    @ivar session: SessionID, from the server.
    @ivar epoch: the Epoch of the server that began the session.
    @ivar position: EventSequenceNumber of the last event that C{eventReceived} was
        given.
    @ivar roleEpoch: RoleEpoch of the primary that the client has all that from; 0:
        not known, or it is in no pair.
    """

    session: str = field(validator=validators.instance_of(str))
    epoch: int = field(validator=[validators.instance_of(int), validators.ge(0)])
    position: int = field(
        default=0, validator=[validators.instance_of(int), validators.ge(0)]
    )
    roleEpoch: int = field(
        default=0, validator=[validators.instance_of(int), validators.ge(0)]
    )

    def asText(self) -> str:
        """
        One line, to be kept in a file.
        """
        return json.dumps(asdict(self))

    @classmethod
    def fromText(cls, text: str) -> Resume:
        """
        Read what L{asText} wrote.

        @raise ValueError: it is something else.
        """
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as e:
            raise ValueError(f"no place to resume: {text[:80]!r}") from e


@frozen
class Times:
    """
    How long a client waits, in seconds; the defaults of the first three are the
    field's.

    @ivar connect: for one connection.
    @ivar startUp: for the answer to RequestRegisterClient (the switchover timeout
        of T-Library).
    @ivar reconnect: the longest pause between two attempts, and the one after a
        refusal.
    @ivar first: the pause after the first failure; when no address of the server
        was any good, the next ones are twice as long.  The true pause is a part of
        it, between half and whole, by chance.
    @ivar settled: a link that was lost sooner than this does not make the pauses
        short again.
    @ivar request: for the answer to a request, reconnecting included; longer than
        the 30 seconds after which the server answers EventError 57.
    @ivar patient: the same for one that may wait for people, which the server answers
        after 180 seconds.
    @ivar keepAlive: what the server is asked for: whoever hears nothing for so long
        sends a poll.
    @ivar acknowledge: until the server is told which events were handled, when
        nothing else is said to it.
    @ivar stale: for which the RoleEpoch of the last primary is remembered when there
        is no link: longer than a primary that does not know yet of another one can
        go on.
    @ivar close: for the server to take the end of an orderly closed connection.
    """

    connect: float = 3.6
    startUp: float = 3.6
    reconnect: float = 20.0
    first: float = 0.2
    settled: float = 5.0
    request: float = 40.0
    patient: float = 190.0
    keepAlive: float = 10.0
    acknowledge: float = 1.0
    stale: float = 60.0
    close: float = 2.0


@frozen
class LinkState:
    """
    What C{linkChanged} is told.

    @ivar connected: the server has taken the client.
    @ivar why: why it is not connected; empty when it is.
    @ivar resumed: what became of the session; only when connected.
    @ivar info: what the server says of itself; only when connected.
    @ivar forGood: there will be no further attempts.
    """

    connected: bool
    why: str = ""
    resumed: ResumeResult | None = None
    info: EventServerInfo | None = None
    forGood: bool = False


class RequestFailed(Exception):
    """
    A request came to nothing.
    """


class RequestRefused(RequestFailed):
    """
    The server answered EventError.

    @ivar code: AttributeErrorCode; a plain number when we do not know it.
    @ivar text: AttributeErrorMessage.
    @ivar event: the EventError.
    """

    def __init__(
        self, code: TErrorCode | int, text: str = "", event: Message | None = None
    ) -> None:
        super().__init__(f"{int(code)} {text}".rstrip())
        self.code = code
        self.text = text
        self.event = event


class RequestTimedOut(RequestFailed):
    """
    No answer came in time; the request may be done all the same.
    """


class SessionLost(RequestFailed):
    """
    The server no longer knows the session that the request was made in: it may be
    done, or not.
    """


class TooManyRequests(RequestFailed):
    """
    So many requests wait for their answers that no more are taken.
    """


class ClientStopped(RequestFailed):
    """
    The client was stopped before the answer came.
    """


def refusal(event: EventError) -> RequestRefused:
    """
    An EventError as an exception.
    """
    return RequestRefused(event.errorCode or 0, event.errorMessage or "", event)
