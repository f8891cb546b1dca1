"""
The start-up of a connection: who the client is, and which session it gets.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from attrs import frozen
from twisted.logger import Logger

from sipcluster.tlib.attributes import BY_FIELD
from sipcluster.tlib.codec import Envelope, missing
from sipcluster.tlib.enums import ClientRole, ResumeResult, ServerRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventError,
    EventServerInfo,
    Message,
    RequestRegisterClient,
)
from sipcluster.tserver.kept_values import shared
from sipcluster.tserver.limits import Application
from sipcluster.tserver.registrations import Refused
from sipcluster.tserver.session import PUBLIC, Session

if TYPE_CHECKING:
    from sipcluster.tserver.connection import Connection
    from sipcluster.tserver.server import TServer

log = Logger()

#: Bytes of an input mask.
MASK = 64

#: Seconds of silence that a client may propose.
SHORTEST, LONGEST = 1, 3600

#: The highest position that is believed of a client whose last primary is gone: the
#: next ones are above it.
HIGHEST = 1 << 53

#: What refused start-ups are counted as.
_COUNTED = {
    TErrorCode.BAD_PASSWORD: "badPasswords",
    TErrorCode.INCORRECT_VERSION: "wrongVersions",
    TErrorCode.NO_LICENSE: "tooManySessions",
}

_RESULTS = {
    ResumeResult.NEW: "new session",
    ResumeResult.RESUMED: "resumed",
    ResumeResult.SNAPSHOT: "resumed, events are lost",
    ResumeResult.LOST: "session is lost",
}


@frozen
class _Admission:
    """
    What a client gets.

    @ivar position: the last one that it has handled.
    """

    session: Session
    result: ResumeResult
    position: int


class StartUp:
    """
    Answers RequestRegisterClient at one port.
    """

    def __init__(self, server: TServer, oldest: int, newest: int) -> None:
        """
        @param oldest: the lowest version of the protocol that is spoken.
        @param newest: the highest.
        """
        self._server = server
        self._oldest = oldest
        self._newest = newest
        #: What is asked of a password where there is no such application.
        self._nobody = Application("", server.entropy(16).hex())
        #: The last right password of each application, so that not each start-up
        #: takes as long as one that is written down as a hash.
        self._right: dict[str, tuple[Application, bytes]] = {}
        self._key = server.entropy(32)

    def requested(self, connection: Connection, envelope: Envelope) -> None:
        """
        Answer it, and tell the connection what comes of it.
        """
        request = envelope.message
        assert isinstance(request, RequestRegisterClient)
        try:
            application, version = self._check(envelope.reference, request)
            if self._server.role is not ServerRole.PRIMARY:
                self._sendElsewhere(connection, envelope.reference, version)
                return
            admission = self._admit(application, request, envelope.position)
        except Refused as e:
            what = _COUNTED.get(e.code, "refusedStartUps")
            name = request.applicationName or ""
            why = e.text or e.code.text
            known = name in self._server.applications
            if e.code == TErrorCode.BAD_PASSWORD and not known:
                why = "no such application at this port"  # which clients are not told
            connection.count(what, f"{name[:80]!r} is refused: {why}")
            self.refuse(connection, envelope.reference, e.code, e.text)
            connection.machine.refused()
            return
        server, session = self._server, admission.session
        if request.inputMask is not None:
            session.stream.mask = request.inputMask
        keepAlive = request.keepAlive or int(server.limits.keepAlive)
        keepAlive = min(max(keepAlive, SHORTEST), LONGEST)
        connection.name = f"{application.name} at {connection.transport.peer}"
        log.info(
            "{client} is connected: {result}",
            client=connection.name,
            result=_RESULTS[admission.result],
            position=admission.position,
        )
        connection.tellDirectly(
            EventServerInfo(
                **{**self.attributes(), "epoch": session.epoch},
                protocolVersion=version,
                sessionID=session.sessionID,
                resumeResult=admission.result,
                keepAlive=keepAlive,
            ),
            envelope.reference,
        )
        connection.tellDirectly(server.switchLink.state(session))
        connection.machine.admitted(session, admission.position, keepAlive)

    def _sendElsewhere(
        self, connection: Connection, reference: int, version: int
    ) -> None:
        self._server.counts["sentElsewhere"] += 1
        info = EventServerInfo(
            **{**self.attributes(), "epoch": None}, protocolVersion=version
        )
        connection.tellDirectly(info, reference)
        connection.cut(TErrorCode.OUT_OF_SERVICE, "backup; the primary is elsewhere")

    def attributes(self) -> dict[str, Any]:
        """
        What EventServerInfo says of the server.
        """
        server = self._server
        return {
            "time": server.now(),
            "serverVersion": server.version,
            "serverRole": server.role,
            "capabilities": server.requests.capabilities,
            "epoch": server.epoch,
            "serverStartTime": server.started,
            "location": server.location or None,
            "roleEpoch": server.roleEpoch or None,
        }

    def refuse(
        self, connection: Connection, reference: int, code: TErrorCode, text: str = ""
    ) -> None:
        """
        Answer a client that has no session, by EventError.
        """
        server = self._server
        server.countError(code)
        connection.tellDirectly(
            EventError(
                time=server.now(), errorCode=code, errorMessage=text or code.text
            ),
            reference,
        )

    def _check(
        self, reference: int, request: RequestRegisterClient
    ) -> tuple[Application, int]:
        """
        @return: who it is, and the version of the protocol to speak.

        @raise Refused: it may not connect.
        """
        server = self._server
        if not reference:
            raise Refused(TErrorCode.INVALID_ATTRIBUTE, "ReferenceID is missing")
        checkAttributes(request)
        application = server.applications.get(request.applicationName or "")
        password = request.applicationPassword or ""
        right = self._isRight(application or self._nobody, password)
        if application is None or not right:
            raise Refused(TErrorCode.BAD_PASSWORD)
        version = min(request.protocolVersion or 0, self._newest)
        if version < self._oldest:
            raise Refused(
                TErrorCode.INCORRECT_VERSION,
                f"Versions {self._oldest} to {self._newest} are spoken",
            )
        if request.clientRole not in (None, ClientRole.REGULAR):
            raise Refused(
                TErrorCode.UNSUPPORTED_OPERATION, "ClientRole is not for this port"
            )
        checkMask(request.inputMask)
        return application, version

    def _isRight(self, application: Application, password: str) -> bool:
        given = password.encode("utf-8", "surrogatepass")
        shown = blake2b(given, key=self._key).digest()
        known = self._right.get(application.name)
        if (
            known is not None
            and known[0] is application
            and compare_digest(known[1], shown)
        ):
            return True
        right = application.admits(password, self._server.name)
        if right:
            self._right[application.name] = (application, shown)
        return right

    def _admit(
        self, application: Application, request: RequestRegisterClient, position: int
    ) -> _Admission:
        """
        Find the client's session, or make one.

        @raise Refused: there are too many.
        """
        server = self._server
        result = ResumeResult.NEW
        if request.sessionID:
            session = server.sessions.get(request.sessionID[-PUBLIC:])
            if (
                session is not None
                and compare_digest(
                    session.sessionID.encode(), request.sessionID.encode()
                )
                and request.epoch == session.epoch
                and session.application.name == application.name
            ):
                admission = self._comeBack(session, request.roleEpoch, position)
                if admission is not None:
                    return admission
            server.counts["lostSessions"] += 1
            result = ResumeResult.LOST
        if len(server.sessions) >= server.limits.sessions:
            raise Refused(TErrorCode.NO_LICENSE, "Too many clients")
        server.counts["sessions"] += 1
        return _Admission(server.newSession(application), result, 0)

    def _comeBack(
        self, session: Session, roleEpoch: int | None, position: int
    ) -> _Admission | None:
        """
        Go on with the session of a client.

        @param roleEpoch: of the primary that it has all up to C{position} from.

        @return: L{None}: it was never sent that far.
        """
        counts, farthest, known = self._server.counts, session.stream.sent, position
        if roleEpoch:  # else it was in no pair, or is too old to say so
            known = shared(session.holds, roleEpoch, position)
        if known < position:
            # It was told events by a primary that could tell nobody else of them.
            farthest = HIGHEST
        elif position <= farthest and session.stream.resumes(position):
            counts["resumed"] += 1
            return _Admission(session, ResumeResult.RESUMED, position)
        if position > farthest:
            return None
        counts["snapshots"] += 1
        position = session.startSnapshots(known, position)
        return _Admission(session, ResumeResult.SNAPSHOT, position)


def checkAttributes(request: Message) -> None:
    """
    @raise Refused: one is missing without which the request means nothing.
    """
    lacking = missing(request)
    if lacking:
        names = ", ".join(BY_FIELD[name].name for name in lacking)
        raise Refused(TErrorCode.INVALID_ATTRIBUTE, f"{names} is missing")


def checkMask(mask: bytes | None) -> None:
    """
    @raise Refused: it is none.
    """
    if mask is not None and len(mask) != MASK:
        raise Refused(
            TErrorCode.INVALID_ATTRIBUTE, f"InputMask: {MASK} bytes are wanted"
        )
