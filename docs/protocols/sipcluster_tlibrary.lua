-- Shows the T-Library wire of sipcluster in Wireshark and tshark (4.0 or newer).
--
-- Copy this file into the personal plug-in folder (Help, About, Folders), or
--
--   tshark -X lua_script:sipcluster_tlibrary.lua -i lo -f 'tcp port 3001' -O tlib
--
-- TCP ports 3000 and 3001 are taken at once (preferences of the protocol TLIB), others
-- are recognised by what is in them, or told by "Decode as".  Filters:
--
--   tlib.number == 60        tlib.name == "EventRinging"      tlib.reference == 7
--   tlib.ThisDN == "1001"    tlib.ConnID == "006c02462a161006"
--   tlib.CallState == 6      tlib.key == "ACCOUNT"            tlib.malformed

-- Tables begin: made by "python docs/tlibrary_tables.py"; changed there.
local MESSAGES = {
  [0] = "RequestRegisterClient",
  [1] = "RequestQueryServer",
  [2] = "RequestQueryAddress",
  [3] = "RequestRegisterAddress",
  [4] = "RequestUnregisterAddress",
  [5] = "RequestRegisterAll",
  [6] = "RequestUnregisterAll",
  [7] = "RequestSetInputMask",
  [8] = "RequestAgentLogin",
  [9] = "RequestAgentLogout",
  [10] = "RequestAgentReady",
  [11] = "RequestAgentNotReady",
  [12] = "RequestSetDNDOn",
  [13] = "RequestSetDNDOff",
  [14] = "RequestMakeCall",
  [15] = "RequestMakePredictiveCall",
  [16] = "RequestAnswerCall",
  [17] = "RequestReleaseCall",
  [18] = "RequestHoldCall",
  [19] = "RequestRetrieveCall",
  [20] = "RequestInitiateConference",
  [21] = "RequestCompleteConference",
  [22] = "RequestDeleteFromConference",
  [23] = "RequestInitiateTransfer",
  [24] = "RequestMuteTransfer",
  [25] = "RequestSingleStepTransfer",
  [26] = "RequestCompleteTransfer",
  [27] = "RequestMergeCalls",
  [28] = "RequestAlternateCall",
  [29] = "RequestReconnectCall",
  [30] = "RequestAttachUserData",
  [31] = "RequestUpdateUserData",
  [32] = "RequestDeleteUserData",
  [33] = "RequestDeletePair",
  [34] = "RequestCallForwardSet",
  [35] = "RequestCallForwardCancel",
  [36] = "RequestRouteCall",
  [37] = "RequestGiveMusicTreatment",
  [38] = "RequestGiveSilenceTreatment",
  [39] = "RequestGiveRingBackTreatment",
  [40] = "RequestLoginMailBox",
  [41] = "RequestLogoutMailBox",
  [42] = "RequestOpenVoiceFile",
  [43] = "RequestCloseVoiceFile",
  [44] = "RequestPlayVoiceFile",
  [45] = "RequestCollectDigits",
  [46] = "RequestSetMessageWaitingOn",
  [47] = "RequestSetMessageWaitingOff",
  [48] = "RequestDistributeUserEvent",
  [49] = "RequestDistributeEvent",
  [50] = "EventServerConnected",
  [51] = "EventServerDisconnected",
  [52] = "EventError",
  [53] = "EventRegistered",
  [54] = "EventUnregistered",
  [55] = "EventRegisteredAll",
  [56] = "EventUnregisteredAll",
  [57] = "EventQueued",
  [58] = "EventDiverted",
  [59] = "EventAbandoned",
  [60] = "EventRinging",
  [61] = "EventDialing",
  [62] = "EventNetworkReached",
  [63] = "EventDestinationBusy",
  [64] = "EventEstablished",
  [65] = "EventReleased",
  [66] = "EventHeld",
  [67] = "EventRetrieved",
  [68] = "EventPartyChanged",
  [69] = "EventPartyAdded",
  [70] = "EventPartyDeleted",
  [71] = "EventRouteRequest",
  [72] = "EventRouteUsed",
  [73] = "EventAgentLogin",
  [74] = "EventAgentLogout",
  [75] = "EventAgentReady",
  [76] = "EventAgentNotReady",
  [77] = "EventDNDOn",
  [78] = "EventDNDOff",
  [79] = "EventMailBoxLogin",
  [80] = "EventMailBoxLogout",
  [81] = "EventVoiceFileOpened",
  [82] = "EventVoiceFileClosed",
  [83] = "EventVoiceFileEndPlay",
  [84] = "EventDigitsCollected",
  [85] = "EventAttachedDataChanged",
  [86] = "EventOffHook",
  [87] = "EventOnHook",
  [88] = "EventForwardSet",
  [89] = "EventForwardCancel",
  [90] = "EventMessageWaitingOn",
  [91] = "EventMessageWaitingOff",
  [92] = "EventAddressInfo",
  [93] = "EventServerInfo",
  [94] = "EventLinkDisconnected",
  [95] = "EventLinkConnected",
  [96] = "EventUserEvent",
  [97] = "RequestSendDTMF",
  [98] = "EventDTMFSent",
  [99] = "EventResourceAllocated",
  [100] = "EventResourceFreed",
  [101] = "EventRemoteConnectionSuccess",
  [102] = "EventRemoteConnectionFailed",
  [103] = "RequestRedirectCall",
  [104] = "RequestListenDisconnect",
  [105] = "RequestListenReconnect",
  [106] = "EventListenDisconnected",
  [107] = "EventListenReconnected",
  [108] = "RequestQueryCall",
  [109] = "EventPartyInfo",
  [110] = "RequestClearCall",
  [111] = "RequestSetCallInfo",
  [112] = "EventCallInfoChanged",
  [113] = "RequestApplyTreatment",
  [114] = "EventTreatmentApplied",
  [115] = "EventTreatmentNotApplied",
  [116] = "EventTreatmentEnd",
  [117] = "EventHardwareError",
  [118] = "EventAgentAfterCallWork",
  [119] = "EventTreatmentRequired",
  [120] = "RequestSingleStepConference",
  [121] = "RequestQuerySwitch",
  [122] = "EventSwitchInfo",
  [123] = "RequestGetAccessNumber",
  [124] = "RequestCancelReqGetAccessNumber",
  [125] = "EventAnswerAccessNumber",
  [126] = "EventReqGetAccessNumberCanceled",
  [127] = "RequestReserveAgent",
  [128] = "EventAgentReserved",
  [129] = "RequestReserveAgentAndGetAccessNumber",
  [130] = "RequestAgentSetIdleReason",
  [131] = "EventAgentIdleReasonSet",
  [132] = "EventRestoreConnection",
  [133] = "EventPrimaryChanged",
  [134] = "RequestLostBackupConnection",
  [135] = "RequestSetDNInfo",
  [136] = "RequestQueryLocation",
  [137] = "EventLocationInfo",
  [138] = "EventACK",
  [139] = "RequestMonitorNextCall",
  [140] = "RequestCancelMonitoring",
  [141] = "EventMonitoringNextCall",
  [142] = "EventMonitoringCancelled",
  [143] = "RequestSetMuteOn",
  [144] = "RequestSetMuteOff",
  [145] = "EventMuteOn",
  [146] = "EventMuteOff",
  [147] = "EventDNOutOfService",
  [148] = "EventDNBackInService",
  [149] = "RequestPrivateService",
  [150] = "EventPrivateInfo",
  [151] = "EventBridged",
  [152] = "EventQueueLogout",
  [160] = "EventCallCreated",
  [161] = "EventCallDataChanged",
  [162] = "EventCallDeleted",
  [163] = "EventCallPartyAdded",
  [164] = "EventCallPartyState",
  [165] = "EventCallPartyMoved",
  [166] = "EventCallPartyDeleted",
  [167] = "RequestStartCallMonitoring",
  [168] = "RequestStopCallMonitoring",
  [169] = "RequestSendReturnReceipt",
  [170] = "EventReturnReceipt",
  [171] = "RequestNetworkConsult",
  [172] = "RequestNetworkAlternate",
  [173] = "RequestNetworkTransfer",
  [174] = "RequestNetworkMerge",
  [175] = "RequestNetworkReconnect",
  [176] = "RequestNetworkSingleStepTransfer",
  [177] = "RequestNetworkPrivateService",
  [178] = "EventNetworkCallStatus",
  [179] = "EventNetworkPrivateInfo",
  [180] = "RequestTransactionMonitoring",
  [181] = "EventTransactionStatus",
  [182] = "EventResourceInfo",
  [1000] = "LinkPoll",
  [1001] = "LinkPollAnswer",
  [1002] = "LinkClosing",
}
local ATTRIBUTES = {
  [1] = { "ThisDN", "string" },
  [2] = { "ThisDNRole", "enumeration", "DNRole" },
  [3] = { "ThisQueue", "string" },
  [4] = { "ThisTrunk", "unsigned" },
  [5] = { "OtherDN", "string" },
  [6] = { "OtherDNRole", "enumeration", "DNRole" },
  [7] = { "OtherQueue", "string" },
  [8] = { "OtherTrunk", "unsigned" },
  [9] = { "ThirdPartyDN", "string" },
  [10] = { "ThirdPartyDNRole", "enumeration", "DNRole" },
  [11] = { "ThirdPartyQueue", "string" },
  [12] = { "ThirdPartyTrunk", "unsigned" },
  [13] = { "ConnID", "ConnID" },
  [14] = { "PreviousConnID", "ConnID" },
  [15] = { "TransferConnID", "ConnID" },
  [16] = { "ConferenceConnID", "ConnID" },
  [17] = { "CallID", "unsigned" },
  [18] = { "CallUUID", "CallUUID" },
  [19] = { "CallType", "enumeration", "CallType" },
  [20] = { "CallState", "enumeration", "CallState" },
  [21] = { "ANI", "string" },
  [22] = { "DNIS", "string" },
  [23] = { "NetworkCallID", "unsigned" },
  [24] = { "NetworkNodeID", "unsigned" },
  [25] = { "CallHistory", "list" },
  [26] = { "CustomerID", "string" },
  [27] = { "UserData", "list" },
  [28] = { "Extensions", "list" },
  [29] = { "Reasons", "list" },
  [30] = { "time", "time" },
  [31] = { "Location", "string" },
  [32] = { "ErrorCode", "enumeration", "TErrorCode" },
  [33] = { "ErrorMessage", "string" },
  [34] = { "DataKey", "string" },
  [35] = { "UserEvent", "unsigned" },
  [36] = { "AgentID", "string" },
  [37] = { "AgentType", "enumeration", "AgentType" },
  [38] = { "WorkMode", "enumeration", "AgentWorkMode" },
  [39] = { "Password", "string" },
  [40] = { "Place", "string" },
  [41] = { "Duration", "unsigned" },
  [42] = { "Priority", "integer" },
  [43] = { "MakeCallType", "enumeration", "MakeCallType" },
  [44] = { "RouteType", "enumeration", "RouteType" },
  [45] = { "TreatmentType", "enumeration", "TreatmentType" },
  [46] = { "TreatmentParms", "list" },
  [47] = { "CollectedDigits", "string" },
  [48] = { "LastCollectedDigit", "string" },
  [49] = { "DTMFDigits", "string" },
  [50] = { "Timeout", "unsigned" },
  [51] = { "ForwardMode", "enumeration", "ForwardMode" },
  [52] = { "MonitorNextCallType", "enumeration", "MonitorNextCallType" },
  [53] = { "MergeType", "enumeration", "MergeType" },
  [54] = { "PrivateMsgID", "integer" },
  [55] = { "CallInfoType", "enumeration", "CallInfoType" },
  [56] = { "AddressInfoType", "enumeration", "AddressInfoType" },
  [57] = { "InfoType", "enumeration", "AddressInfoType" },
  [58] = { "InfoStatus", "integer" },
  [59] = { "SwitchInfoType", "enumeration", "SwitchInfoType" },
  [60] = { "RegisterMode", "enumeration", "RegisterMode" },
  [61] = { "ControlMode", "enumeration", "ControlMode" },
  [62] = { "AddressType", "enumeration", "AddressType" },
  [63] = { "Snapshot", "integer" },
  [64] = { "ApplicationName", "string" },
  [65] = { "ApplicationPassword", "string" },
  [66] = { "ProtocolVersion", "integer" },
  [67] = { "ClientRole", "enumeration", "ClientRole" },
  [68] = { "KeepAlive", "unsigned" },
  [69] = { "SessionID", "string" },
  [70] = { "Epoch", "unsigned" },
  [71] = { "InputMask", "binary" },
  [72] = { "ServerVersion", "string" },
  [73] = { "ServerRole", "enumeration", "ServerRole" },
  [74] = { "Capabilities", "binary" },
  [75] = { "ServerStartTime", "time" },
  [76] = { "ResumeResult", "enumeration", "ResumeResult" },
  [77] = { "OrigCallUUID", "CallUUID" },
  [78] = { "OrigConnID", "ConnID" },
  [79] = { "RefConnID", "ConnID" },
  [80] = { "ISLinkList", "list" },
  [81] = { "NodeID", "string" },
  [82] = { "DialedNumber", "string" },
  [83] = { "Cause", "enumeration", "CallState" },
  [84] = { "PartyUUID", "CallUUID" },
  [85] = { "PartyState", "unsigned" },
  [86] = { "PartyRole", "enumeration", "DNRole" },
  [87] = { "RefParty", "CallUUID" },
  [88] = { "CtrlParty", "CallUUID" },
  [89] = { "MediaType", "enumeration", "MediaType" },
  [90] = { "RoleEpoch", "unsigned" },
}
local ENUMERATIONS = {
  CallType = {
    [0] = "Unknown",
    [1] = "Internal",
    [2] = "Inbound",
    [3] = "Outbound",
    [4] = "Consult",
  },
  CallState = {
    [0] = "Ok",
    [1] = "Transferred",
    [2] = "Conferenced",
    [3] = "GeneralError",
    [4] = "SystemError",
    [5] = "RemoteRelease",
    [6] = "Busy",
    [7] = "NoAnswer",
    [8] = "SitDetected",
    [9] = "AnsweringMachineDetected",
    [10] = "AllTrunksBusy",
    [11] = "SitInvalidnum",
    [12] = "SitVacant",
    [13] = "SitIntercept",
    [14] = "SitUnknown",
    [15] = "SitNocircuit",
    [16] = "SitReorder",
    [17] = "FaxDetected",
    [18] = "QueueFull",
    [19] = "Cleared",
    [20] = "Overflowed",
    [21] = "Abandoned",
    [22] = "Redirected",
    [23] = "Forwarded",
    [24] = "Consult",
    [25] = "Pickedup",
    [26] = "Dropped",
    [27] = "Droppednoanswer",
    [28] = "Unknown",
    [29] = "Covered",
    [30] = "ConverseOn",
    [31] = "Bridged",
    [32] = "Deafened",
    [33] = "Held",
  },
  DNRole = {
    [0] = "Unknown",
    [1] = "Origination",
    [2] = "Destination",
    [3] = "ConferenceMember",
    [4] = "NewParty",
    [5] = "AddedBy",
    [6] = "DeletedBy",
    [7] = "TransferredBy",
    [8] = "DeletedParty",
    [9] = "ConferencedBy",
    [10] = "Observer",
  },
  AgentWorkMode = {
    [0] = "Unknown",
    [1] = "ManualIn",
    [2] = "AutoIn",
    [3] = "AfterCallWork",
    [4] = "AuxWork",
    [5] = "NoCallDisconnect",
    [6] = "WalkAway",
    [7] = "ReturnBack",
  },
  AgentType = {
    [0] = "Agent",
    [1] = "Supervisor",
  },
  AgentStatus = {
    [0] = "LoggedOut",
    [1] = "LoggedIn",
    [2] = "Ready",
    [3] = "NotReady",
    [4] = "AfterCallWork",
    [5] = "WalkAway",
  },
  AddressType = {
    [0] = "Unknown",
    [1] = "DN",
    [2] = "Position",
    [3] = "Queue",
    [4] = "RouteDN",
    [5] = "Trunk",
    [6] = "VoiceChannel",
    [7] = "DataChannel",
    [8] = "Announcement",
    [9] = "ASAI",
    [10] = "ACDGroup",
    [11] = "VSP",
    [12] = "RouteQueue",
    [13] = "AgentID",
    [14] = "Other",
  },
  RegisterMode = {
    [0] = "Share",
    [1] = "Private",
    [2] = "Monitor",
  },
  ControlMode = {
    [0] = "Default",
    [1] = "Force",
    [2] = "Local",
  },
  ServerRole = {
    [0] = "Primary",
    [1] = "Backup",
  },
  ClientRole = {
    [0] = "Regular",
    [1] = "Smart",
    [2] = "Recorder",
  },
  ResumeResult = {
    [0] = "New",
    [1] = "Resumed",
    [2] = "Snapshot",
    [3] = "Lost",
  },
  MakeCallType = {
    [0] = "Regular",
    [1] = "DirectAgent",
    [2] = "SupervisorAssist",
    [3] = "Priority",
    [4] = "DirectPriority",
  },
  RouteType = {
    [0] = "Unknown",
    [1] = "Default",
    [2] = "Label",
    [3] = "OverwriteDNIS",
    [4] = "DDD",
    [5] = "IDDD",
    [6] = "Direct",
    [7] = "Reject",
    [8] = "Announcement",
    [9] = "PostFeature",
    [10] = "DirectAgent",
    [11] = "Priority",
    [12] = "DirectPriority",
    [13] = "AgentID",
    [14] = "CallDisconnect",
  },
  TreatmentType = {
    [0] = "Unknown",
    [1] = "IVR",
    [2] = "Music",
    [3] = "RingBack",
    [4] = "Silence",
    [5] = "Busy",
    [6] = "CollectDigits",
    [7] = "PlayAnnouncement",
    [8] = "PlayAnnouncementAndDigits",
    [9] = "VerifyDigits",
    [10] = "RecordUserAnnouncement",
    [11] = "DeleteUserAnnouncement",
    [12] = "CancelCall",
    [13] = "PlayApplication",
    [14] = "SetDefaultRoute",
    [15] = "TextToSpeech",
    [16] = "TextToSpeechAndDigits",
    [17] = "FastBusy",
    [18] = "RAN",
  },
  ForwardMode = {
    [0] = "None",
    [1] = "Unconditional",
    [2] = "OnBusy",
    [3] = "OnNoAnswer",
    [4] = "OnBusyAndNoAnswer",
    [5] = "SendAllCalls",
  },
  MonitorNextCallType = {
    [0] = "OneCall",
    [1] = "AllCalls",
  },
  MergeType = {
    [0] = "Transfer",
    [1] = "Conference",
  },
  CallInfoType = {
    [0] = "PartiesQuery",
    [1] = "StatusQuery",
  },
  AddressInfoType = {
    [0] = "AddressStatus",
    [1] = "MessageWaitingStatus",
    [2] = "AssociationStatus",
    [3] = "CallForwardingStatus",
    [4] = "AgentStatus",
    [5] = "NumberOfAgentsInQueue",
    [6] = "NumberOfAvailableAgentsInQueue",
    [7] = "NumberOfCallsInQueue",
    [8] = "AddressType",
    [9] = "CallsQuery",
    [10] = "SendAllCallsStatus",
    [11] = "QueueLoginAudit",
    [14] = "NumberOfIdleTrunks",
    [15] = "NumberOfTrunksInUse",
    [16] = "DatabaseValue",
    [17] = "DNStatus",
    [18] = "QueueStatus",
  },
  SwitchInfoType = {
    [0] = "DateTime",
    [1] = "ClassifierStatistics",
  },
  MediaType = {
    [0] = "Voice",
    [1] = "VoIP",
    [2] = "EMail",
    [3] = "VMail",
    [4] = "SMail",
    [5] = "Chat",
    [6] = "Video",
    [7] = "Cobrowsing",
    [8] = "Whiteboard",
    [9] = "AppSharing",
    [10] = "WebForm",
    [11] = "WorkItem",
  },
  PartyState = {
    [0] = "Null",
    [1] = "Initiated",
    [9] = "Queued",
    [10] = "Alerting",
    [11] = "Busy",
    [12] = "Connected",
    [13] = "CP_Detect",
    [14] = "Held",
    [15] = "Failed",
    [16] = "NoListen",
    [32] = "NoTalk",
    [64] = "Bridged",
    [128] = "Audit",
    [256] = "TreatmentReq",
    [512] = "Treatment",
    [2048] = "Routing",
    [65536] = "Dialing",
    [131072] = "Uncertain",
  },
  TErrorCode = {
    [40] = "No more licenses",
    [41] = "Client has not registered the DN",
    [42] = "Resource is already seized",
    [43] = "Object is already in requested state",
    [50] = "Unrecognised error",
    [51] = "Unsupported operation",
    [52] = "Internal error",
    [53] = "Invalid attribute value",
    [54] = "No connection to the switch",
    [55] = "Incorrect protocol version",
    [56] = "Invalid connection ID",
    [57] = "Timeout expired",
    [58] = "Out of service",
    [59] = "DN is not configured",
    [61] = "Invalid calling DN",
    [71] = "Invalid called DN",
    [91] = "Terminating party is busy",
    [93] = "Destination is in an invalid state",
    [96] = "Cannot complete the conference",
    [97] = "Cannot initiate the transfer",
    [98] = "Cannot complete the transfer",
    [109] = "Link is down",
    [119] = "Bad password",
    [123] = "DN does not exist",
    [125] = "DN is already registered",
    [166] = "Resource is unavailable",
    [168] = "Invalid origination address",
    [177] = "Target DN is invalid",
    [185] = "Set is in the wrong state for the request",
    [187] = "Not possible while logged out",
    [192] = "Agent ID is invalid",
    [223] = "Bad parameter passed to function",
    [231] = "DN is busy",
    [232] = "No answer at DN",
    [233] = "Call has been rejected",
    [236] = "Operation has timed out",
    [237] = "Call has disconnected",
    [506] = "Request is invalid in the present state",
    [1141] = "Request is incompatible with the object",
  },
}
-- Tables end.

