Calls wait at routing points until a routing client says where they go, or go by default; their callers are given treatments by media servers; predictive calls are made for routing points.
