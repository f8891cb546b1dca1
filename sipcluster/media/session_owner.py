"""
What sessions ask of the media server that they are part of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from sipcluster.media.application import Document
from sipcluster.media.imedia import IRTPSession
from sipcluster.media.session_dialogs import Dialogs
from sipcluster.msml.values import DialogStart, Event
from sipcluster.sip.dialog import Dialog
from sipcluster.sip.message import Request, Response
from sipcluster.sip.server_transaction import ServerTransaction
from sipcluster.sip.timers import TimerQueue

if TYPE_CHECKING:
    from sipcluster.media.session import MediaSession

#: Told the status of the final response to a request of ours, and the response.
Answered = Callable[[int, Response | None], None]


class ISessionOwner(Protocol):
    """
    What a session asks of the media server that it is part of.
    """

    timers: TimerQueue
    maxDuration: float
    contact: bytes

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        toTag: bytes = b"",
        fields: tuple[tuple[bytes, bytes], ...] = (),
        body: bytes = b"",
        contentType: bytes = b"",
        why: str = "",
    ) -> None:
        "Answer a request."

    def send(self, dialog: Dialog, request: Request, answered: Answered) -> None:
        "Send a request inside a dialog."

    def dialogsOf(
        self, id: str, rtp: IRTPSession, say: Callable[[Event], None]
    ) -> Dialogs:
        "Make what does as MSML says."

    def dialogOf(self, plan: Document, target: str) -> DialogStart | None:
        "What a document does."

    def sessionEnded(self, session: MediaSession, why: str) -> None:
        "A session is over: told once."

    def chance(self) -> float:
        "A number from 0 up to but not including 1."
