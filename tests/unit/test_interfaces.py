"""
Whoever says that it provides an interface does.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from inspect import getmembers, isclass

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementedBy
from zope.interface.exceptions import Invalid
from zope.interface.verify import verifyClass

import sipcluster


def implementers() -> Iterator[type]:
    """
    All classes of the package that say that they provide something.
    """
    for found in pkgutil.walk_packages(sipcluster.__path__, "sipcluster."):
        module = import_module(found.name)
        for _, one in getmembers(module, isclass):
            if one.__module__ == found.name and list(implementedBy(one)):
                yield one


class InterfaceTests(SynchronousTestCase):
    """
    Declarations of interfaces.
    """

    def test_provided(self) -> None:
        """
        Each class has all methods of its interfaces, and they take what is said there.
        """
        wrong, right = [], set()
        for one in implementers():
            for interface in implementedBy(one):
                try:
                    verifyClass(interface, one)
                except Invalid as e:
                    wrong.append(f"{one.__module__}.{one.__qualname__}: {e}")
                else:
                    right.add(interface.__name__)
        self.assertEqual(wrong, [])
        seams = {"ICallControl", "ITransfers", "IConferences", "IRouting"}
        self.assertLessEqual({*seams, "ISupervision", "IMediaService"}, right)
