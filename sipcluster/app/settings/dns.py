"""
The tables of the DNs: what can be called, and services of the switch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from attrs import frozen

from sipcluster.app import kinds
from sipcluster.app.options import NOT_YET, option

#: Digest algorithms that a DN can be authenticated with, strongest first.
ALGORITHMS = ("SHA-512-256", "SHA-256", "MD5")


@frozen
class DN:
    """
    Something that can be called, or a service of the switch.
    """

    number: str = option("number", kinds.number(), "The number; unique in the switch.")


@frozen
class Extension(DN):
    """
    C{[[extension]]}: a telephone, and the digest secret that it registers with.
    """

    password: str = option(
        "password",
        kinds.text(),
        "Digest password. One of password, password-file and ha1 is wanted.",
        default="",
        secret=True,
    )
    passwordFile: Path | None = option(
        "password-file",
        kinds.existingFile(),
        "File whose first line is the digest password.",
        default=None,
    )
    ha1: Mapping[str, str] = option(
        "ha1",
        kinds.mapping(ALGORITHMS, kinds.text("hex digits", "[0-9A-Fa-f]{32,64}")),
        "H(user:realm:password) by algorithm, instead of the password.",
        default=MappingProxyType({}),
        secret=True,
    )
    contact: str = option(
        "contact",
        kinds.text('"*" or a SIP URI', r"\*|sips?:[^\s<>\"]+"),
        '"*": where the telephone registers from; a SIP URI: always there.',
        default="*",
    )
    noAnswerTimeout: float = option(
        "no-answer-timeout",
        kinds.seconds(0, 3600),
        "How long it rings before the call is given up; 0: as the VoIP Service says.",
        default=0.0,
    )
    autoAnswer: bool = option(
        "auto-answer",
        kinds.flag(),
        "Whether the telephone is asked to answer by itself when a T-Library client "
        "makes a call from it (Call-Info with answer-after=0, Alert-Info with "
        "alert-autoanswer).",
        default=True,
    )
    dtmfMethod: str = option(
        "dtmf-method",
        kinds.choice("info", "rfc4733"),
        "How digits that a T-Library client sends reach this telephone: by INFO "
        "(application/dtmf-relay), or as telephone events in its RTP stream.",
        default="info",
    )
    musicOnHold: bool | None = option(
        "sip-enable-moh",
        kinds.flag(),
        "Whether those hear music whom this DN holds.",
        default=None,
        shown="as the VoIP Service says",
    )
    music: str = option(
        "default-music",
        kinds.text("a file name or nothing", r"(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_.-]*"),
        "What that is, as for the VoIP Service.",
        default="",
        shown="as the VoIP Service says",
    )
    oosCheck: float = option(
        "oos-check",
        kinds.seconds(0, 3600),
        "How often OPTIONS asks whether the telephone is in service; 0: never, it is "
        "while it is registered.",
        default=0.0,
    )
    oosForce: float = option(
        "oos-force",
        kinds.seconds(0, 300),
        "How long a telephone may leave OPTIONS unanswered before it is out of "
        "service; 0: the time that a request is given (32 s).",
        default=0.0,
    )


@frozen
class Trunk(DN):
    """
    C{[[trunk]]}: a gateway or another switch, known by its address, not by digest.
    """

    contact: str = option("contact", kinds.sipURI(), "Where its calls are sent.")
    prefix: str = option(
        "prefix",
        kinds.number(),
        "Dialled numbers that begin so go to this trunk; the longest prefix wins.",
        default="",
    )
    replacePrefix: str | None = option(
        "replace-prefix",
        kinds.text("digits, letters and -_.+*, or empty", r"[A-Za-z0-9_.+*-]{0,64}"),
        "What stands in the place of the prefix in the number sent to the trunk.",
        default=None,
        shown="the prefix stays",
    )
    dtmfMethod: str = option(
        "dtmf-method",
        kinds.choice("info", "rfc4733"),
        "How digits that a T-Library client sends reach this trunk, as for an "
        "extension.",
        default="info",
    )
    oosCheck: float = option(
        "oos-check",
        kinds.seconds(0, 300),
        "How often OPTIONS asks whether the trunk is in service; 0: never.",
        default=0.0,
    )
    oosForce: float = option(
        "oos-force",
        kinds.seconds(0, 300),
        "How long a trunk may leave OPTIONS unanswered before it is out of service; "
        "0: the time that a request is given (32 s).",
        default=0.0,
    )
    assertedIdentity: bool = option(
        "asserted-identity",
        kinds.flag(),
        "Whether the caller of this trunk's calls is the one in P-Asserted-Identity, "
        "and the trunk is told who calls in the same way, also where a caller does not "
        "want to be shown (RFC 3325); for a trunk that keeps that to itself.",
        default=False,
    )


@frozen
class RoutingPoint(DN):
    """
    C{[[routing-point]]}: a number whose calls wait for a routing decision.
    """

    defaults: tuple[str, ...] = option(
        "default-dn",
        kinds.listOf(kinds.number()),
        "Where calls go when nobody says so; each call begins with the next one, and "
        "goes on to the others. Empty: they are refused.",
        default=(),
    )
    alternateRouteProfile: str = option(
        "alternate-route-profile",
        kinds.number(),
        "A routing point whose default-dn counts where this one has none.",
        default="",
    )
    routerTimeout: float = option(
        "router-timeout",
        kinds.seconds(1, 3600),
        "How long a routing client may say nothing about a call, before it goes where "
        "calls go by default.",
        default=10.0,
    )
    divertOnRinging: bool = option(
        "divert-on-ringing",
        kinds.flag(),
        "Whether a call has left the routing point when it rings where it was sent "
        "(EventRouteUsed, EventDiverted), or only when it is answered there.",
        default=True,
    )
    ringingOnRoutePoint: bool = option(
        "ringing-on-route-point",
        kinds.flag(),
        "Whether callers that wait hear that it rings (180), or are told that they "
        "wait (182).",
        default=True,
    )
    noAnswerTimeout: float = option(
        "no-answer-timeout",
        kinds.seconds(0, 3600),
        "How long a call that was sent on may ring; 0: as long as any call to there.",
        default=0.0,
    )
    noAnswerOverflow: tuple[str, ...] = option(
        "no-answer-overflow",
        kinds.listOf(kinds.number(), 1),
        "Where a call goes that was sent on and is not answered: numbers, one after "
        "the other; recall: back; none: nowhere.",
        default=("recall",),
        shown="recall",
    )


@frozen
class ClusterNodes(DN):
    """
    C{[[voip-service]]} with service-type sip-cluster-nodes: what all nodes and
    SIP Proxies of the cluster have in common.  At most one.
    """

    serviceType: str = option(
        "service-type",
        kinds.choice("sip-cluster-nodes", "msml", "netann"),
        "What the service is: this one, or a media server.",
    )
    minExpires: int = option(
        "min-expires",
        kinds.integer(1, 86400),
        "Shortest registration granted, in seconds; less is answered 423.",
        default=60,
    )
    maxExpires: int = option(
        "max-expires",
        kinds.integer(60, 604800),
        "Longest registration granted, in seconds; more is shortened.",
        default=3600,
    )
    noAnswerTimeout: float = option(
        "no-answer-timeout",
        kinds.seconds(1, 3600),
        "How long a telephone rings before the call is given up.",
        default=120.0,
    )
    sessionExpires: int = option(
        "session-expires",
        kinds.integer(0, 86400),
        "Seconds in which each leg of a call is refreshed (RFC 4028), by the far end "
        "or by the node, no less than min-se; 0: only where the far end asks for it.",
        default=0,
    )
    minSE: int = option(
        "min-se",
        kinds.integer(90, 86400),
        "The shortest such time that a far end may ask for; less is answered 422.",
        default=90,
    )
    musicOnHold: bool = option(
        "sip-enable-moh",
        kinds.flag(),
        "Whether those hear music whom a telephone holds, or its DN by request; it "
        "takes a media server.",
        default=False,
    )
    music: str = option(
        "default-music",
        kinds.text("a file name", r"(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_.-]+"),
        "What that is: a file below the folder of the media servers, without .wav.",
        default="music/on_hold",
    )
    maxRedirections: int = option(
        "max-redirections",
        kinds.integer(0, 20),
        "How many 3xx answers one call follows.",
        default=5,
    )
    wrapUpTime: float = option(
        "wrap-up-time",
        kinds.seconds(0, 86400),
        "After-call work that follows each call of a logged-in agent, unless its login "
        "says otherwise (AttributeExtensions WrapUpTime); 0: none.",
        default=0.0,
    )
    agentLogoutGrace: float = option(
        "agent-logout-grace",
        kinds.seconds(0, 86400),
        "How long an agent stays logged in when the T-Library client that logged it "
        "in has gone.",
        default=30.0,
    )
    logoutOnOutOfService: bool = option(
        "logout-on-out-of-service",
        kinds.flag(),
        "Whether an agent is logged out when its DN goes out of service, and cannot "
        "log in while it is.",
        default=False,
    )
    eventAbandoned: str = option(
        "event-abandoned",
        kinds.choice("always", "external"),
        "When a ringing DN's clients get EventAbandoned because the caller gave up: "
        "always, or only for callers from outside (EventReleased for others).",
        default="always",
    )
    unsolicitedMWI: bool = option(
        "unsolicited-mwi",
        kinds.flag(),
        "Whether telephones that have not subscribed are told of waiting messages "
        "too (NOTIFY outside a subscription).",
        default=False,
    )
    dnOwnerApplications: tuple[str, ...] = option(
        "dn-owner-applications",
        kinds.listOf(kinds.text()),
        "T-Library clients by which a DN with a contact of its own comes into "
        "service: it is while a client of one of them has registered it. Empty: it "
        "needs none.",
        default=(),
    )
    smartProxyEnabled: bool = option(
        "smart-proxy-enabled",
        kinds.flag(),
        "Whether T-Controllers work in the optimised mode.",
        default=False,
        takesEffect=NOT_YET,
    )
