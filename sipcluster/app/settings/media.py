"""
The tables of media: the servers that nodes use, and the one that is a process of the
cluster.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from sipcluster.app import kinds
from sipcluster.app.options import option
from sipcluster.app.settings.applications import Application
from sipcluster.app.settings.dns import DN


@frozen
class MediaServiceDN(DN):
    """
    C{[[voip-service]]} with service-type msml or netann: a media server that nodes
    may use; there may be several.
    """

    serviceType: str = option(
        "service-type",
        kinds.choice("msml", "netann"),
        "What it understands: RFC 4240 and MSML (RFC 5707), or RFC 4240 alone, which "
        "is announcements, conferences and VoiceXML.",
    )
    contact: str = option(
        "contact", kinds.sipURI(), "Where it is; the user of the URI does not count."
    )
    geoLocation: str = option(
        "geo-location",
        kinds.text(),
        "Data centre; nodes take the media servers of their own first.",
        default="",
    )
    oosCheck: float = option(
        "oos-check",
        kinds.seconds(0, 300),
        "How often OPTIONS asks whether it is in service; 0: never.",
        default=5.0,
    )
    oosForce: float = option(
        "oos-force",
        kinds.seconds(0, 300),
        "How long it may leave OPTIONS unanswered before it is out of service; 0: 2 "
        "seconds.",
        default=0.0,
    )


@frozen
class Media(Application):
    """
    C{[[media]]}: a media server: plays, collects digits, records and mixes, as a SIP
    user agent (RFC 4240, RFC 5707).
    """

    sipAddress: str = option(
        "sip-address", kinds.address(), "Address on which SIP listens."
    )
    sipPort: int = option("sip-port", kinds.port(), "UDP and TCP port.", default=5060)
    rtpAddress: str = option(
        "rtp-address",
        kinds.address(),
        "Address of RTP.",
        default="",
        shown="the SIP address",
    )
    rtpPorts: tuple[int, int] = option(
        "rtp-ports",
        kinds.portRange(),
        "First and last UDP port of RTP and RTCP.",
        default=(20000, 29999),
    )
    prompts: Path | None = option(
        "prompts",
        kinds.path(),
        "Folder of what file: URIs name; nothing outside of it is ever read.",
        default=None,
        shown="prompts beside the configuration",
    )
    recordings: Path | None = option(
        "recordings",
        kinds.path(),
        "Folder of what is recorded; nothing outside of it is ever written.",
        default=None,
        shown="recordings beside the configuration",
    )
    maxSessions: int = option(
        "max-sessions",
        kinds.integer(1, 100000),
        "Calls at one time; more are answered 486.",
        default=400,
    )
    maxMembers: int = option(
        "max-members",
        kinds.integer(2, 1000),
        "Members of one conference; more are answered 486.",
        default=64,
    )
    maxDuration: float = option(
        "max-duration",
        kinds.seconds(1, 604800),
        "How long one call may last.",
        default=86400.0,
    )
    toneCountry: str = option(
        "tone-country",
        kinds.text("two letters", "[A-Za-z]{2}"),
        "Whose tones are played.",
        default="us",
    )
    peers: tuple[str, ...] = option(
        "peers",
        kinds.listOf(kinds.address()),
        "Addresses that may use it; those of the SIP Proxies and nodes of the file "
        "always may.",
        default=(),
    )
    allowAll: bool = option(
        "allow-all",
        kinds.flag(),
        "Whether any address may use it.",
        default=False,
    )

    @property
    def address(self) -> str:
        """
        The main address.
        """
        return self.sipAddress

    @property
    def rtpHost(self) -> str:
        """
        Where RTP comes to.
        """
        return self.rtpAddress or self.sipAddress
