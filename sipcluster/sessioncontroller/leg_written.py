"""
A leg written down, and made live again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipcluster.sessioncontroller.events import Role
from sipcluster.sessioncontroller.incoming_invite import IncomingInvite
from sipcluster.sessioncontroller.isessioncontroller import ProxyAddress
from sipcluster.sessioncontroller.outgoing_invite import OutgoingInvite
from sipcluster.sessioncontroller.session_description import SessionOrigin
from sipcluster.sessioncontroller.values import (
    AcknowledgedValue,
    LegValue,
    OutgoingInviteValue,
)
from sipcluster.sessioncontroller.values_aged import LITTLE
from sipcluster.sip.adoption import InviteServerValue
from sipcluster.sip.dialog import DialogSet, withoutTag
from sipcluster.sip.message import Request, Response, parseMessage

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from sipcluster.sessioncontroller.call import Call
    from sipcluster.sessioncontroller.leg import Leg

#: States of a leg whose own INVITE has no final response.
INVITING = ("Calling", "Early", "Cancelling")

#: States of a leg whose far end has not acknowledged our 2xx.
_UNACKNOWLEDGED = ("Accepted", "Releasing")


def writeLeg(leg: Leg, party: int) -> LegValue:
    """
    Write a leg down.

    @param party: index of its party in the call's value.
    """
    call, invite, change, origin = leg.call, leg.invite, leg.change, leg.origin
    invited = asked = None
    inviting = asking = None
    if isinstance(invite, IncomingInvite):
        invited = invite.value()
    elif invite is not None:
        inviting = invite.value()
    if isinstance(change, IncomingInvite):
        asked = change.value()
    elif isinstance(change, OutgoingInvite):
        asking = change.value(call is not None and call.isOwn(leg))
    acked = leg.acked
    ringing, media, state = leg._ringing, leg.earlyMedia, leg.state
    return LegValue(
        id=leg.id,
        incoming=leg.incoming,
        state=state,
        party=party,
        callID=leg.callID,
        localTag=leg.localTag,
        dialog=leg.dialog,
        early=() if leg.forks is None else tuple(leg.forks.dialogs.values()),
        originID=origin.sessionID,
        originVersion=origin.version,
        sent=origin.sent,
        received=leg.received,
        allow=leg.allow,
        held=leg.held,
        proxy="" if leg.proxy is None else leg.proxy.name,
        secure=leg.secure,
        holding=leg.holding,
        refresh=leg.refresh,
        dtmfMethod=leg.dtmfMethod,
        invited=invited,
        inviting=inviting,
        asked=asked,
        asking=asking,
        offered=leg.offered,
        destination=leg.destination if state in INVITING else None,
        earlyMedia=() if media is None else tuple(media.items()),
        mediaFork=leg.mediaFork,
        ringing=0.0 if ringing is None else ringing.left,
        muted=leg.muted,
        withdrawn=leg.withdrawn,
        reason=leg.reason,
        loose=call is not None and call.isLoose(leg),
        originAddress=origin.address,
        expiring=leg.expiring,
        answered=b"" if leg.answered is None else leg.answered.render(),
        relayed=leg.relayedValues() if leg.relays or leg.repeats else (),
        relaying=leg.relayingValues() if leg.relaying or leg.unanswered else (),
        acked=None if acked is None else _writeAcked(acked, leg.ua.timers.clock),
        role=0 if call is None else call.placeOf(leg),
        peer=-1 if call is None else call.peerOf(leg),
        joined=leg.joined,
        media=leg.media,
        refreshing=leg.refreshing,
        held200=leg.heldAnswer,
        reliable=(
            invite.reliableValue() if isinstance(invite, IncomingInvite) else None
        ),
        pracked=() if leg.pracked is None else tuple(leg.pracked.items()),
        server=leg.server,
        referral=None if leg.referral is None else leg.referral.value(),
    )


def _writeAcked(
    acked: tuple[int, float, bool], clock: IReactorTime
) -> AcknowledgedValue:
    number, until, answers = acked
    return AcknowledgedValue(number, max(LITTLE, until - clock.seconds()), answers)


def canGoOn(value: LegValue) -> bool:
    """
    Whether a leg can be gone on with.
    """
    if value.state == "Proceeding":
        return value.invited is not None
    if value.state in INVITING:
        return value.inviting is not None
    return value.dialog is not None


def restoreLeg(call: Call, value: LegValue) -> Leg:
    """
    Make a leg live again that L{canGoOn}.

    A leg whose 2xx was not acknowledged, and whose INVITE was not written down,
    counts as acknowledged: the far end that did not get it asks again, or hangs up.

    @raise MalformedMessage: something in it cannot be read.
    @raise ValueError: it is here already.
    """
    ua = call.agent
    state = value.state
    if state in _UNACKNOWLEDGED and value.invited is None:
        state = "Confirmed"
    origin = SessionOrigin(
        value.originAddress or ua.origin,
        value.originID,
        value.originVersion,
        value.sent,
    )
    if value.server:
        leg = call.addService(
            value.server, value.callID, value.localTag, value.id, origin, state
        )
    else:
        party = call.parties[value.party]
        leg = call.addLeg(
            party,
            value.incoming,
            value.callID,
            value.localTag,
            value.id,
            origin,
            state,
            value.role == 1
            or (not value.role and party.view.thisRole is Role.ORIGINATION),
            value.loose,
        )
    leg.joined = value.joined
    leg.media = value.media
    leg.received = value.received
    leg.allow = value.allow
    leg.held = value.held
    leg.holding = value.holding
    leg.agreeOn(value.refresh, value.expiring)
    leg.refreshing = value.refreshing and value.asking is not None
    leg.dtmfMethod = value.dtmfMethod
    leg.secure = value.secure
    leg.offered = value.offered
    leg.destination = value.destination
    leg.earlyMedia = dict(value.earlyMedia) or None
    leg.mediaFork = value.mediaFork
    leg.muted = value.muted
    leg.withdrawn = value.withdrawn
    leg.reason = value.reason
    answered = parseMessage(value.answered) if value.answered else None
    leg.restoreRelays(value.relayed, value.relaying)
    acked = value.acked
    if acked is not None:
        until = ua.timers.clock.seconds() + acked.left
        leg.acked = acked.number, until, acked.answers
    if value.pracked:
        leg.pracked, leg.repracked = dict(value.pracked), dict(value.pracked)
    if value.referral is not None:
        leg.restoreReferral(value.referral)
    leg.answered = answered if isinstance(answered, Response) else None
    if value.dialog is not None:
        leg.settled(value.dialog)
    if value.invited is not None and state != "Confirmed":
        _restoreInvited(leg, value.invited)
        leg.heldAnswer = value.held200
        if value.reliable is not None and isinstance(leg.invite, IncomingInvite):
            leg.invite.adoptReliable(value.reliable)
    if value.inviting is not None:
        try:
            _restoreInviting(leg, value, value.inviting)
        except ValueError:
            if state in INVITING:
                raise
            leg.invite = None  # answered, and it has lingered here all the time
    if value.asked is not None:
        leg.change = _incoming(leg, value.asked)
    if value.asking is not None:
        try:
            _restoreAsking(leg, value, value.asking)
        except ValueError:
            leg.change = None  # it is given up here, where it was sent
    return leg


def _incoming(leg: Leg, value: InviteServerValue) -> IncomingInvite:
    transaction = leg.ua.layer.adoptServer(value)
    invite = IncomingInvite(leg.ua, leg, transaction)
    invite.adopt(value)
    return invite


def _restoreInvited(leg: Leg, value: InviteServerValue) -> None:
    invite = leg.invite = _incoming(leg, value)
    maxForwards = invite.request.maxForwards
    leg.maxForwards = 70 if maxForwards is None else maxForwards
    if leg.proxy is None:
        leg.proxy = leg.ua.proxies.at(value.source.host)


def _sent(value: OutgoingInviteValue) -> Request:
    """
    An INVITE of ours without our Via.
    """
    request = parseMessage(value.transaction.request)
    assert isinstance(request, Request)
    return request.replacing(headers=request.headers.removeFirstValue(b"Via"))


def _restoreInviting(leg: Leg, value: LegValue, written: OutgoingInviteValue) -> None:
    sent = _sent(written)
    caller = withoutTag(sent.headers.first(b"From") or b"")

    def make(proxy: ProxyAddress) -> Request:
        leg.rename()
        leg.forks = None
        leg.proxy = proxy
        headers = sent.headers.replace(b"Route", b"<%b>" % proxy.uri)
        headers = headers.replace(b"From", b"%b;tag=%b" % (caller, leg.localTag))
        return sent.replacing(headers=headers.replace(b"Call-ID", leg.callID))

    invite = leg.invite = OutgoingInvite(leg.ua, leg, make, False)
    request = invite.adopt(written)
    leg.caller = caller
    leg.proxy = leg.proxy or invite.proxy
    if value.early:
        leg.forks = DialogSet(request, leg.ua.limits.forks)
        for dialog in value.early:
            leg.forks.dialogs[dialog.remoteTag] = dialog
            invite.counted(dialog.localSequence)
    if written.acknowledged and leg.dialog is not None:
        fields = ((b"Session-ID", leg.sessionID()),)
        body = b"" if invite.offered else leg.origin.last
        invite.acknowledged(leg.dialog, body, fields)
    if value.state in ("Calling", "Early"):
        leg.ring(value.ringing)


def _restoreAsking(leg: Leg, value: LegValue, written: OutgoingInviteValue) -> None:
    sent = _sent(written)
    change = OutgoingInvite(leg.ua, leg, lambda proxy: leg.through(sent, proxy), False)
    leg.change = change
    change.adopt(written)
    if value.ringing:
        leg.thinkAboutChange(value.ringing)
