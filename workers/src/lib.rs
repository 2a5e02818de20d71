//! Handlers of every job kind, the schedule, and the flysk-worker program.
