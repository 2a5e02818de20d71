//! Housekeeping.

mod prune_jobs;
