"""
What a member of a pair says of itself, in a header field.
"""

from __future__ import annotations

from sipcluster.servicecheck.iservicecheck import PeerRole
from sipcluster.sip.errors import MalformedMessage
from sipcluster.sip.parameters import Parameters

#: The header in which a member says its role, its epoch and its pair.
ROLE = b"X-SIPCluster-Role"


def renderRole(role: PeerRole) -> bytes:
    """
    The value of C{X-SIPCluster-Role}.
    """
    name = b"primary" if role.primary else b"backup"
    value = name + b";epoch=%d" % role.epoch
    return value + b";pair=" + role.pair.encode("ascii") if role.pair else value


def parseRole(value: bytes | None) -> PeerRole:
    """
    Read C{X-SIPCluster-Role}.

    @param value: L{None} when the answer had none; then, as when it cannot be
        read, the peer stands alone and serves.
    """
    if value is None:
        return PeerRole()
    name, _, rest = value.partition(b";")
    try:
        parameters = Parameters.parse(rest)
        epoch = parameters.get(b"epoch") or b"0"
        pair = (parameters.get(b"pair") or b"").decode("ascii", "replace")
        number = int(epoch) if epoch.isdigit() and len(epoch) < 20 else 0
    except MalformedMessage:
        return PeerRole()
    return PeerRole(name.strip().lower() != b"backup", number, pair)
