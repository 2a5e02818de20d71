//! Time for which the second factor counts as given for acts with money, secrets and access.

use chrono::{DateTime, TimeDelta, Utc};

/// Time after the second factor during which such acts need no other one.
pub const FRESH_PROOF: TimeDelta = TimeDelta::minutes(15);

/// Whether the second factor, given at `proved_at`, is fresh.
pub fn is_fresh_proof(proved_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    proved_at.is_some_and(|at| now - at < FRESH_PROOF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_ages() {
        let now = DateTime::from_timestamp(1_796_000_000, 0).unwrap();
        assert!(is_fresh_proof(Some(now), now));
        assert!(is_fresh_proof(Some(now - FRESH_PROOF + TimeDelta::seconds(1)), now));
        assert!(!is_fresh_proof(Some(now - FRESH_PROOF), now) && !is_fresh_proof(None, now));
    }
}
