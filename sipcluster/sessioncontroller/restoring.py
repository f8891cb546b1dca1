"""
A call made live again from its value.
"""

from __future__ import annotations

from collections.abc import Callable

from sipcluster.sessioncontroller.call import Call
from sipcluster.sessioncontroller.events import CallEvent, Role
from sipcluster.sessioncontroller.isessioncontroller import IDialPlan
from sipcluster.sessioncontroller.session_description import SessionOrigin
from sipcluster.sessioncontroller.useragent import UserAgent
from sipcluster.sessioncontroller.values import CallValue, LegValue


def restoreCall(
    value: CallValue,
    ua: UserAgent,
    plan: IDialPlan,
    publish: Callable[[CallEvent], None],
    ended: Callable[[Call], None],
) -> Call | None:
    """
    Make a call from its value.

    A leg whose 2xx was not acknowledged counts as acknowledged: the far end
    that did not get it asks again, or hangs up.

    @return: L{None} when a leg of it has no confirmed dialog: a call that is
        still being made needs its transactions too.
    """
    for leg in value.legs:
        if leg.state not in ("Accepted", "Confirmed") or leg.dialog is None:
            return None
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
    for party in value.parties:
        call.addParty(party.dn, party.role, party.internal, None, party.state)
        call.parties[-1].answered = party.answered
    for legValue in value.legs:
        _restoreLeg(call, legValue, ua)
    if len(call.legs) == 2:
        first, second = (leg.party for leg in call.legs)
        first.meet(second)
        second.meet(first)
    call.resume(value)
    return call


def _restoreLeg(call: Call, value: LegValue, ua: UserAgent) -> None:
    leg = call.addLeg(
        call.parties[value.party],
        value.incoming,
        value.callID,
        value.localTag,
        value.id,
        SessionOrigin(ua.origin, value.originID, value.originVersion, value.sent),
        "Confirmed",
        call.parties[value.party].view.thisRole is Role.ORIGINATION,
    )
    assert value.dialog is not None
    leg.settled(value.dialog)
    leg.received = value.received
    leg.allow = value.allow
    leg.held = value.held
    leg.holding = value.holding
    leg.refresh = value.refresh
    leg.dtmfMethod = value.dtmfMethod
    leg.secure = value.secure
