//! Names of queues.

use std::fmt;

/// Name of a queue in MySQL, in Redis and on the command line: lower-case letters and `_`.
///
/// Each queue has workers of its own, so slow jobs never delay quick ones. The crate that declares the kinds defines the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName(&'static str);

impl QueueName {
    /// For constants, so that the name of a queue is written once.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// The name as text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