local LIMIT = 65536
local DEPTH = 64

local tlib = Proto("tlib", "T-Library (sipcluster)")

local fields = {
  length = ProtoField.uint32("tlib.length", "Length"),
  position = ProtoField.uint64("tlib.position", "Position"),
  reference = ProtoField.uint32("tlib.reference", "ReferenceID"),
  number = ProtoField.uint16("tlib.number", "Number", base.DEC, MESSAGES),
  name = ProtoField.string("tlib.name", "Message"),
  attribute = ProtoField.uint16("tlib.attribute", "Attribute"),
  unknown = ProtoField.string("tlib.unknown", "Unknown"),
  key = ProtoField.string("tlib.key", "Key"),
  text = ProtoField.string("tlib.value", "Value"),
  answer = ProtoField.framenum("tlib.answered_in", "Answered in", base.NONE,
    frametype.RESPONSE),
  request = ProtoField.framenum("tlib.request_in", "Request in", base.NONE,
    frametype.REQUEST),
}
for _, field in pairs(fields) do
  table.insert(tlib.fields, field)
end

local KINDS = {
  string = ProtoField.string, ConnID = ProtoField.string, CallUUID = ProtoField.string,
  binary = ProtoField.bytes, list = ProtoField.string,
}
local attributeFields = {}
for number, row in pairs(ATTRIBUTES) do
  local name, kind, enumeration = row[1], row[2], row[3]
  local abbreviation, label = "tlib." .. name, "Attribute" .. name
  local field
  if kind == "integer" then
    field = ProtoField.int32(abbreviation, label)
  elseif kind == "unsigned" then
    field = ProtoField.uint64(abbreviation, label)
  elseif kind == "time" then
    field = ProtoField.absolute_time(abbreviation, label)
  elseif kind == "enumeration" then
    field = ProtoField.uint32(abbreviation, label, base.DEC, ENUMERATIONS[enumeration])
  else
    field = (KINDS[kind] or ProtoField.string)(abbreviation, label)
  end
  attributeFields[number] = field
  table.insert(tlib.fields, field)
