"""Where model instances live: the port that VMOF and MMF speak to, and the sandbox that fills it."""
