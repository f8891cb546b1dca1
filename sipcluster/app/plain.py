"""
Bindings as people read them.
"""

from __future__ import annotations

from sipcluster.registrar.iregistrar import Binding


def plainBinding(binding: Binding, now: float) -> dict[str, object]:
    """
    Plain values.

    @param now: seconds since 1970.
    """
    return {
        "aor": binding.aor.decode("utf-8", "replace"),
        "contact": binding.contact.decode("utf-8", "replace"),
        "expires": round(binding.expiresAt - now),
        "q": binding.q,
        "transport": binding.transport,
        "proxy": binding.proxy,
        "flow": bool(binding.flow),
        "received": ":".join(map(str, binding.received or ())),
        "path": [value.decode("utf-8", "replace") for value in binding.path],
        "instance": binding.instance.decode("utf-8", "replace"),
        "userAgent": binding.userAgent.decode("utf-8", "replace"),
    }
