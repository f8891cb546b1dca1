"""
How a T-Library client introduces itself, and what the answer means.
"""

from __future__ import annotations

from attrs import field, frozen

from sipcluster.tlib.client_values import RequestRefused, Resume, refusal
from sipcluster.tlib.enums import ClientRole, ServerRole
from sipcluster.tlib.errors import TErrorCode
from sipcluster.tlib.messages import (
    EventError,
    EventServerInfo,
    Message,
    RequestRegisterClient,
)

#: Versions of the protocol that are spoken: the oldest and the newest.
VERSIONS = (1, 1)

#: Of RequestRegisterClient: each connection has only one of them.
REFERENCE = 1

#: Refusals that waiting does not heal.
FOR_GOOD = frozenset(
    {
        TErrorCode.BAD_PASSWORD,
        TErrorCode.INCORRECT_VERSION,
        TErrorCode.UNSUPPORTED_OPERATION,
        TErrorCode.INVALID_ATTRIBUTE,
    }
)


@frozen
class Identity:
    """
    What a client says of itself.
    """

    applicationName: str
    password: str = field(repr=False)
    role: ClientRole = ClientRole.REGULAR


def introduction(
    identity: Identity, resume: Resume | None, mask: bytes | None, keepAlive: float
) -> RequestRegisterClient:
    """
    The first message of a connection.

    @param resume: the session to go on with.
    @param mask: the input mask that is wanted; L{None}: the one that the session
        has.
    """
    return RequestRegisterClient(
        applicationName=identity.applicationName,
        applicationPassword=identity.password,
        protocolVersion=VERSIONS[1],
        clientRole=identity.role,
        keepAlive=round(keepAlive),
        sessionID=resume.session if resume else None,
        epoch=resume.epoch if resume else None,
        inputMask=mask,
        roleEpoch=(resume.roleEpoch or None) if resume else None,
    )


class Elsewhere(Exception):
    """
    The server may be the right one, but does not serve now: another one does.
    """


class RoleGate:
    """
    Knows which hold of the role of primary a client has last been served by, so that
    it does not go back to an older one, whose member does not know yet that it is
    primary no more.

    @ivar epoch: RoleEpoch of that one; 0: none.
    """

    __slots__ = ("_left", "epoch")

    def __init__(self) -> None:
        self.epoch = 0
        self._left: float | None = None

    def left(self, now: float) -> None:
        """
        The link to it is lost.
        """
        self._left = now

    def passes(self, info: EventServerInfo, now: float, stale: float) -> bool:
        """
        Whether a server may be believed.

        @param stale: seconds after which an epoch is forgotten: somebody may have
            set the pair up anew.
        """
        if self._left is not None and now - self._left > stale:
            self.epoch = 0
        return (info.roleEpoch or 0) >= self.epoch

    def linked(self, info: EventServerInfo) -> bool:
        """
        There is a link.

        @return: whether it is another hold of the role than that of the last one.
        """
        before, self.epoch = self.epoch, info.roleEpoch or 0
        self._left = None
        return bool(before) and before != self.epoch


def verdict(message: Message) -> EventServerInfo | RequestRefused | Elsewhere | None:
    """
    What the server thinks of us.

    @return: L{None}: the message is no answer to the introduction.
    """
    if isinstance(message, EventError):
        return refusal(message)
    if not isinstance(message, EventServerInfo):
        return None
    if message.serverRole == ServerRole.BACKUP:
        return Elsewhere("it is backup")
    version = message.protocolVersion or 0
    if VERSIONS[0] <= version <= VERSIONS[1]:
        return message
    return RequestRefused(
        TErrorCode.INCORRECT_VERSION, f"the server speaks version {version}"
    )
