``sipclusterctl trace --short`` draws a call from end to end: telephones by their numbers, without SIP Proxies, 100, ACK and challenges, as narrow as it can be. ``status`` has the process ids.
