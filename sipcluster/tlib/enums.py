"""
The enumerations of T-Library, with the field's names.

On the wire each value is its number.  A number that is not known here is carried as
a plain one.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Labelled(IntEnum):
    """
    An enumeration whose values have the field's names.

    @ivar label: how the field writes it.
    """

    label: str

    def __new__(cls, number: int, label: str = "") -> Self:
        """
        Make one value.
        """
        self = int.__new__(cls, number)
        self._value_ = number
        self.label = label
        return self


class CallType(Labelled):
    """
    What kind of call it is.
    """

    UNKNOWN = 0, "Unknown"
    INTERNAL = 1, "Internal"
    INBOUND = 2, "Inbound"
    OUTBOUND = 3, "Outbound"
    CONSULT = 4, "Consult"


class CallState(Labelled):
    """
    How a call fares, or why something happened to it.
    """

    OK = 0, "Ok"
    TRANSFERRED = 1, "Transferred"
    CONFERENCED = 2, "Conferenced"
    GENERAL_ERROR = 3, "GeneralError"
    SYSTEM_ERROR = 4, "SystemError"
    REMOTE_RELEASE = 5, "RemoteRelease"
    BUSY = 6, "Busy"
    NO_ANSWER = 7, "NoAnswer"
    SIT_DETECTED = 8, "SitDetected"
    ANSWERING_MACHINE_DETECTED = 9, "AnsweringMachineDetected"
    ALL_TRUNKS_BUSY = 10, "AllTrunksBusy"
    SIT_INVALIDNUM = 11, "SitInvalidnum"
    SIT_VACANT = 12, "SitVacant"
    SIT_INTERCEPT = 13, "SitIntercept"
    SIT_UNKNOWN = 14, "SitUnknown"
    SIT_NOCIRCUIT = 15, "SitNocircuit"
    SIT_REORDER = 16, "SitReorder"
    FAX_DETECTED = 17, "FaxDetected"
    QUEUE_FULL = 18, "QueueFull"
    CLEARED = 19, "Cleared"
    OVERFLOWED = 20, "Overflowed"
    ABANDONED = 21, "Abandoned"
    REDIRECTED = 22, "Redirected"
    FORWARDED = 23, "Forwarded"
    CONSULT = 24, "Consult"
    PICKEDUP = 25, "Pickedup"
    DROPPED = 26, "Dropped"
    DROPPEDNOANSWER = 27, "Droppednoanswer"
    UNKNOWN = 28, "Unknown"
    COVERED = 29, "Covered"
    CONVERSE_ON = 30, "ConverseOn"
    BRIDGED = 31, "Bridged"
    DEAFENED = 32, "Deafened"
    HELD = 33, "Held"


class DNRole(Labelled):
    """
    What a DN is in a call.
    """

    UNKNOWN = 0, "Unknown"
    ORIGINATION = 1, "Origination"
    DESTINATION = 2, "Destination"
    CONFERENCE_MEMBER = 3, "ConferenceMember"
    NEW_PARTY = 4, "NewParty"
    ADDED_BY = 5, "AddedBy"
    DELETED_BY = 6, "DeletedBy"
    TRANSFERRED_BY = 7, "TransferredBy"
    DELETED_PARTY = 8, "DeletedParty"
    CONFERENCED_BY = 9, "ConferencedBy"
    OBSERVER = 10, "Observer"


class AgentWorkMode(Labelled):
    """
    What an agent does besides being ready or not.
    """

    UNKNOWN = 0, "Unknown"
    MANUAL_IN = 1, "ManualIn"
    AUTO_IN = 2, "AutoIn"
    AFTER_CALL_WORK = 3, "AfterCallWork"
    AUX_WORK = 4, "AuxWork"
    NO_CALL_DISCONNECT = 5, "NoCallDisconnect"
    WALK_AWAY = 6, "WalkAway"
    RETURN_BACK = 7, "ReturnBack"


class AgentType(Labelled):
    """
    As what an agent logs in.
    """

    AGENT = 0, "Agent"
    SUPERVISOR = 1, "Supervisor"


class AgentStatus(Labelled):
    """
    The state of an agent, as queries and snapshots tell it.
    """

    LOGGED_OUT = 0, "LoggedOut"
    LOGGED_IN = 1, "LoggedIn"
    READY = 2, "Ready"
    NOT_READY = 3, "NotReady"
    AFTER_CALL_WORK = 4, "AfterCallWork"
    WALK_AWAY = 5, "WalkAway"


class AddressType(Labelled):
    """
    What a DN is.
    """

    UNKNOWN = 0, "Unknown"
    DN = 1, "DN"
    POSITION = 2, "Position"
    QUEUE = 3, "Queue"
    ROUTE_DN = 4, "RouteDN"
    TRUNK = 5, "Trunk"
    VOICE_CHANNEL = 6, "VoiceChannel"
    DATA_CHANNEL = 7, "DataChannel"
    ANNOUNCEMENT = 8, "Announcement"
    ASAI = 9, "ASAI"
    ACD_GROUP = 10, "ACDGroup"
    VSP = 11, "VSP"
    ROUTE_QUEUE = 12, "RouteQueue"
    AGENT_ID = 13, "AgentID"
    OTHER = 14, "Other"


class RegisterMode(Labelled):
    """
    Who else may register a DN.
    """

    SHARE = 0, "Share"
    PRIVATE = 1, "Private"
    MONITOR = 2, "Monitor"


class ControlMode(Labelled):
    """
    How a registration meets those of others.
    """

    DEFAULT = 0, "Default"
    FORCE = 1, "Force"
    LOCAL = 2, "Local"


class ServerRole(Labelled):
    """
    What a server is in its pair.
    """

    PRIMARY = 0, "Primary"
    BACKUP = 1, "Backup"


class ClientRole(Labelled):
    """
    What a client wants to be for the server.
    """

    REGULAR = 0, "Regular"
    SMART = 1, "Smart"
    RECORDER = 2, "Recorder"


class ResumeResult(Labelled):
    """
    What became of the session that a client asked for.
    """

    NEW = 0, "New"
    RESUMED = 1, "Resumed"
    SNAPSHOT = 2, "Snapshot"
    LOST = 3, "Lost"


class MakeCallType(Labelled):
    """
    How a call is to be made.
    """

    REGULAR = 0, "Regular"
    DIRECT_AGENT = 1, "DirectAgent"
    SUPERVISOR_ASSIST = 2, "SupervisorAssist"
    PRIORITY = 3, "Priority"
    DIRECT_PRIORITY = 4, "DirectPriority"


class RouteType(Labelled):
    """
    How a call is to be routed.
    """

    UNKNOWN = 0, "Unknown"
    DEFAULT = 1, "Default"
    LABEL = 2, "Label"
    OVERWRITE_DNIS = 3, "OverwriteDNIS"
    DDD = 4, "DDD"
    IDDD = 5, "IDDD"
    DIRECT = 6, "Direct"
    REJECT = 7, "Reject"
    ANNOUNCEMENT = 8, "Announcement"
    POST_FEATURE = 9, "PostFeature"
    DIRECT_AGENT = 10, "DirectAgent"
    PRIORITY = 11, "Priority"
    DIRECT_PRIORITY = 12, "DirectPriority"
    AGENT_ID = 13, "AgentID"
    CALL_DISCONNECT = 14, "CallDisconnect"


class TreatmentType(Labelled):
    """
    What a waiting caller is given.
    """

    UNKNOWN = 0, "Unknown"
    IVR = 1, "IVR"
    MUSIC = 2, "Music"
    RING_BACK = 3, "RingBack"
    SILENCE = 4, "Silence"
    BUSY = 5, "Busy"
    COLLECT_DIGITS = 6, "CollectDigits"
    PLAY_ANNOUNCEMENT = 7, "PlayAnnouncement"
    PLAY_ANNOUNCEMENT_AND_DIGITS = 8, "PlayAnnouncementAndDigits"
    VERIFY_DIGITS = 9, "VerifyDigits"
    RECORD_USER_ANNOUNCEMENT = 10, "RecordUserAnnouncement"
    DELETE_USER_ANNOUNCEMENT = 11, "DeleteUserAnnouncement"
    CANCEL_CALL = 12, "CancelCall"
    PLAY_APPLICATION = 13, "PlayApplication"
    SET_DEFAULT_ROUTE = 14, "SetDefaultRoute"
    TEXT_TO_SPEECH = 15, "TextToSpeech"
    TEXT_TO_SPEECH_AND_DIGITS = 16, "TextToSpeechAndDigits"
    FAST_BUSY = 17, "FastBusy"
    RAN = 18, "RAN"


class ForwardMode(Labelled):
    """
    Which calls of a DN go elsewhere.
    """

    NONE = 0, "None"
    UNCONDITIONAL = 1, "Unconditional"
    ON_BUSY = 2, "OnBusy"
    ON_NO_ANSWER = 3, "OnNoAnswer"
    ON_BUSY_AND_NO_ANSWER = 4, "OnBusyAndNoAnswer"
    SEND_ALL_CALLS = 5, "SendAllCalls"


class MonitorNextCallType(Labelled):
    """
    How long a supervisor listens.
    """

    ONE_CALL = 0, "OneCall"
    ALL_CALLS = 1, "AllCalls"


class MergeType(Labelled):
    """
    What two calls become.
    """

    TRANSFER = 0, "Transfer"
    CONFERENCE = 1, "Conference"


class CallInfoType(Labelled):
    """
    What is asked about a call.
    """

    PARTIES_QUERY = 0, "PartiesQuery"
    STATUS_QUERY = 1, "StatusQuery"


class AddressInfoType(Labelled):
    """
    What is asked about a DN.
    """

    ADDRESS_STATUS = 0, "AddressStatus"
    MESSAGE_WAITING_STATUS = 1, "MessageWaitingStatus"
    ASSOCIATION_STATUS = 2, "AssociationStatus"
    CALL_FORWARDING_STATUS = 3, "CallForwardingStatus"
    AGENT_STATUS = 4, "AgentStatus"
    NUMBER_OF_AGENTS_IN_QUEUE = 5, "NumberOfAgentsInQueue"
    NUMBER_OF_AVAILABLE_AGENTS_IN_QUEUE = 6, "NumberOfAvailableAgentsInQueue"
    NUMBER_OF_CALLS_IN_QUEUE = 7, "NumberOfCallsInQueue"
    ADDRESS_TYPE = 8, "AddressType"
    CALLS_QUERY = 9, "CallsQuery"
    SEND_ALL_CALLS_STATUS = 10, "SendAllCallsStatus"
    QUEUE_LOGIN_AUDIT = 11, "QueueLoginAudit"
    NUMBER_OF_IDLE_TRUNKS = 14, "NumberOfIdleTrunks"
    NUMBER_OF_TRUNKS_IN_USE = 15, "NumberOfTrunksInUse"
    DATABASE_VALUE = 16, "DatabaseValue"
    DN_STATUS = 17, "DNStatus"
    QUEUE_STATUS = 18, "QueueStatus"


class SwitchInfoType(Labelled):
    """
    What is asked about the switch.
    """

    DATE_TIME = 0, "DateTime"
    CLASSIFIER_STATISTICS = 1, "ClassifierStatistics"


class MediaType(Labelled):
    """
    What an interaction is made of.
    """

    VOICE = 0, "Voice"
    VOIP = 1, "VoIP"
    EMAIL = 2, "EMail"
    VMAIL = 3, "VMail"
    SMAIL = 4, "SMail"
    CHAT = 5, "Chat"
    VIDEO = 6, "Video"
    COBROWSING = 7, "Cobrowsing"
    WHITEBOARD = 8, "Whiteboard"
    APP_SHARING = 9, "AppSharing"
    WEB_FORM = 10, "WebForm"
    WORK_ITEM = 11, "WorkItem"


class PartyState(Labelled):
    """
    The state of a party, as a number whose bits can be added: a state, what is
    special about it, and whether it still dials.
    """

    NULL = 0, "Null"
    INITIATED = 0x1, "Initiated"
    QUEUED = 0x9, "Queued"
    ALERTING = 0xA, "Alerting"
    BUSY = 0xB, "Busy"
    CONNECTED = 0xC, "Connected"
    CP_DETECT = 0xD, "CP_Detect"
    HELD = 0xE, "Held"
    FAILED = 0xF, "Failed"
    NO_LISTEN = 0x10, "NoListen"
    NO_TALK = 0x20, "NoTalk"
    BRIDGED = 0x40, "Bridged"
    AUDIT = 0x80, "Audit"
    TREATMENT_REQUIRED = 0x100, "TreatmentReq"
    TREATMENT = 0x200, "Treatment"
    ROUTING = 0x800, "Routing"
    DIALING = 0x10000, "Dialing"
    UNCERTAIN = 0x20000, "Uncertain"
