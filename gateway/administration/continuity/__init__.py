"""Business continuity: invoked, updated and ended by people, who is told, and work done by hand compared with what was carried."""
