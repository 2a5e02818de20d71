//! Deletion of old rows, hashes of contacts, figures of the dashboard and of widgets, hash chain of the audit log.

mod audit_log;
mod hash_contacts;
mod pieces;
mod prune_history;
mod prune_jobs;
mod roll_up_figures;
mod roll_up_widgets;
