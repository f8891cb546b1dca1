"""
What is written down of registrations: who came, and who went and why.

A refresh that changes nothing is not worth a line.
"""

from __future__ import annotations

from twisted.logger import Logger

from sipcluster.registrar.iregistrar import Binding

log = Logger()


def began(binding: Binding, now: float) -> None:
    """
    There is a binding that was not there before.

    @param now: seconds since the epoch.
    """
    log.info(
        "{aor} is registered at {contact} over {transport} for {seconds} s",
        aor=_text(binding.aor),
        contact=_text(binding.contact),
        transport=binding.transport,
        seconds=round(binding.expiresAt - now),
        callID=_text(binding.callID),
    )


def ended(binding: Binding, why: str) -> None:
    """
    A binding is no more.
    """
    log.info(
        "{aor} is no longer registered at {contact}: {why}",
        aor=_text(binding.aor),
        contact=_text(binding.contact),
        why=why,
        callID=_text(binding.callID),
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
