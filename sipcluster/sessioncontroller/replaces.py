"""
Which dialog a request speaks of that is not inside it: Replaces (RFC 3891) and
Target-Dialog (RFC 4538).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import frozen

from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.message import Message
from sipcluster.sip.parameters import Parameters

if TYPE_CHECKING:
    from sipcluster.sessioncontroller.call import Call
    from sipcluster.sessioncontroller.leg import Leg

#: How Call-IDs begin that stand for those of telephones that ring.
_RINGS = b"ringing-"


@frozen
class DialogID:
    """
    A dialog of somebody.

    @ivar ours: the tag of the side that is spoken to.
    @ivar theirs: that of the other one.
    @ivar earlyOnly: it is meant only while it is not answered.
    """

    callID: bytes
    ours: bytes
    theirs: bytes
    earlyOnly: bool = False


def _read(value: bytes, ours: bytes, theirs: bytes) -> DialogID:
    callID, semicolon, rest = value.strip().partition(b";")
    parameters = Parameters.parse(semicolon + rest)
    found = DialogID(
        callID.strip(),
        parameters.get(ours) or b"",
        parameters.get(theirs) or b"",
        b"early-only" in parameters,
    )
    if not (found.callID and found.ours and found.theirs):
        raise MalformedMessage("names no dialog", value)
    return found


def readReplaces(value: bytes) -> DialogID:
    """
    Read the value of a Replaces.

    @raise MalformedMessage: it names no dialog.
    """
    return _read(value, b"to-tag", b"from-tag")


def replacesOf(message: Message) -> DialogID | None:
    """
    The dialog that an INVITE is to take the place of; L{None}: of none.

    @raise MalformedMessage: it names none, or more than one.
    """
    return _only(message, b"Replaces", b"to-tag", b"from-tag")


def targetDialogOf(message: Message) -> DialogID | None:
    """
    The dialog with whose other side the sender of a request wants to be taken for;
    L{None}: it names none.

    @raise MalformedMessage: it cannot be read, or there is more than one.
    """
    return _only(message, b"Target-Dialog", b"local-tag", b"remote-tag")


def _only(message: Message, name: bytes, ours: bytes, theirs: bytes) -> DialogID | None:
    if name not in message.headers:
        return None
    values = message.headers.all(name)
    if len(values) != 1:
        raise MalformedMessage(f"more than one {name.decode()}")
    return _read(values[0], ours, theirs)


def findLeg(
    legs: Mapping[bytes, Leg], wanted: DialogID, either: bool = False
) -> Leg | None:
    """
    The leg whose dialog is spoken of; L{None}: none of this node.

    @param either: whoever speaks of it may have mixed up the tags.
    """
    leg = _find(legs, wanted.callID, wanted.ours, wanted.theirs)
    if leg is None and either:
        leg = _find(legs, wanted.callID, wanted.theirs, wanted.ours)
    return leg


def _find(
    legs: Mapping[bytes, Leg], callID: bytes, ours: bytes, theirs: bytes
) -> Leg | None:
    leg = legs.get(ours)
    if leg is None or leg.callID != callID or leg.call is None:
        return None
    dialog = leg.dialog
    if dialog is not None and dialog.remoteTag == theirs:
        return leg
    if leg.forks is not None and theirs in leg.forks.dialogs:
        return leg
    return None


def ringingName(leg: Leg, connID: str) -> DialogID:
    """
    What others are told of a dialog in which a telephone rings, so that they may pick
    the call up.  By the tags themselves they could speak in the dialog: they could
    hang up, or have calls made in the name of the DN.
    """
    ours, theirs = (
        sha256(side + leg.localTag).hexdigest()[:32].encode()
        for side in (b"ours ", b"theirs ")
    )
    return DialogID(_RINGS + connID.encode(), ours, theirs)


def findRinging(calls: Mapping[str, Call], wanted: DialogID) -> Leg | None:
    """
    The leg of which others were told by L{ringingName}; L{None}: none rings so.
    """
    if not wanted.callID.startswith(_RINGS):
        return None
    call = calls.get(wanted.callID.removeprefix(_RINGS).decode("ascii", "replace"))
    for leg in () if call is None else call.legs:
        if leg.incoming or leg.server or leg.state == "Confirmed":
            continue
        name = ringingName(leg, leg.party.view.connID)
        if {name.ours, name.theirs} == {wanted.ours, wanted.theirs}:
            return leg
    return None
