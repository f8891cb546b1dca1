"""
A call as a value: everything that another Session Controller needs in order to
go on with it.

The live objects (L{Call<sipcluster.sessioncontroller.call.Call>}, its legs and
parties) write themselves into these and are made from these again.  The HA link
carries them, C{status} prints them, tests compare them.
"""

from __future__ import annotations

from typing import Any

import msgspec
from attrs import evolve, frozen

from sipcluster.sessioncontroller.events import CallType, Role
from sipcluster.sessioncontroller.isessioncontroller import DTMFMethod
from sipcluster.sessioncontroller.session_refresh import Refresh
from sipcluster.sip.dialog import Dialog
from sipcluster.wire.correlation import Requester
from sipcluster.wire.kvlist import asKVList


@frozen
class PartyValue:
    """
    One DN in a call.

    @ivar state: name of the state of the party's machine (ECMA-269).
    @ivar internal: it is a DN of this switch.
    @ivar answered: it has been connected.
    """

    dn: str
    role: Role
    internal: bool
    state: str
    answered: bool = False


@frozen
class LegValue:
    """
    One UA side of a call.

    @ivar id: the user part of its Contact.
    @ivar incoming: whether the far end sent the INVITE.
    @ivar state: name of the state of the leg's machine.
    @ivar party: index of its party in L{CallValue.parties}.
    @ivar localTag: our tag; also before there is a dialog.
    @ivar dialog: the dialog; L{None} while there is none.
    @ivar early: early dialogs of a forked INVITE besides.
    @ivar invite: the INVITE as bytes, top Via included, while it has no final
        response.
    @ivar accepted: our 2xx as bytes, while the far end has not acknowledged it.
    @ivar originID: session id of the SDP that we send (RFC 8866 section 5.2).
    @ivar originVersion: its version in the last SDP sent.
    @ivar sent: the last SDP sent, without its origin line.
    @ivar received: the last SDP received.
    @ivar allow: the methods that the far end takes, as it said; may be empty.
    @ivar held: the far end listens to nobody.
    @ivar proxy: name of the SIP Proxy in between.
    @ivar secure: all hops use TLS: a SIPS call.
    @ivar refresh: who refreshes the session; L{None}: nobody.
    @ivar holding: its DN holds the other one by request.
    @ivar dtmfMethod: how the far end is sent digits.
    """

    id: bytes
    incoming: bool
    state: str
    party: int
    callID: bytes
    localTag: bytes
    dialog: Dialog | None
    early: tuple[Dialog, ...] = ()
    invite: bytes = b""
    accepted: bytes = b""
    originID: int = 0
    originVersion: int = 0
    sent: bytes = b""
    received: bytes = b""
    allow: bytes = b""
    held: bool = False
    proxy: str = ""
    secure: bool = False
    holding: bool = False
    refresh: Refresh | None = None
    dtmfMethod: DTMFMethod = DTMFMethod.INFO


@frozen
class UndertakingValue:
    """
    Something that a call was asked, and that is not done yet.

    @ivar kind: make, answer, talk, redirect, hold, retrieve, digits; connect: what is
        left to do for a call that was made by request when it is answered.
    @ivar party: index of the asking party in L{CallValue.parties}.
    """

    kind: str
    party: int
    requester: Requester | None = None


@frozen
class CallValue:
    """
    One call.

    @ivar connID: 16 hex digits.
    @ivar callUUID: 32 hex digits, the Session-ID of every leg (RFC 7989).
    @ivar ani: number of the caller.
    @ivar dnis: number that was dialled.
    @ivar created: seconds since 1970.
    @ivar redirections: 3xx answers followed so far.
    @ivar callID: the number that the node gave it.
    @ivar undertakings: what it was asked and has not done.
    @ivar userData: pairs attached to the call, in order, keys may repeat.
    """

    connID: str
    callUUID: str
    callType: CallType
    ani: str
    dnis: str
    created: float
    parties: tuple[PartyValue, ...]
    legs: tuple[LegValue, ...]
    redirections: int = 0
    userData: tuple[tuple[str, Any], ...] = ()
    callID: int = 0
    undertakings: tuple[UndertakingValue, ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[CallValue] | None = None


def encodeCall(value: CallValue) -> bytes:
    """
    Write a call down.
    """
    return _encoder.encode(value)


def decodeCall(data: bytes) -> CallValue:
    """
    Read what L{encodeCall} wrote; fields that are not known are left out.

    @raise ValueError: it is no call.
    """
    global _decoder
    if _decoder is None:
        _decoder = msgspec.msgpack.Decoder(CallValue)
    value = _decoder.decode(data)
    # Lists in lists were decoded as Python lists.
    return evolve(value, userData=asKVList(value.userData)) if value.userData else value
