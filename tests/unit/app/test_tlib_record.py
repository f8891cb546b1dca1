"""
Tests for L{sipcluster.app.tlib_record}.
"""

from __future__ import annotations

import io
import json

from twisted.trial.unittest import SynchronousTestCase

from sipcluster.app.tlib_record import (
    KIND,
    BadRecord,
    Entry,
    Likeness,
    Recorder,
    readRecord,
)
from sipcluster.tlib.codec import Envelope
from sipcluster.tlib.messages import (
    EventDialing,
    EventRinging,
    Message,
    RequestHoldCall,
    RequestMakeCall,
)

OLD, NEW = "00" * 8, "01" * 8


class RecordTests(SynchronousTestCase):
    """
    What is written is read again.
    """

    def test_roundTrip(self) -> None:
        """
        Messages with their times, directions and nodes.
        """
        file = io.StringIO()
        recorder = Recorder(file, 100.0)
        request = RequestMakeCall(thisDN="1001", otherDN="1002")
        event = EventDialing(thisDN="1001", connID=OLD, userData=(("K", "it's\n"),))
        recorder.add(100.5, True, "node1", Envelope(0, 0, request))
        recorder.add(101.25, False, "node1", Envelope(3, 2, event))
        self.assertEqual(
            list(readRecord(file.getvalue().splitlines())),
            [
                Entry(0.5, True, "node1", Envelope(0, 0, request)),
                Entry(1.25, False, "node1", Envelope(3, 2, event)),
            ],
        )

    def test_noRecord(self) -> None:
        """
        Another file is refused, with the line where it is wrong.
        """
        first = json.dumps(KIND)
        for lines, why in (
            (["hello"], "line 1"),
            (["{}"], "line 1: not a recorded T-Library session"),
            ([first, "{}"], "line 2"),
            ([first, "[]"], "line 2"),
            (
                [first, '{"seconds": 1, "direction": "sent", "node": "", "text": "?"}'],
                "line 2",
            ),
        ):
            error = self.assertRaises(BadRecord, list, readRecord(lines))
            self.assertIn(why, str(error))

    def test_nothing(self) -> None:
        """
        An empty file is a session in which nothing happened.
        """
        self.assertEqual(list(readRecord([])), [])


class LikenessTests(SynchronousTestCase):
    """
    A session is compared with its record.
    """

    def test_same(self) -> None:
        """
        The same events at the same DNs, in whatever order of the DNs.
        """
        recorded: list[Message] = [
            EventDialing(thisDN="1001", connID=OLD),
            EventRinging(thisDN="1002", connID=OLD),
        ]
        likeness = Likeness(recorded)
        came = likeness.whenCame(recorded[0])
        likeness.came(EventRinging(thisDN="1002", connID=NEW))
        self.assertNoResult(came)
        likeness.came(EventDialing(thisDN="1001", connID=NEW))
        self.successResultOf(came)
        self.successResultOf(likeness.whenCame(recorded[1]))
        self.assertEqual((likeness.left, likeness.unexpected), ([], []))

    def test_different(self) -> None:
        """
        What did not come, and what came besides, is known.
        """
        recorded: list[Message] = [EventDialing(thisDN="1001")]
        likeness = Likeness(recorded)
        likeness.came(EventDialing(thisDN="1002"))
        self.assertEqual(likeness.left, recorded)
        self.assertEqual(likeness.unexpected, [EventDialing(thisDN="1002")])

    def test_translated(self) -> None:
        """
        A request names the call of now; one that names no call stays as it is.
        """
        likeness = Likeness([EventDialing(thisDN="1001", connID=OLD)])
        hold = RequestHoldCall(thisDN="1001", connID=OLD)
        self.assertEqual(likeness.translated(hold), hold)
        likeness.came(EventDialing(thisDN="1001", connID=NEW))
        self.assertEqual(
            likeness.translated(hold), RequestHoldCall(thisDN="1001", connID=NEW)
        )
        call = RequestMakeCall(thisDN="1001", otherDN="1002")
        self.assertEqual(likeness.translated(call), call)
