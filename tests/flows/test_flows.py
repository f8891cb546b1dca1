"""
The flows that people can start are played, with less talk.
"""

from __future__ import annotations

from tests.flows.flows import FLOWS
from tests.flows.stage import Stage, configured
from tests.interop.shared import ClusterTestCase, reactor


class FlowTests(ClusterTestCase):
    """
    Each ends as it should, and leaves no call.
    """

    change = staticmethod(configured)

    async def play(self, name: str, *drawn: str) -> None:
        """
        Play a flow.

        @param drawn: what its ladder shows.
        """
        said: list[str] = []
        stage = Stage(reactor, self.cluster, self.work, said.append, 0.3)
        try:
            calls = await FLOWS[name].play(stage)
            await stage.over()
        except AssertionError as e:
            said.append("")
            raise AssertionError("\n".join((*said, str(e)))) from None
        finally:
            await stage.end()
        del said[:]
        if drawn:
            await stage.ladder(*calls[:1])
            ladder = "\n".join(said)
            for one in drawn:
                self.assertIn(one, ladder)

    async def test_login(self) -> None:
        """
        CF1.
        """
        await self.play("CF1")

    async def test_inbound(self) -> None:
        """
        CF2.
        """
        await self.play("CF2", "EventRouteRequest", "INVITE annc@", "EventRinging")

    async def test_campaign(self) -> None:
        """
        CF3.
        """
        await self.play("CF3")

    async def test_callback(self) -> None:
        """
        CF6.
        """
        await self.play("CF6")

    async def test_voicemail(self) -> None:
        """
        CF8.
        """
        await self.play("CF8")

    async def test_consultation(self) -> None:
        """
        CF9.
        """
        await self.play("CF9", "INVITE annc@", "INVITE conf=", "EventPartyChanged")
