//! Hash chain of the audit log: each sealed row carries the hash of the row before, so that a changed, removed or inserted
//! row breaks the chain.

use serde_json::json;
use sha2::{Digest as _, Sha256};

/// Hash before the first row.
pub const CHAIN_START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// SHA-256, as lower-case hex, of the previous hash, the row's number and its fields in their order.
pub fn chain_hash(previous: &str, number: u64, fields: &[Option<&str>]) -> String {
    // JSON, so that no two lists of fields have the same text.
    format!("{:x}", Sha256::digest(json!([previous, number, fields]).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_row_changes_its_hash() {
        let hash = chain_hash(CHAIN_START, 1, &[Some("a"), None, Some("b")]);
        assert_eq!(hash.len(), CHAIN_START.len());
        assert_eq!(hash, chain_hash(CHAIN_START, 1, &[Some("a"), None, Some("b")]));
        for other in [
            chain_hash(&hash, 1, &[Some("a"), None, Some("b")]),
            chain_hash(CHAIN_START, 2, &[Some("a"), None, Some("b")]),
            chain_hash(CHAIN_START, 1, &[Some("a"), Some(""), Some("b")]),
            chain_hash(CHAIN_START, 1, &[Some("a\",null,\"b")]),
        ] {
            assert_ne!(hash, other);
        }
    }
}
