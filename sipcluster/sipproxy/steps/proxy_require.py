"""
Refuses extensions that the proxy does not know (RFC 3261 section 16.3 step 5).
"""

from __future__ import annotations

from zope.interface import implementer

from sipcluster.sipproxy.context import RequestContext
from sipcluster.sipproxy.isipproxy import NEXT, Answer, IStep, Outcome


@implementer(IStep)
class ProxyRequire:
    """
    Answers 420: there is no extension that a proxy must know here.
    """

    name = "proxy-require"

    def process(self, context: RequestContext) -> Outcome:
        """
        See L{IStep}.
        """
        headers = context.request.headers
        if b"proxy-require" in headers.keys:
            wanted = headers.values(b"Proxy-Require")
            if wanted:
                return Answer(420, headers=((b"Unsupported", b", ".join(wanted)),))
        return NEXT
