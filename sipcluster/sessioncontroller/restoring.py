"""
A call made live again from its value.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.call_resuming import FindDN
from sipcluster.sessioncontroller.events import CallEvent, Cause
from sipcluster.sessioncontroller.isessioncontroller import IDialPlan
from sipcluster.sessioncontroller.leg import Leg
from sipcluster.sessioncontroller.leg_written import canGoOn, restoreLeg
from sipcluster.sessioncontroller.standing import AS_USUAL
from sipcluster.sessioncontroller.useragent import UserAgent
from sipcluster.sessioncontroller.values import CallValue


def restoreCall(
    value: CallValue,
    ua: UserAgent,
    plan: IDialPlan,
    publish: Callable[[CallEvent], None],
    ended: Callable[[Call], None],
) -> Call:
    """
    Make a call from its value, with its parties.
    """
    call = Call(
        ua,
        plan,
        publish,
        ended,
        value.connID,
        value.callUUID,
        value.ani,
        value.dnis,
        value.created,
        value.callID,
    )
    call.callType = value.callType
    call.redirections = value.redirections
    call.userData = value.userData
    call.consults = value.consults
    call.conference = value.conference
    call.heldFor = value.heldFor
    for written in value.parties:
        party = call.addParty(
            written.dn, written.role, written.internal, None, written.state
        )
        party.answered = written.answered
        party.standing = written.standing or AS_USUAL
        if written.otherRole is not None:
            party.view = evolve(
                party.view,
                callType=written.callType or value.callType,
                otherDN=written.otherDN,
                otherRole=written.otherRole,
                previousConnID=written.previousConnID,
                thisQueue=written.thisQueue,
                conference=written.conference,
                hidden=written.hidden,
            )
    return call


def goOn(call: Call, value: CallValue, findDN: FindDN) -> bool:
    """
    Make the legs of a call from its value, and go on with it.

    A call of which a far end has heard nothing yet, or which has a leg that cannot be
    gone on with, ends: its parties are released, and whoever was called is told.

    @return: whether it is gone on with.

    @raise MalformedMessage: something in it cannot be read.
    @raise ValueError: one of its INVITEs is here already.
    """
    whole = True
    made: list[Leg | None] = []
    for written in value.legs:
        if canGoOn(written):
            made.append(restoreLeg(call, written))
        else:
            whole = whole and bool(written.server)
            made.append(None)
    for leg, written in zip(made, value.legs, strict=True):
        if leg is None or written.peer == -1:
            continue
        peer = made[written.peer] if written.peer >= 0 else None
        for one in (leg, peer):
            if one is not None and one.peer is not None:
                one.peer.peer = None
        leg.peer = peer
        if peer is not None:
            peer.peer = leg
        elif written.peer >= 0:
            leg.joined = False
    if value.leaving >= 0:
        call.leaving = made[value.leaving]
    if not whole or not (call.legs or (value.making and value.making.routing)):
        call.release(Cause.LOST)
        call.endIfEmpty()
        call.refuseAll(value)
        return False
    if len(call.legs) == 2 and value.parties[0].otherRole is None:
        first, second = (leg.party for leg in call.legs)
        first.meet(second)
        second.meet(first)
    call.resume(value, findDN)
    for leg in list(call.legs):
        leg.goOn()
    return True