end

local malformed = ProtoExpert.new(
  "tlib.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
local refused = ProtoExpert.new(
  "tlib.refused", "Refused", expert.group.RESPONSE_CODE, expert.severity.NOTE)
tlib.experts = { malformed, refused }

local tcpStream = Field.new("tcp.stream")

-- MessagePack -----------------------------------------------------------------------

-- A value is { kind, value, first byte, byte behind }; bytes are counted in the tvb.
local readValue

local function need(tvb, at, length)
  if length > tvb:len() - at then
    error({ why = "cut short" }, 0)
  end
end

local function unsignedAt(tvb, at, width)
  need(tvb, at, width)
  if width == 8 then
    local high = tvb(at, 4):uint()
    -- What fits into 53 bits is a plain number.
    if high < 0x200000 then
      return high * 4294967296 + tvb(at + 4, 4):uint()
    end
    return tvb(at, 8):uint64()
  end
  return tvb(at, width):uint()
end

local function signedAt(tvb, at, width)
  need(tvb, at, width)
  if width == 8 then
    local n = tvb(at, 8):int64()
    local limit = Int64(0, 0x200000) -- 53 bits
    return n < limit and n > -limit and n:tonumber() or n
  end
  return tvb(at, width):int()
end

local function readItems(tvb, first, at, count, depth, kind)
  if depth >= DEPTH then
    error({ why = "nested too deep" }, 0)
  end
  need(tvb, at, count)
  local items = {}
  for i = 1, count do
    items[i] = readValue(tvb, at, depth + 1)
    at = items[i].to
  end
  return { kind = kind, value = items, from = first, to = at }
end

local function readBytes(tvb, first, at, length, kind)
  need(tvb, at, length)
  local value = ""
  if length > 0 then
    value = kind == "str" and tvb(at, length):string(ENC_UTF_8)
      or tvb(at, length):bytes():tohex(true)
  end
  return { kind = kind, value = value, from = first, data = at, to = at + length }
end

readValue = function(tvb, at, depth)
  need(tvb, at, 1)
  local first, code = at, tvb(at, 1):uint()
  at = at + 1
  if code < 0x80 then
    return { kind = "int", value = code, from = first, to = at }
  elseif code < 0x90 then
    return readItems(tvb, first, at, 2 * (code - 0x80), depth, "map")
  elseif code < 0xa0 then
    return readItems(tvb, first, at, code - 0x90, depth, "array")
  elseif code < 0xc0 then
    return readBytes(tvb, first, at, code - 0xa0, "str")
  elseif code >= 0xe0 then
    return { kind = "int", value = code - 0x100, from = first, to = at }
  elseif code == 0xc0 then
    return { kind = "nil", value = "nil", from = first, to = at }
  elseif code == 0xc1 then
    error({ why = "0xc1 is no MessagePack" }, 0)
  elseif code <= 0xc3 then
    return { kind = "bool", value = tostring(code == 0xc3), from = first, to = at }
  elseif code <= 0xc6 then
    local width = 2 ^ (code - 0xc4)
    return readBytes(tvb, first, at + width, unsignedAt(tvb, at, width), "bin")
  elseif code <= 0xc9 then
    local width = 2 ^ (code - 0xc7)
    return readBytes(tvb, first, at + width, 1 + unsignedAt(tvb, at, width), "ext")
  elseif code <= 0xcb then
    local width = code == 0xca and 4 or 8
    need(tvb, at, width)
    return { kind = "float", value = tvb(at, width):float(), from = first, to = at + width }
  elseif code <= 0xcf then
    local width = 2 ^ (code - 0xcc)
    return { kind = "int", value = unsignedAt(tvb, at, width), from = first, to = at + width }
  elseif code <= 0xd3 then
    local width = 2 ^ (code - 0xd0)
    return { kind = "int", value = signedAt(tvb, at, width), from = first, to = at + width }
  elseif code <= 0xd8 then
    return readBytes(tvb, first, at, 1 + 2 ^ (code - 0xd4), "ext")
  elseif code <= 0xdb then
    local width = 2 ^ (code - 0xd9)
    return readBytes(tvb, first, at + width, unsignedAt(tvb, at, width), "str")
  elseif code <= 0xdd then
    local width = 2 * 2 ^ (code - 0xdc)
    return readItems(
      tvb, first, at + width, unsignedAt(tvb, at, width), depth, "array")
  else
    local width = 2 * 2 ^ (code - 0xde)
    return readItems(
      tvb, first, at + width, 2 * unsignedAt(tvb, at, width), depth, "map")
  end
end

local function isUnsigned(value, limit)
  if value.kind ~= "int" then
    return false
  elseif type(value.value) == "number" then
    return value.value >= 0 and (limit == nil or value.value <= limit)
  end
  return limit == nil and tostring(value.value):sub(1, 1) ~= "-"
end

local function readPayload(tvb)
  local value = readValue(tvb, 0, 0)
  if value.to ~= tvb:len() then
    error({ why = "bytes behind the value" }, 0)
  end
  local row = value.value
  if value.kind ~= "array" or #row < 4 or not isUnsigned(row[1])
    or not isUnsigned(row[2], 0xffffffff) or not isUnsigned(row[3], 0xffff)
    or row[4].kind ~= "map" then
    error({ why = "not position, reference, number and attributes" }, 0)
  end
  for i = 1, #row[4].value, 2 do
    if not isUnsigned(row[4].value[i], 0xffff) then
      error({ why = "an attribute without number" }, 0)
    end
  end
  return row
end

-- The tree --------------------------------------------------------------------------

local function shown(value)
  if value.kind == "str" then
    return "'" .. value.value .. "'"
  elseif value.kind == "bin" or value.kind == "ext" then
    return value.kind .. " " .. value.value
  elseif value.kind == "array" or value.kind == "map" then
    local parts = {}
    for i, item in ipairs(value.value) do
      parts[i] = shown(item)
    end
    return "[" .. table.concat(parts, ", ") .. "]"
  end
  return tostring(value.value)
end

local function rangeOf(tvb, value)
  return tvb(value.from, value.to - value.from)
end

local function addList(tvb, tree, list)
  for _, pair in ipairs(list.value) do
    if pair.kind == "array" and #pair.value == 2 then
      local key, item = pair.value[1], pair.value[2]
      local nested = item.kind == "array"
      local line = tree:add(rangeOf(tvb, pair),
        tostring(key.value) .. (nested and "" or ": " .. shown(item)))
      line:add(fields.key, rangeOf(tvb, key), tostring(key.value))
      if nested then
        addList(tvb, line, item)
      else
        line:add(fields.text, rangeOf(tvb, item), tostring(item.value))
      end
    else
      tree:add(rangeOf(tvb, pair), shown(pair)):add_proto_expert_info(
        malformed, "no pair of a key and a value")
    end
  end
end

local EXPECTED = {
  string = "str", ConnID = "str", CallUUID = "str", binary = "bin", list = "array",
  time = "array", integer = "int", unsigned = "int", enumeration = "int",
}

local function addKnown(tvb, tree, row, field, value)
  local kind, range = row[2], rangeOf(tvb, value)
  if kind == "binary" then
    if value.to > value.data then
      tree:add(field, tvb(value.data, value.to - value.data))
    end
    return
  elseif kind == "time" then
    local seconds, micro = value.value[1], value.value[2]
    tree:add(field, range, NSTime.new(seconds.value, micro.value * 1000))
    return
  elseif kind == "list" then
    addList(tvb, tree:add(field, range, #value.value .. " pairs"), value)
    return
  end
  if kind == "unsigned" and type(value.value) == "number" then
    tree:add(field, range, UInt64(value.value % 4294967296, math.floor(value.value / 4294967296)))
  else
    tree:add(field, range, value.value)
  end
end

local function addAttribute(tvb, tree, key, value)
  local row = ATTRIBUTES[key.value]
  if row == nil then
    tree:add(fields.unknown, rangeOf(tvb, value),
      "attribute " .. tostring(key.value) .. ": " .. shown(value))
    return
  end
  if value.kind == EXPECTED[row[2]] then
    if pcall(addKnown, tvb, tree, row, attributeFields[key.value], value) then
      return
    end
  end
  tree:add(rangeOf(tvb, value), "Attribute" .. row[1] .. ": " .. shown(value))
    :add_proto_expert_info(malformed, "Attribute" .. row[1] .. " is no " .. row[2])
end

-- Which request an answer belongs to: by stream and reference while frames are read
-- for the first time, and then by frame for good.
local asked, partner

function tlib.init()
  asked, partner = {}, {}
end

local function addPartner(tree, pinfo, at, name, reference)
  local stream = tcpStream()
  if reference == 0 or stream == nil then
    return
  end
  local here = pinfo.number .. ":" .. at
  local isRequest = name:sub(1, 7) == "Request"
  if not pinfo.visited then
    local key = tostring(stream.value) .. ":" .. reference
    if isRequest then
      asked[key] = { pinfo.number, here }
    elseif asked[key] ~= nil and name:sub(1, 5) == "Event" then
      partner[here] = asked[key][1]
      partner[asked[key][2]] = pinfo.number
      asked[key] = nil
    end
  end
  if partner[here] ~= nil then
    tree:add(isRequest and fields.answer or fields.request, partner[here]):set_generated()
  end
end

local function summary(row)
  local parts = {}
  local attributes = row[4].value
  for i = 1, #attributes, 2 do
    local known = ATTRIBUTES[attributes[i].value]
    if known ~= nil and (known[1] == "ThisDN" or known[1] == "OtherDN"
      or known[1] == "ConnID" or known[1] == "ErrorCode") then
      table.insert(parts, known[1] .. "=" .. tostring(attributes[i + 1].value))
    end
  end
  return #parts > 0 and " " .. table.concat(parts, " ") or ""
end

local function dissectFrame(tvb, pinfo, root, at)
  local tree = root:add(tlib, tvb())
  tree:add(fields.length, tvb(0, 4))
  local payload = tvb(4):tvb()
  local good, row = pcall(readPayload, payload)
  if not good then
    local why = type(row) == "table" and row.why or tostring(row)
    tree:append_text(": malformed")
    tree:add_proto_expert_info(malformed, why)
    return "malformed"
  end
  local number = row[3].value
  local name = MESSAGES[number] or ("Message" .. tostring(number))
  local title = name .. " (" .. tostring(number) .. ")"
  tree:append_text(", " .. title)
  local position = row[1].value
  if type(position) == "number" then
    position = UInt64(position % 4294967296, math.floor(position / 4294967296))
  end
  tree:add(fields.position, rangeOf(payload, row[1]), position)
  tree:add(fields.reference, rangeOf(payload, row[2]), row[2].value)
  tree:add(fields.number, rangeOf(payload, row[3]), number)
  tree:add(fields.name, rangeOf(payload, row[3]), name)
  addPartner(tree, pinfo, at, name, row[2].value)
  local attributes = row[4].value
  for i = 1, #attributes, 2 do
    addAttribute(payload, tree, attributes[i], attributes[i + 1])
  end
  local what = title .. summary(row)
  if name == "EventError" or name == "LinkClosing" then
    tree:add_proto_expert_info(refused, what)
  end
  return what
end

function tlib.dissector(tvb, pinfo, root)
  pinfo.cols.protocol = "TLIB"
  local at, titles = 0, {}
  while at < tvb:len() do
    local left = tvb:len() - at
    if left < 4 then
      pinfo.desegment_offset = at
      pinfo.desegment_len = DESEGMENT_ONE_MORE_SEGMENT
      break
    end
    local length = tvb(at, 4):uint()
    if length == 0 or length > LIMIT then
      root:add(tlib, tvb(at)):add_proto_expert_info(
        malformed, "a frame of " .. length .. " bytes")
      table.insert(titles, "malformed")
      break
    end
    if left < 4 + length then
      pinfo.desegment_offset = at
      pinfo.desegment_len = 4 + length - left
      break
    end
    table.insert(titles, dissectFrame(tvb(at, 4 + length):tvb(), pinfo, root, at))
    at = at + 4 + length
  end
  if #titles > 0 then
    pinfo.cols.info = table.concat(titles, "; ")
  end
  return tvb:len()
end

local function looksLikeIt(tvb)
  if tvb:len() < 10 then
    return false
  end
  local length, head = tvb(0, 4):uint(), tvb(4, 1):uint()
  if length < 5 or length > LIMIT or head < 0x94 or head > 0x9f then
    return false
  end
  local position = readValue(tvb, 5, 1)
  local reference = readValue(tvb, position.to, 1)
  local number = readValue(tvb, reference.to, 1)
  local map = tvb(number.to, 1):uint()
  return position.kind == "int" and reference.kind == "int"
    and MESSAGES[number.value] ~= nil and (map < 0x90 and map >= 0x80 or map == 0xde)
end

tlib:register_heuristic("tcp", function(tvb, pinfo, root)
  local good, like = pcall(looksLikeIt, tvb)
  if not (good and like) then
    return false
  end
  pinfo.conversation = tlib
  tlib.dissector(tvb, pinfo, root)
  return true
end)

local PORTS = "3000-3001"
tlib.prefs.ports = Pref.range("TCP ports", PORTS, "Ports of T-Library servers", 65535)
local inUse = PORTS
DissectorTable.get("tcp.port"):add(inUse, tlib)
pcall(function() DissectorTable.get("tls.port"):add(inUse, tlib) end)

function tlib.prefs_changed()
  local wanted = tostring(tlib.prefs.ports)
  if wanted ~= inUse then
    DissectorTable.get("tcp.port"):remove(inUse, tlib)
    inUse = wanted
    DissectorTable.get("tcp.port"):add(inUse, tlib)
  end
end
