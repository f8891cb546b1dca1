T-Library clients consult, transfer, make conferences, route calls and give treatments, and recorders get the events of calls as such (``RequestStartCallMonitoring``).
