"""
Telephones that speak of calls in which they are, or of which they know, from outside of
their dialogs: INVITE with Replaces (RFC 3891), REFER with Target-Dialog (RFC 4538).
"""

from __future__ import annotations

from twisted.logger import Logger

from sipcluster.sessioncontroller.acceptance import checkExtensions
from sipcluster.sessioncontroller.authentication import Refused
from sipcluster.sessioncontroller.isessioncontroller import ExtensionDN, TrunkDN
from sipcluster.sessioncontroller.replaces import (
    findLeg,
    findRinging,
    replacesOf,
    targetDialogOf,
)
from sipcluster.sessioncontroller.routing_control import RoutingControl
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.server_transaction import ServerTransaction

log = Logger()


class ReferringControl(RoutingControl):
    """
    Finds the call of which a telephone speaks, and has it do that.
    """

    def takeReplacing(
        self, transaction: ServerTransaction, sender: ExtensionDN | TrunkDN
    ) -> None:
        """
        See L{Reception<sipcluster.sessioncontroller.reception.Reception>}.
        """
        wanted = replacesOf(transaction.request)
        assert wanted is not None
        # Lamps know a dialog as the telephone does that rings.
        leg = findLeg(self.ua.legs, wanted, either=True)
        leg = leg or findRinging(self.calls, wanted)
        call = None if leg is None else leg.call
        if not isinstance(sender, ExtensionDN):
            self._respond(transaction, 403)
        elif leg is None or call is None:
            self.ua.count("unknownDialogs")
            self._respond(transaction, 481)
        else:
            number = sender.number
            status = call.cannotReplace(leg, number, wanted.earlyOnly)
            if status:
                log.warn(
                    "{dn} cannot take the place of {other}: {status}",
                    dn=number,
                    other=leg.party.view.thisDN,
                    status=status,
                    connID=call.connID,
                )
                self._respond(transaction, status)
            else:
                proxy = self.ua.proxies.at(transaction.flow.remote[0])
                call.replace(leg, number, transaction, proxy)

    def takeRefer(self, transaction: ServerTransaction) -> None:
        """
        See L{Reception<sipcluster.sessioncontroller.reception.Reception>}.
        """
        request = transaction.request
        wrong = checkExtensions(request)
        if wrong is not None:
            self._refuse(transaction, wrong)
            return
        sender = self._authenticator.identify(request)
        if isinstance(sender, Refused):
            self._respond(transaction, sender.status, sender.headers)
            return
        wanted = targetDialogOf(request)
        if wanted is None:
            self._respond(transaction, 403)
            return
        leg = findLeg(self.ua.legs, wanted, either=True)
        if leg is None:
            self.ua.count("unknownDialogs")
            self._respond(transaction, 481)
        elif (
            not isinstance(sender, ExtensionDN)
            or leg.party.view.thisDN != sender.number
            or leg.server
        ):
            self._respond(transaction, 403)
        elif leg.state != "Confirmed":
            self._respond(transaction, 603)
        else:
            dialog = Dialog.asUAS(request, self.ua.identifiers.tag())
            leg.ua.touch()
            leg.referTaken(transaction, dialog)
