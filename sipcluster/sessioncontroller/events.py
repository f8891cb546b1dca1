"""
Call-control events: what joins SIP and CTI.

A leg turns SIP into these values.  The call gives them to its other leg, which
turns them into SIP again, and to the event sinks, which turn them into
T-Library events.  No event knows a SIP message, a leg or a T-Library client.

What a T-Library server makes of them: Offered
is EventDialing, Alerting EventRinging, Answered EventEstablished, Held EventHeld,
Retrieved EventRetrieved, Failed EventDestinationBusy, Released EventReleased or
EventAbandoned.  Those of calls with more than two parties are in
L{sipcluster.sessioncontroller.party_events}, those of routing points and treatments in
L{sipcluster.sessioncontroller.queue_events}.
"""

from __future__ import annotations

import enum
from typing import ClassVar

from attrs import field, frozen

from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import KVList

#: Header fields that go from one leg to the other as they are.
Fields = tuple[tuple[bytes, bytes], ...]


class CallType(enum.Enum):
    """
    How the field counts a call.
    """

    UNKNOWN = "Unknown"
    INTERNAL = "Internal"
    INBOUND = "Inbound"
    OUTBOUND = "Outbound"
    CONSULT = "Consult"


class Role(enum.Enum):
    """
    What a DN is in a call.
    """

    UNKNOWN = "Unknown"
    ORIGINATION = "Origination"
    DESTINATION = "Destination"
    CONFERENCE_MEMBER = "ConferenceMember"
    NEW_PARTY = "NewParty"
    ADDED_BY = "AddedBy"
    DELETED_BY = "DeletedBy"
    TRANSFERRED_BY = "TransferredBy"
    DELETED_PARTY = "DeletedParty"
    CONFERENCED_BY = "ConferencedBy"
    OBSERVER = "Observer"


class Cause(enum.Enum):
    """
    Why something ended: the words of the field's call states.

    C{LOST}: the far end did not answer any more.  C{SHUTDOWN}: this node stops.
    """

    OK = "Ok"
    ABANDONED = "Abandoned"
    BUSY = "Busy"
    NO_ANSWER = "NoAnswer"
    REJECTED = "Rejected"
    REDIRECTED = "Redirected"
    FORWARDED = "Forwarded"
    INVALID_NUMBER = "SitInvalidnum"
    UNREACHABLE = "Unreachable"
    FORBIDDEN = "Forbidden"
    OVERLOAD = "Overload"
    ELSEWHERE = "CompletedElsewhere"
    LOST = "Lost"
    FAILED = "GeneralError"
    SHUTDOWN = "Shutdown"
    TRANSFERRED = "Transferred"
    CONFERENCED = "Conferenced"
    BRIDGED = "Bridged"
    ANSWERING_MACHINE = "AnsweringMachineDetected"
    FAX = "FaxDetected"
    SIT = "SitDetected"
    VACANT = "SitVacant"
    NO_CIRCUIT = "SitNocircuit"
    ALL_TRUNKS_BUSY = "AllTrunksBusy"
    DROPPED = "Dropped"


@frozen
class ThirdParty:
    """
    Who had a hand in something, besides the party and the one it talks to.

    @ivar role: what that one did, or is.
    """

    dn: str
    role: Role = Role.UNKNOWN


@frozen
class PartyView:
    """
    One party of a call, as events name it.

    @ivar connID: 16 hex digits.
    @ivar callUUID: 32 hex digits, the Session-ID of every leg (RFC 7989).
    @ivar thisDN: the DN that the event is about; for a party outside the
        switch, its number.
    @ivar internal: the party is a DN of this switch: only those have events at
        T-Library clients.
    @ivar ani: number of the caller.
    @ivar dnis: number that was dialled.
    @ivar callID: the number that this node gave the call; not 0.
    @ivar userData: what is attached to the call.
    @ivar previousConnID: of a consultation the call about which it is, and of a party
        that has come from another call that one; C{""}: there is none.
    @ivar thisQueue: the routing point that the call went through last, or at which
        it is; C{""}: none.
    @ivar conference: the consultation is to become a conference, not a transfer.
    @ivar hidden: telephones are not to be shown who it is.
    """

    connID: str
    callUUID: str
    callType: CallType
    thisDN: str
    thisRole: Role
    internal: bool
    otherDN: str
    otherRole: Role
    ani: str
    dnis: str
    callID: int = 0
    userData: KVList = ()
    previousConnID: str = ""
    thisQueue: str = ""
    conference: bool = False
    hidden: bool = False


