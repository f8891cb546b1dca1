"""
The numbers of what monitors write into the log.

Those up to 00-52030 are the field's (rows H11, H13 and H15 of the inventory).
"""

from __future__ import annotations

#: Something critical: a port that cannot be opened, a process that ended unasked.
CRITICAL = "00-04200"

#: The network interface of SIP has failed, works again.
SIP_NIC_FAILED, SIP_NIC_WORKS = "00-52027", "00-52028"

#: The virtual IP address is where it must not be or not where it must be, is right.
VIRTUAL_IP_WRONG, VIRTUAL_IP_RIGHT = "00-52029", "00-52030"

#: C{SERVICE_UNAVAILABLE}, C{SERVICE_RUNNING}.
UNAVAILABLE, RUNNING = "00-53160", "00-53161"

#: No SIP message comes, comes again.
SIP_SILENT, SIP_HEARD = "00-53162", "00-53163"

#: The arbiter is away, is back.
ARBITER_AWAY, ARBITER_BACK = "00-53164", "00-53165"

#: The network interface of management has failed, works again.
NIC_FAILED, NIC_WORKS = "00-53166", "00-53167"

#: A port could be opened at last.
PORT_OPENED = "00-53168"

#: A backup is not initialised, is.
NOT_INITIALISED, INITIALISED = "00-53169", "00-53170"

#: An alarm is raised, is cleared.
ALARM_RAISED, ALARM_CLEARED = "00-53171", "00-53172"

#: The command of alarms has failed, or was left out.
HOOK_FAILED = "00-53173"

#: There is no backup that has everything, there is one.
NO_STANDBY, STANDBY_READY = "00-53175", "00-53176"
