//! Requirements for all statements, so that every supported server accepts them.
#![expect(clippy::expect_used, clippy::panic, reason = "a test whose setting fails has failed")]

mod prepared;
mod reader;
mod reading;
mod refusals;
mod reserved;
mod source;
mod syntax;

/// The crate's sources.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
