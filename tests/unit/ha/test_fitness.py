"""
Tests for L{sipcluster.ha.fitness}.
"""

from __future__ import annotations

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipcluster.ha.fitness import Fitness
from sipcluster.ha.iha import IFitness


@implementer(IFitness)
@define
class Told:
    """
    Writes down what it is told.
    """

    said: list[str] = field(factory=list)

    def unfit(self, why: str) -> None:
        self.said.append(why)

    def fit(self) -> None:
        self.said.append("fit")


class FitnessTests(SynchronousTestCase):
    """
    L{Fitness} has several reasons.
    """

    def setUp(self) -> None:
        self.member = Told()
        self.changes: list[bool] = []
        self.fitness = Fitness(self.member)
        self.fitness.changed = lambda: self.changes.append(self.fitness.able)

    def test_severalReasons(self) -> None:
        """
        A member is unfit from the first reason to the end of the last.
        """
        self.fitness.unfit("nic", "eth0 is down")
        self.fitness.unfit("port", "udp:5060 is not open")
        self.fitness.fit("nic")
        self.assertEqual(self.member.said, ["eth0 is down"])
        self.fitness.fit("port")
        self.assertEqual(self.member.said, ["eth0 is down", "fit"])
        self.assertEqual(self.changes, [False, True])

    def test_sameAgain(self) -> None:
        """
        A reason that is told again changes nothing, nor the end of one that is
        not there; another text takes the place of the first.
        """
        self.fitness.fit("nic")
        self.fitness.unfit("nic", "eth0 is down")
        self.fitness.unfit("nic", "eth0 is down")
        self.fitness.unfit("nic", "eth0 is gone")
        self.assertEqual(self.member.said, ["eth0 is down"])
        self.assertEqual(self.fitness.reasons["nic"].why, "eth0 is gone")

    def test_softAlone(self) -> None:
        """
        With soft reasons a member serves while the other one has not said that it
        can.
        """
        self.fitness.unfit("sip", "no SIP for 20 s", soft=True)
        self.assertEqual(self.member.said, [])
        self.assertEqual(self.changes, [False])

    def test_softAndPeer(self) -> None:
        """
        A soft reason counts while the other member can serve: told before or
        after.
        """
        self.fitness.peer(True)
        self.fitness.unfit("sip", "no SIP for 20 s", soft=True)
        self.fitness.peer(False)
        self.fitness.peer(True)
        self.assertEqual(
            self.member.said, ["no SIP for 20 s", "fit", "no SIP for 20 s"]
        )
        self.assertEqual(self.changes, [False])

    def test_hardAndSoft(self) -> None:
        """
        A hard reason counts whatever the other member says; a soft one that is
        left when it has gone counts as if alone.
        """
        self.fitness.unfit("sip", "no SIP for 20 s", soft=True)
        self.fitness.unfit("port", "udp:5060 is not open")
        self.fitness.peer(True)
        self.fitness.peer(False)
        self.assertEqual(self.member.said, ["udp:5060 is not open"])
        self.fitness.fit("port")
        self.assertEqual(self.member.said, ["udp:5060 is not open", "fit"])

    def test_becomesSoft(self) -> None:
        """
        A reason may become soft, or hard.
        """
        self.fitness.unfit("sip", "no SIP")
        self.fitness.unfit("sip", "no SIP", soft=True)
        self.fitness.unfit("sip", "no SIP")
        self.assertEqual(self.member.said, ["no SIP", "fit", "no SIP"])
