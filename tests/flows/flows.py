"""
The flows themselves.

Each returns the ConnIDs of its calls, whose ladders are drawn afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from attrs import frozen
from twisted.internet.task import deferLater

from sipcluster.tlib import messages
from sipcluster.tlib.enums import RouteType, TreatmentType
from sipcluster.tlib.messages.base import DestinationRequest
from tests.flows.stage import Desk, Stage

#: Who is who.
AGENT, EXPERT = "1001", "1002"
QUEUE = "5000"
CUSTOMER = "5550100"

#: A document for those who dial in to hear what was said for them.
_VOICEMAIL = """\
<?xml version="1.0"?>
<vxml version="2.1" xmlns="http://www.w3.org/2001/vxml">
  <form>
    <block><prompt><audio src="file:announcement/1"/></prompt></block>
    <block><prompt><audio src="file:digits/2"/></prompt></block>
  </form>
</vxml>
"""

Flow: TypeAlias = Callable[[Stage], Awaitable[list[str]]]


async def _logIn(desk: Desk, dn: str, agent: str) -> None:
    """
    An agent takes a DN and is ready.
    """
    await desk.ask(
        messages.RequestAgentLogin(thisDN=dn, agentID=agent), messages.EventAgentLogin
    )
    await desk.ask(messages.RequestAgentReady(thisDN=dn), messages.EventAgentReady)


async def _logOut(desk: Desk, dn: str) -> None:
    """
    An agent leaves a DN.
    """
    await desk.ask(messages.RequestAgentLogout(thisDN=dn), messages.EventAgentLogout)


async def _treat(
    router: Desk, party: Mapping[str, Any], kind: TreatmentType, *parameters: Any
) -> None:
    """
    A caller who waits is given something.
    """
    await router.ask(
        messages.RequestApplyTreatment(
            **party, treatmentType=kind, treatmentParms=parameters
        ),
        messages.EventTreatmentApplied,
    )


async def _route(router: Desk, party: Mapping[str, Any], dn: str) -> None:
    """
    A caller who waits goes to somebody.
    """
    await router.ask(
        messages.RequestRouteCall(**party, otherDN=dn, routeType=RouteType.DEFAULT),
        messages.EventRouteUsed,
    )


async def login(stage: Stage) -> list[str]:
    """
    CF1: a telephone registers, and its DN is in service; an agent logs in there.
    """
    stage.step("The desktop connects; its telephone is not there yet")
    desk = await stage.desktop(AGENT)
    stage.step("The telephone registers by a SIP Proxy, with digest")
    await stage.telephones(AGENT)
    await desk.told(messages.EventDNBackInService, thisDN=AGENT)
    stage.step("The agent logs in, and is ready for calls")
    await _logIn(desk, AGENT, "kate")
    await stage.talk()
    stage.step("The agent leaves")
    await _logOut(desk, AGENT)
    return []


async def inbound(stage: Stage) -> list[str]:
    """
    CF2: a customer calls, waits with music, and is routed to an agent.
    """
    await stage.telephones(AGENT)
    await stage.known(AGENT)
    desk, router = await stage.desktop(AGENT), await stage.router(QUEUE)
    await _logIn(desk, AGENT, "kate")
    stage.step("A customer calls from the trunk")
    stage.customer(CUSTOMER, QUEUE)
    asked = await router.told(messages.EventRouteRequest)
    party = {"thisDN": QUEUE, "connID": asked.connID}
    stage.step("The strategy gives music: a media server is invited")
    await _treat(router, party, TreatmentType.MUSIC)
    await stage.talk()
    assert stage.plays() == 1
    stage.step("The agent is free: the call is routed there, and rings")
    await _route(router, party, AGENT)
    await desk.told(messages.EventRinging, connID=asked.connID)
    await desk.told(messages.EventEstablished, connID=asked.connID)
    await stage.talk()
    stage.step("The agent hangs up by the desktop")
    await desk.ask(
        messages.RequestReleaseCall(thisDN=AGENT, connID=asked.connID),
        messages.EventReleased,
    )
    await _logOut(desk, AGENT)
    return [asked.connID]


async def _outbound(stage: Stage, what: str, due: float, data: Any) -> list[str]:
    """
    Somebody outside is called for the routing point, and given to an agent.
    """
    await stage.telephones(AGENT)
    await stage.known(AGENT)
    await stage.answers(stage.address(40))
    desk, router = await stage.desktop(AGENT), await stage.router(QUEUE)
    await _logIn(desk, AGENT, "kate")
    if due:
        stage.step(f"It is not time yet: {due:g} s")
        await deferLater(stage.reactor, due, lambda: None)
    stage.step(what)
    dialing = await router.ask(
        messages.RequestMakePredictiveCall(
            thisDN=QUEUE,
            otherDN=f"9{CUSTOMER}",
            timeout=20,
            userData=data,
            extensions=(
                ("call_answer_type_recognition", "positive_am_detection"),
                ("call_timeguard_timeout", 1500),
            ),
        ),
        messages.EventDialing,
    )
    stage.step("Somebody answers; a media server listens whether it is a machine")
    await router.told(messages.EventEstablished, connID=dialing.connID)
    stage.step("The call waits at the routing point, and is routed to the agent")
    asked = await router.told(messages.EventRouteRequest, connID=dialing.connID)
    await _route(router, {"thisDN": QUEUE, "connID": asked.connID}, AGENT)
    ringing = await desk.told(messages.EventRinging, connID=asked.connID)
    assert ringing.userData == data, ringing
    await desk.told(messages.EventEstablished, connID=asked.connID)
    await stage.talk()
    stage.step("The agent hangs up by the desktop")
    await desk.ask(
        messages.RequestReleaseCall(thisDN=AGENT, connID=asked.connID),
        messages.EventReleased,
    )
    await _logOut(desk, AGENT)
    return [asked.connID]


async def campaign(stage: Stage) -> list[str]:
    """
    CF3: a campaign calls somebody, and gives who answers to an agent.
    """
    return await _outbound(
        stage,
        "The campaign asks for a call to the next number",
        0.0,
        (("CAMPAIGN", "spring"), ("RECORD", 4711)),
    )


async def callback(stage: Stage) -> list[str]:
    """
    CF6: who asked to be called back is called when it is time, and given to an agent.
    """
    return await _outbound(
        stage,
        "It is time: the strategy asks for a call to who wants one",
        2 * stage.pause,
        (("CALLBACK", "web"), ("WANTED", "as soon as possible")),
    )


async def voicemail(stage: Stage) -> list[str]:
    """
    CF8: an agent dials voicemail, and hears what was said for him.
    """
    prompts = stage.cluster.files.prompts / "application"
    prompts.mkdir(parents=True, exist_ok=True)
    (prompts / "voicemail.vxml").write_text(_VOICEMAIL)
    box = stage.cluster.files.folder / "recordings" / AGENT
    box.mkdir(parents=True, exist_ok=True)
    said = stage.cluster.files.prompts / "announcement" / "ran.wav"
    (box / "1.wav").write_bytes(said.read_bytes())
    await stage.telephones(AGENT)
    await stage.known(AGENT)
    desk, router = await stage.desktop(AGENT), await stage.router(QUEUE)
    stage.step(
        "The desktop calls voicemail: the agent's own telephone is invited first"
    )
    dialing = await desk.ask(
        messages.RequestMakeCall(thisDN=AGENT, otherDN=QUEUE), messages.EventDialing
    )
    asked = await router.told(messages.EventRouteRequest, connID=dialing.connID)
    party = {"thisDN": QUEUE, "connID": asked.connID}
    stage.step("The strategy runs the application: a media server, with VoiceXML")
    await _treat(
        router,
        party,
        TreatmentType.PLAY_APPLICATION,
        ("APP_URI", "file:application/voicemail"),
    )
    await router.told(messages.EventTreatmentEnd)
    stage.step("The message is played")
    await _treat(
        router,
        party,
        TreatmentType.PLAY_ANNOUNCEMENT,
        ("PROMPT", (("1", (("USER_ANN_ID", f"{AGENT}/1"),)),)),
    )
    await router.told(messages.EventTreatmentEnd)
    stage.step("The agent hangs up by the desktop")
    await desk.ask(
        messages.RequestReleaseCall(thisDN=AGENT, connID=asked.connID),
        messages.EventReleased,
    )
    return [asked.connID]


async def consultation(stage: Stage) -> list[str]:
    """
    CF9: an agent asks somebody whose telephone is in the other data centre; the
    customer hears music meanwhile. Then all three talk.
    """
    await stage.telephones(AGENT)
    await stage.telephones(EXPERT, last=103, proxy=2)
    await stage.known(AGENT, EXPERT)
    one, other = await stage.desktop(AGENT), await stage.desktop(EXPERT)
    stage.step("A customer calls the agent")
    stage.customer(CUSTOMER, AGENT)
    first = (await one.told(messages.EventEstablished)).connID
    await stage.talk()
    mine = {"thisDN": AGENT, "connID": first}

    async def consult(request: type[DestinationRequest]) -> str:
        dialing = await one.ask(request(**mine, otherDN=EXPERT), messages.EventDialing)
        await other.told(messages.EventRinging, connID=dialing.connID)
        await one.told(messages.EventEstablished, connID=dialing.connID)
        await stage.talk()
        return str(dialing.connID)

    stage.step("The agent asks the other one; the customer hears music")
    asked = await consult(messages.RequestInitiateTransfer)
    assert stage.plays() == 1
    stage.step("The other one is let go, and the customer is back")
    await one.ask(
        messages.RequestReconnectCall(**mine, previousConnID=asked),
        messages.EventReleased,
    )
    await one.told(messages.EventRetrieved)
    await other.told(messages.EventReleased)
    await stage.talk()
    stage.step("The agent asks once more")
    again = await consult(messages.RequestInitiateConference)
    stage.step("All three talk: a media server mixes")
    await one.ask(
        messages.RequestCompleteConference(**mine, conferenceConnID=again),
        messages.EventReleased,
    )
    await other.told(messages.EventPartyChanged)
    await stage.talk()
    assert stage.plays() == 3
    stage.step("The agent leaves; the others go on without the media server")
    await one.ask(messages.RequestReleaseCall(**mine), messages.EventReleased)
    await other.told(messages.EventPartyDeleted)
    await stage.talk()
    assert stage.plays() == 0
    stage.step("The other one hangs up")
    await other.ask(
        messages.RequestReleaseCall(thisDN=EXPERT, connID=first),
        messages.EventReleased,
    )
    return [first, asked]


@frozen
class Named:
    """
    A flow, and its title.
    """

    title: str
    play: Flow


FLOWS: Mapping[str, Named] = {
    "CF1": Named("Login and registration", login),
    "CF2": Named("Inbound call", inbound),
    "CF3": Named("Outbound campaign", campaign),
    "CF6": Named("Callback", callback),
    "CF8": Named("Voicemail", voicemail),
    "CF9": Named("Consultation, and conference", consultation),
}
