"""
The media engine: tones, prompts, digits, conferences and recordings over RTP.
"""
