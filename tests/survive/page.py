"""
The page of the manual that says what survives: written from what a run has shown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.survive.configuration import SIP_PASS, TTL
from tests.survive.telephones import Plan

#: Where the page is, from the top of the repository.
PAGE = Path("docs/manual/survival.rst")

#: Columns of the table.
_COLUMNS = (
    "what happens",
    "established",
    "ringing",
    "before 180",
    "new",
    "T-Library",
    "no new call for",
    "as promised",
)

_HEAD = """\
.. Written by bin/survive; what is changed here by hand is lost with the next run.

=============
What survives
=============

A pair keeps its calls, and what T-Library clients were told of them, when a member, a
link, the arbiter or a SIP Proxy is lost. This page says what was kept in each case. It
is not a wish: ``bin/survive`` lets each of these things happen to real processes under
load, looks at every call from both of its ends and at every event of every T-Library
client, and writes what it saw. A row that says **no** did not go as promised.

What is promised
================

Calls
    An established or ringing call goes on: it is answered, given up and hung up from
    either side as if nothing had happened. A call of which the caller has heard no more
    than 100 is made all the same, by the SIP Proxy that still holds its INVITE. It may
    be made anew at another pair: then the telephone is called twice, and the first of
    the two is given up. Only a call that came to a primary which nobody hears, and that
    had not rung, may be lost.
Calls that meet
    A call in consultation, a conference at the media server, a caller who hears music
    at a routing point, and a call under supervision go on when their primary is
    killed: everybody hears whom he has heard, what is asked next is done, the routing
    client and the others resume their sessions, and each DN's events are those of the
    same call without the loss. ``tests/survive/test_features.py`` does that with real
    processes and telephones with sound; the table has none of them.
New calls
    After a primary has died they are answered again within 1 s. A primary that stands
    still or is cut off is replaced when its lease ends: within the lease and 1 s, here
    {lease:g} s; one that no SIP message reaches leaves the role after the time of
    ``sip-pass-check``, here {silent:g} s, and 1 s. A lost store or lost quorum, and an
    asked-for switchover, interrupt nothing. Who has just been started takes over when
    one lease has passed.
T-Library clients
    What a client was told over all its connections is the exact stream: nothing is
    missing, nothing is there twice, and each DN's part of a call begins once and ends
    once. Clients of the same DNs are told the same, and it is what the telephones did.
Two primaries
    Never. What a member sends that was frozen and has lost its role meanwhile is
    looked at packet by packet.

"""

_TABLE_HEAD = """\
What was seen
=============

{established} established calls and {ringing} ringing ones are there when it happens,
half of them of the pair that it happens to; {rate:g} new calls a second go on before,
during and after it, each through one of two SIP Proxies, all on {processors}
processors. The counts are of calls that ended well, at both sides, of all calls in that
state at that moment. Registrations have no column: every new call needs one.

"""

_LEGEND = """\

established, ringing
    Calls that were in that state when it happened.
before 180
    Calls whose caller had sent its INVITE and heard no more than 100.
new
    Calls made afterwards.
T-Library
    Events of calls that one client of the pair was told, the longest time that a client
    was without a link, and *exact* when all of them were told exactly what is true. One
    client of each pair breaks its own connection every 3 s besides.
no new call for
    The longest time between two answered new calls of the pair; for all pairs together
    in brackets.

"""

_FOOT = """\
How it is done
==============

Each process has a host of its own, which is a network namespace, and all hosts are on
one switch: two SIP Proxies, two pairs, the store, telephones that call, telephones that
are called, T-Library clients. SIPp is the telephones; each call is written down at both
ends with its Session-ID, which is the CallUUID of the events. Links are cut by rules
that lose packets silently, and cables are pulled out at the switch.

.. code-block:: shell

    bin/survive                      # all of it, and this page
    bin/survive --list
    bin/survive --cell kill-store    # one of them
    bin/survive --quick --one        # fewer calls, one pair

It needs root for the namespaces, ``sipp``, ``nft`` and, where etcd is the arbiter,
``etcd``. With ``--keep`` the folder of each cell is left: the logs of all members, what
each telephone and each T-Library client wrote down, and packets where they were
captured. A shorter form, a primary killed under a small load, is part of ``bin/test``.

Where a SIP Proxy is killed, telephones that know only that one have to wait until it
is there again: SIPp looks up no SRV records. It is started again after 1 s, as a
supervisor does.
"""


def render(results: Mapping[str, Mapping[str, Any]], plan: Plan) -> str:
    """
    The page.

    @param results: verdicts as tables, by cell, in order; each with its C{title}.
    """
    parts = [
        _HEAD.format(lease=TTL + 1, silent=SIP_PASS),
        _TABLE_HEAD.format(
            established=plan.established,
            ringing=plan.ringing,
            rate=plan.rate,
            processors=os.cpu_count(),
        ),
        _table(_COLUMNS, [_row(result) for result in results.values()]),
        _LEGEND,
    ]
    details = [part for result in results.values() for part in _details(result)]
    if details:
        parts += ["Further figures\n===============\n\n", "".join(details)]
    return "".join([*parts, _FOOT])


def _row(result: Mapping[str, Any]) -> list[str]:
    clients = result["clients"]
    hurt = {name: one for name, one in clients.items() if name.startswith("node1 ")}
    away = max(
        (one["away"] for name, one in hurt.items() if not name.endswith("cut")),
        default=0.0,
    )
    events = max((one["events"] for one in hurt.values()), default=0)
    inexact = any(": " in f and f.startswith("node") for f in result["faults"])
    told = f"{events}, {away:.1f} s, " + ("**not exact**" if inexact else "exact")
    return [
        result["title"],
        *(_kept(result[state]) for state in ("established", "ringing", "underWay")),
        _kept(result["new"]),
        told,
        f"{result['gap']:.2f} s ({result['clusterGap']:.2f})",
        "**no**" if result["faults"] else "yes",
    ]


def _kept(kept: Mapping[str, int]) -> str:
    return f"{kept['kept']} of {kept['all']}"


def _details(result: Mapping[str, Any]) -> list[str]:
    lines = [f"* {name}: {_said(value)}" for name, value in result["figures"].items()]
    lines += [f"* **fault**: {_escaped(fault)}" for fault in result["faults"][:8]]
    if not lines:
        return []
    return [result["title"], "\n", *(f"    {line}\n" for line in lines), "\n"]


def _said(value: object) -> str:
    if isinstance(value, dict):
        counted = [f"{count} {kind}" for kind, count in value.items()]
        return ", ".join(counted) or "nothing"
    if isinstance(value, float):
        return f"{value:g} s"
    return _escaped(str(value))


def _escaped(text: str) -> str:
    line = " ".join(text.split())[:200]
    return "".join("\\" + c if c in "*`_|\\" else c for c in line)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """
    A list-table, in which cells may be of any length.
    """
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (head, *rows):
        for index, cell in enumerate(row):
            lines.append(f"   {'* -' if index == 0 else '  -'} {cell}")
    return "\n".join(lines) + "\n"
