"""
Puts the process of an application together.
"""

from __future__ import annotations

import signal
import time
from typing import Any

from twisted.internet.stdio import StandardIO

from sipcluster.app.alarms import ProcessAlarms
from sipcluster.app.ending import Ending, EndOfInput
from sipcluster.app.log_streams import LogStreams
from sipcluster.app.process import Process
from sipcluster.app.settings import (
    Application,
    Configuration,
    Media,
    SIPApplication,
    Store,
)


def makeProcess(
    reactor: Any,
    configuration: Configuration,
    application: Application,
    untilEOF: bool = False,
) -> Process:
    """
    Build the process of one application; a role loads only what it needs.

    @param untilEOF: whether it belongs to whoever started it: it ends when
        standard input is closed, and does not heed SIGINT.

    @raise SystemExit: a certificate or key is not what it should be.
    """
    ending = Ending(reactor)
    streams = LogStreams(reactor, time.time, application.name, configuration.log)
    alarms = ProcessAlarms(reactor, configuration.alarms, application.name)
    process = Process(reactor, application, ending, streams, alarms)
    process.controlPassword = configuration.switch.controlPassword
    if untilEOF:
        StandardIO(EndOfInput(reactor), reactor=reactor)
        # Ctrl-C goes to the starter as well, which ends this process in order.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if isinstance(application, Store):
        from sipcluster.app.store import makeStore

        process.runs(makeStore(reactor, configuration, application))
    elif isinstance(application, Media):
        from sipcluster.app.media import addMedia

        addMedia(process, reactor, configuration, application, streams)
    else:
        from sipcluster.app.sip_member import addMember

        assert isinstance(application, SIPApplication)
        addMember(process, reactor, configuration, application, streams)
    return process
