//! The recogniser, asked over HTTP about audio that lies in the storage.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test whose setting fails has failed")]

mod results;
mod rig;
mod strictness;
