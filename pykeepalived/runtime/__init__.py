"""Loop, clock, timers, child channel, scheduling, privileges, logging: the only home of the event loop."""
