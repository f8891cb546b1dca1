"""
Tests for L{sipcluster.app.settings.media}, L{sipcluster.app.media} and what nodes make
of VoIP Services.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipcluster.app.lab_sounds import SOUNDS, makeSounds
from sipcluster.app.media import MediaMember
from sipcluster.app.media_services import serversOf
from sipcluster.app.runtime import IMember
from sipcluster.app.settings import (
    BadConfiguration,
    Configuration,
    Media,
    parseConfiguration,
)
from sipcluster.mediaservice.services import ServerSettings
from sipcluster.sip.identifiers import Identifiers
from sipcluster.sip.isip import Target
from sipcluster.testing.media_engine import FakeEngine
from sipcluster.testing.network import MemoryNetwork
from sipcluster.testing.sip_peer import Phone, peerAt
from tests.memory.media_agents import Addresses

TOML = """
[switch]
name = "lab"
domain = "lab.example"

[[voip-service]]
number = "cluster"
service-type = "sip-cluster-nodes"

[[voip-service]]
number = "msml1"
service-type = "msml"
contact = "sip:192.0.2.31:5060"
geo-location = "berlin"

[[voip-service]]
number = "old1"
service-type = "netann"
contact = "sip:media.example"
oos-check = 0

[[node]]
name = "node1"
sip-address = "192.0.2.21"

[[media]]
name = "media1"
sip-address = "192.0.2.31"
http-port = 0
{more}
"""


def configured(more: str = "") -> Configuration:
    """
    A configuration with a media server.
    """
    return parseConfiguration(TOML.format(more=more), Path("cluster.toml"), None)


class SettingsTests(SynchronousTestCase):
    """
    The tables of media.
    """

    def test_services(self) -> None:
        """
        VoIP Services differ by their service-type.
        """
        configuration = configured()
        self.assertEqual(configuration.clusterNodes.number, "cluster")
        self.assertEqual(
            [*serversOf(configuration)],
            [
                ServerSettings(
                    "msml1", b"sip:192.0.2.31:5060", "berlin", True, 5.0, 0.0
                ),
                ServerSettings("old1", b"sip:media.example", "", False, 0.0, 0.0),
            ],
        )

    def test_media(self) -> None:
        """
        A media server has an address for RTP.
        """
        one = configured().application("media1")
        assert isinstance(one, Media)
        self.assertEqual((one.rtpHost, one.rtpPorts), ("192.0.2.31", (20000, 29999)))
        one = configured('rtp-address = "192.0.2.32"').application("media1")
        assert isinstance(one, Media)
        self.assertEqual(one.rtpHost, "192.0.2.32")

    def test_faults(self) -> None:
        """
        What is wrong is told with its place.
        """
        for more, why in (
            ("rtp-ports = [29999, 20000]", "two ports"),
            ("rtp-ports = [80, 90]", "two ports"),
            ("rtp-ports = [20000, 20002]", "two ports"),
            ("rtp-ports = [20000]", "two ports"),
            ("rtp-ports = [true, 30000]", "two ports"),
            ("max-members = 1", "2 to 1000"),
            ('tone-country = "germany"', "two letters"),
            (
                '[[voip-service]]\nnumber = "x"\nservice-type = "msml"',
                "contact is missing",
            ),
            (
                '[[voip-service]]\nnumber = "x"\nservice-type = "mmsl"',
                "nearest: msml",
            ),
            ('[[voip-service]]\nnumber = "x"\nservice-type = 3', "want a string"),
            (
                '[[media]]\nname = "media2"\nsip-address = "192.0.2.31"\nhttp-port = 0',
                "is taken by media[1]",
            ),
        ):
            with self.assertRaises(BadConfiguration, msg=more) as caught:
                configured(more)
            self.assertIn(why, "\n".join(caught.exception.lines))


class MemberTests(SynchronousTestCase):
    """
    A media server as a member of the cluster.
    """

    def test_life(self) -> None:
        """
        It answers those who may use it, tells how it is, and ends.
        """
        clock = Clock()
        network = MemoryNetwork(clock)
        folder = Path(self.mktemp())
        configuration = configured(f'recordings = "{folder.absolute()}"')
        settings = cast(Media, configuration.application("media1"))
        member = MediaMember(
            configuration,
            settings,
            clock,
            network.host("192.0.2.31"),
            Addresses(),
            FakeEngine(),
            Identifiers(network.entropy),
        )
        verifyObject(IMember, member)
        member.startService()
        self.successResultOf(member.load())
        self.assertTrue(folder.is_dir())
        for address, status in (("192.0.2.21", 200), ("203.0.113.9", 403)):
            peer = peerAt(network, clock, address, Target("UDP", "192.0.2.31", 5060))
            phone = Phone(peer, "1001", proxy="", source=address)
            request = phone.build(b"OPTIONS", uri=b"sip:192.0.2.31")
            peer.send(request)
            peer.expectResponse(status, request)
        self.assertEqual(member.status()["calls"], 0)
        self.assertEqual(([*member.calls()], [*member.registrations()]), ([], []))
        self.successResultOf(member.stopService())
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_everybody(self) -> None:
        """
        The settings may let anybody use it.
        """
        network = MemoryNetwork(Clock())
        configuration = configured("allow-all = true")
        member = MediaMember(
            configuration,
            cast(Media, configuration.application("media1")),
            network.clock,
            network.host("192.0.2.31"),
            Addresses(),
            FakeEngine(),
            Identifiers(network.entropy),
        )
        self.assertIsNone(member.agent._settings.peers)


class SoundTests(SynchronousTestCase):
    """
    The sounds of the sample cluster.
    """

    def test_made(self) -> None:
        """
        They are made where they are not there yet.
        """
        folder = Path(self.mktemp())
        folder.joinpath("music").mkdir(parents=True)
        own = folder / "music" / "in_queue.wav"
        own.write_bytes(b"mine")
        makeSounds(folder)
        self.assertEqual(own.read_bytes(), b"mine")
        made = {path.relative_to(folder).as_posix() for path in folder.rglob("*.wav")}
        self.assertEqual(made, set(SOUNDS))
