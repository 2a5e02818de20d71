//! Lengths of groups of deliveries, and the pauses between them.

use std::time::Duration;

/// Deliveries that share a read or a transaction.
pub(crate) const MAX_GROUP_LEN: usize = 64;
/// As many deliveries in a group are a crowd: others will follow soon.
const MIN_CROWD: usize = 4;
/// Time after the group of a crowd in which the next group grows. Without it, groups would be as small as the time of one commit
/// allows. Nobody else waits for it: the deliveries of a crowd wait for the CPU and the database anyway.
const CROWD_PAUSE: Duration = Duration::from_millis(5);

/// The pause after a group of `len` deliveries.
pub(crate) fn pause_after(len: usize) -> Duration {
    if len >= MIN_CROWD { CROWD_PAUSE } else { Duration::ZERO }
}
