"""
How a T-Library client introduces itself, and what the answer means.
"""

from __future__ import annotations

from attrs import field, frozen

from sipcluster.tlib.client_values import RequestRefused, Resume, refusal
from sipcluster.tlib.enums import ClientRole
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
    )


def verdict(message: Message) -> EventServerInfo | RequestRefused | None:
    """
    What the server thinks of us.

    @return: L{None}: the message is no answer to the introduction.
    """
    if isinstance(message, EventError):
        return refusal(message)
    if not isinstance(message, EventServerInfo):
        return None
    version = message.protocolVersion or 0
    if VERSIONS[0] <= version <= VERSIONS[1]:
        return message
    return RequestRefused(
        TErrorCode.INCORRECT_VERSION, f"the server speaks version {version}"
    )
