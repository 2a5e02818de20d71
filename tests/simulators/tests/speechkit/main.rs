//! Tests of the recognizer over HTTP, with audio in the storage.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod fixture;
mod results;
mod strictness;
