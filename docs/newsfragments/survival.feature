``bin/survive`` shows what of calls, new calls and T-Library streams is kept when a
member, a link, the arbiter or a SIP Proxy of a cluster with pairs is lost, with real
processes under load, and writes :doc:`manual/survival`.
