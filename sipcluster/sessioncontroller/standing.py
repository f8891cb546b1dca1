"""
How a party stands in its call, where that is not as usual: who hears it, whom it
hears, and what brought it there.
"""

from __future__ import annotations

from attrs import frozen

from sipcluster.sessioncontroller.isupervision import Monitoring

__all__ = ("AS_USUAL", "Standing")


@frozen
class Standing:
    """
    How a party stands in its call.

    @ivar muted: nobody is to hear it.
    @ivar deaf: it is to hear nobody.
    @ivar monitoring: it supervises; L{None}: it does not.
    @ivar addedBy: the DN that wants it in the call, while it rings; C{""}: nobody
        does, it has made the call or is called.
    """

    muted: bool = False
    deaf: bool = False
    monitoring: Monitoring | None = None
    addedBy: str = ""


#: Of nearly all parties.
AS_USUAL = Standing()
