//! The HTTP API: validates, writes one transaction, enqueues.