@frozen
class CallEvent:
    """
    Something happened to a party of a call.

    @cvar published: whether sinks get it, or only the other leg.
    @ivar time: seconds since 1970.
    @ivar requester: who asked for it by T-Library, so that the event answers the
        request; L{None} when a telephone or the far end did it.
    @ivar third: who had a hand in it; L{None}: nobody else.
    @ivar why: what brought it about, in the words of the field's call states, where
        the event has no cause of its own.
    @ivar extensions: more of it, as the field's AttributeExtensions has it.
    """

    published: ClassVar[bool] = True

    party: PartyView
    time: float
    requester: Requester | None = field(default=None, kw_only=True)
    third: ThirdParty | None = field(default=None, kw_only=True)
    why: Cause = field(default=Cause.OK, kw_only=True)
    extensions: KVList = field(default=(), kw_only=True)


@frozen
class Offered(CallEvent):
    """
    The party asks for a call.

    @ivar body: its SDP offer, or C{b""} when it wants one.
    """

    body: bytes = b""
    fields: Fields = ()


@frozen
class Alerting(CallEvent):
    """
    The call has been sent to the party's device.
    """


@frozen
class Progressed(CallEvent):
    """
    The party's device said how far it is.

    @ivar status: 180 to 199.
    @ivar body: early media, or C{b""}.
    @ivar fork: names which of several devices said it.
    """

    status: int
    reason: bytes = b""
    body: bytes = b""
    fork: bytes = b""
    fields: Fields = ()


@frozen
class Answered(CallEvent):
    """
    The party is connected.

    @ivar body: its answer, or its offer when it was not given one.
    @ivar fork: names which of several devices answered: two answers with
        different media come from different forks.
    """

    body: bytes = b""
    fork: bytes = b""
    fields: Fields = ()


@frozen
class Acknowledged(CallEvent):
    """
    The party saw that its call, or its change of the session, was answered.

    @ivar body: its answer when it had been given an offer.
    """

    published: ClassVar[bool] = False

    body: bytes = b""


@frozen
class Held(CallEvent):
    """
    The party wants to hear nothing more.
    """


@frozen
class Retrieved(CallEvent):
    """
    The party is back.
    """


@frozen
class ModificationAsked(CallEvent):
    """
    The party wants to change or to refresh the session.

    @ivar method: C{b"INVITE"} or C{b"UPDATE"}.
    @ivar body: its offer; C{b""} asks for one (INVITE) or only refreshes.
    @ivar masked: the offer says less than the party would like, since somebody
        holds by request.
    """

    published: ClassVar[bool] = False

    method: bytes
    body: bytes = b""
    fields: Fields = ()
    masked: bool = False


@frozen
class ModificationAnswered(CallEvent):
    """
    The party answered what the other one wants to change.

    @ivar status: a final status.
    @ivar masked: as for L{ModificationAsked}.
    """

    published: ClassVar[bool] = False

    status: int
    reason: bytes = b""
    body: bytes = b""
    fields: Fields = ()
    masked: bool = False


@frozen
class ModificationWithdrawn(CallEvent):
    """
    The party no longer wants what it asked for.
    """

    published: ClassVar[bool] = False


@frozen
class Updated(CallEvent):
    """
    The session of the party has changed, and it is neither held nor retrieved.
    """


@frozen
class Relayed(CallEvent):
    """
    The party's device has something for the other device.

    @ivar serial: names it until it is answered; below 0: the node itself has it for
        the device.
    """

    published: ClassVar[bool] = False

    serial: int
    method: bytes
    body: bytes = b""
    fields: Fields = ()


@frozen
class RelayAnswered(CallEvent):
    """
    What the party's device answered to a L{Relayed} of the other one.
    """

    published: ClassVar[bool] = False

    serial: int
    status: int
    reason: bytes = b""
    body: bytes = b""
    fields: Fields = ()


@frozen
class Refused(CallEvent):
    """
    The party, which is called, does not take the call, or cannot be reached.

    @ivar status: what its device answered, or what stands for its silence.
    @ivar contacts: where it wants the call to go instead: URIs.
    """

    published: ClassVar[bool] = False

    cause: Cause
    status: int
    reason: bytes = b""
    contacts: tuple[bytes, ...] = ()
    fields: Fields = ()


@frozen
class Failed(CallEvent):
    """
    The party, which calls, cannot have what it wants.

    @ivar status: what it is answered.
    """

    cause: Cause
    status: int


@frozen
class Released(CallEvent):
    """
    The party is out of the call: its last event, exactly once.

    @ivar answered: it had been connected.
    @ivar reason: the value of a Reason header (RFC 3326), or C{b""}.
    """

    cause: Cause
    answered: bool = False
    reason: bytes = b""


@frozen
class UserDataChanged(CallEvent):
    """
    What is attached to the call has changed: told of every party of the call.
    The party's view has all of it.

    @ivar changed: the pairs that were attached or updated.
    @ivar deleted: the keys that are gone.
    @ivar by: the DN for which it was asked; C{""} when nobody asked.
    """

    changed: KVList = ()
    deleted: tuple[str, ...] = ()
    by: str = ""


@frozen
class DTMFSent(CallEvent):
    """
    Digits were sent in the name of the party.
    """

    digits: str = ""
