"""
What a process is: settings, service trees, the twistd plug-in, logs.
"""
