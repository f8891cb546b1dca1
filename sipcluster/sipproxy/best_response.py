"""
Which of several final responses goes back (RFC 3261 section 16.7 steps 6 and 7).
"""

from __future__ import annotations

from attrs import define, field

from sipcluster.sip.message import Headers, Request, Response, makeResponse

#: Tell how the request could be made to succeed: before all others of their
#: class.
_HELPFUL = frozenset([401, 407, 415, 420, 484])

#: Say nothing about the called person: after all others of their class.
_EMPTY = frozenset([408, 430, 480, 487, 503])

_CHALLENGES = (b"WWW-Authenticate", b"Proxy-Authenticate")

#: Seconds for Retry-After where no node is in service.
RETRY_AFTER = b"5"


def rank(status: int) -> int:
    """
    How good a final response is: less is better.
    """
    if status >= 600:
        return 0
    preference = 0 if status in _HELPFUL else 2 if status in _EMPTY else 1
    return status // 100 * 10 + preference


@define
class BestResponse:
    """
    Keeps the best final response so far, and the challenges of all.

    @ivar status: 0 while there is none.
    @ivar response: L{None} when it is one of our own making.
    @ivar true503: whether a 503 may go back as it is.
    """

    status: int = 0
    response: Response | None = None
    true503: bool = False
    _challenges: list[Response] = field(factory=list)

    def offer(
        self, status: int, response: Response | None = None, true503: bool = False
    ) -> None:
        """
        Take a final response into account.

        @param response: L{None} for one of our own making.
        """
        if response is not None and status in (401, 407):
            self._challenges.append(response)
        if not self.status or rank(status) < rank(self.status):
            self.status = status
            self.response = response
            self.true503 = true503

    def choose(self, request: Request, toTag: bytes) -> Response:
        """
        Make the response that goes back.

        @param request: what is answered.
        @param toTag: for a response of our own making.
        """
        status = self.status or 480
        response = self.response
        if status == 503 and not self.true503:
            # Upstream would give the whole proxy up for one failed callee.
            status, response = 500, None
        if response is None:
            headers = ((b"Retry-After", RETRY_AFTER),) if status == 503 else ()
            return makeResponse(request, status, toTag=toTag, headers=headers)
        if len(self._challenges) > 1 and status in (401, 407):
            return self._aggregated(response)
        return response

    def _aggregated(self, response: Response) -> Response:
        """
        Add the challenges of the other 401 and 407 (step 7).
        """
        headers: Headers = response.headers
        for other in self._challenges:
            if other is not response:
                for name in _CHALLENGES:
                    for value in other.headers.all(name):
                        headers = headers.append(name, value)
        return response.replacing(headers=headers)
