"""
Calls that meet leave nothing behind that keeps itself alive: in a node at work nobody
looks for that.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from tests.memory.conferring import Conferring
from tests.memory.controls import WHO


class GarbageTests(Conferring):
    """
    Each is done twice before, so that what is made once for all is there.
    """

    def setUp(self) -> None:
        super().setUp()
        self.endAll()
        self.clear()

    def clear(self) -> None:
        """
        Forget what the test remembers.
        """
        self.rows()
        self.names.clear()
        for desk in self.desks.values():
            desk.lines.clear()

    def assertNoGarbage(self, act: Callable[[], None]) -> None:
        """
        Doing something leaves none.
        """

        def once() -> None:
            act()
            self.endAll()
            self.clear()

        once()
        once()
        gc.collect()
        gc.disable()
        # What other tests have left may be let go of meanwhile.
        known = {id(one) for one in gc.get_objects()}
        before = gc.get_debug()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            once()
            gc.collect()
            ours = [
                type(one).__qualname__
                for one in gc.garbage
                if type(one).__module__.startswith("sipcluster.")
                and id(one) not in known
            ]
        finally:
            gc.set_debug(before)
            gc.garbage.clear()
            gc.enable()
        self.assertEqual(ours, [])

    def test_twoStep(self) -> None:
        """
        Consultation and transfer.
        """

        def act() -> None:
            call = self.talk("A", "B")
            other = self.consult("B", call, "C")
            self.done(self.controller.completeTransfer("1002", call, other, WHO))

        self.assertNoGarbage(act)

    def test_singleStep(self) -> None:
        """
        Single-step transfer.
        """

        def act() -> None:
            call = self.talk("A", "B")
            self.done(self.controller.singleStepTransfer("1002", call, "1003", (), WHO))
            self.answer("C")

        self.assertNoGarbage(act)

    def test_conference(self) -> None:
        """
        A conference that one leaves.
        """

        def act() -> None:
            call = self.talk("A", "B")
            self.confer("B", call, "C")
            self.done(self.controller.release("1002", call, WHO))

        self.assertNoGarbage(act)

    def test_deleted(self) -> None:
        """
        Somebody is taken into a call, and out of it.
        """

        def act() -> None:
            call = self.talk("A", "B")
            asked = self.controller.singleStepConference("1002", call, "1003", (), WHO)
            self.settle()
            self.answer("C")
            self.done(asked)
            self.done(self.controller.deleteFromConference("1002", call, "1003", WHO))

        self.assertNoGarbage(act)

    def test_alternate(self) -> None:
        """
        Two who talk by turns.
        """

        def act() -> None:
            call = self.talk("A", "B")
            other = self.consult("B", call, "C")
            self.done(self.controller.alternate("1002", call, other, WHO))
            self.done(self.controller.reconnect("1002", other, call, WHO))

        self.assertNoGarbage(act)
