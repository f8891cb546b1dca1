"""
What can be wrong with a request: the field's error codes, and a message that cannot
be read.
"""

from __future__ import annotations

from sipcluster.tlib.enums import Labelled


class TErrorCode(Labelled):
    """
    AttributeErrorCode: the field's numbers.
    """

    NO_LICENSE = 40, "No more licenses"
    NOT_REGISTERED = 41, "Client has not registered the DN"
    RESOURCE_SEIZED = 42, "Resource is already seized"
    ALREADY_IN_STATE = 43, "Object is already in requested state"
    UNRECOGNISED = 50, "Unrecognised error"
    UNSUPPORTED_OPERATION = 51, "Unsupported operation"
    INTERNAL_ERROR = 52, "Internal error"
    INVALID_ATTRIBUTE = 53, "Invalid attribute value"
    NO_SWITCH = 54, "No connection to the switch"
    INCORRECT_VERSION = 55, "Incorrect protocol version"
    INVALID_CONNID = 56, "Invalid connection ID"
    TIMEOUT = 57, "Timeout expired"
    OUT_OF_SERVICE = 58, "Out of service"
    DN_NOT_CONFIGURED = 59, "DN is not configured"
    INVALID_CALLING_DN = 61, "Invalid calling DN"
    INVALID_CALLED_DN = 71, "Invalid called DN"
    TERMINATING_BUSY = 91, "Terminating party is busy"
    DESTINATION_STATE = 93, "Destination is in an invalid state"
    CANNOT_CONFERENCE = 96, "Cannot complete the conference"
    CANNOT_INITIATE_TRANSFER = 97, "Cannot initiate the transfer"
    CANNOT_TRANSFER = 98, "Cannot complete the transfer"
    LINK_DOWN = 109, "Link is down"
    BAD_PASSWORD = 119, "Bad password"
    DN_UNKNOWN = 123, "DN does not exist"
    DN_ALREADY_REGISTERED = 125, "DN is already registered"
    RESOURCE_UNAVAILABLE = 166, "Resource is unavailable"
    INVALID_ORIGINATION = 168, "Invalid origination address"
    TARGET_DN_INVALID = 177, "Target DN is invalid"
    WRONG_SET_STATE = 185, "Set is in the wrong state for the request"
    NOT_WHILE_LOGGED_OUT = 187, "Not possible while logged out"
    AGENT_ID_INVALID = 192, "Agent ID is invalid"
    BAD_PARAMETER = 223, "Bad parameter passed to function"
    DN_BUSY = 231, "DN is busy"
    NO_ANSWER = 232, "No answer at DN"
    CALL_REJECTED = 233, "Call has been rejected"
    OPERATION_TIMED_OUT = 236, "Operation has timed out"
    CALL_DISCONNECTED = 237, "Call has disconnected"
    INVALID_STATE = 506, "Request is invalid in the present state"
    INCOMPATIBLE = 1141, "Request is incompatible with the object"

    @property
    def text(self) -> str:
        """
        The AttributeErrorMessage, where no better one is known.
        """
        return self.label


class BadMessage(Exception):
    """
    A peer sent what cannot be taken as a message.

    @ivar why: what is wrong with it, for people.
    @ivar code: for the EventError that answers it.
    @ivar reference: its ReferenceID; 0 when it could not be read, or has none.
    @ivar number: its message number; L{None} when that could not be read.
    @ivar fatal: it cannot be answered: nothing of it could be read.
    """

    def __init__(
        self,
        why: str,
        code: TErrorCode = TErrorCode.INVALID_ATTRIBUTE,
        reference: int = 0,
        number: int | None = None,
        fatal: bool = False,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
        self.reference = reference
        self.number = number
        self.fatal = fatal


class MessageTooLong(ValueError):
    """
    A message of our own does not fit into a frame.
    """
