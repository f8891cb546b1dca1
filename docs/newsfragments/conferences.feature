Conferences of up to 32 parties by request, mute and listening, music on hold, and
supervision: silent, coaching and barging in, of one call or all.
