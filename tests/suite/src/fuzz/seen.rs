//! Counts of response statuses by operation.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::Context as _;

/// Operations that need more than a credential to succeed: amoCRM's signature or a state parameter of ours.
const NEEDS_STATE: [&str; 4] =
    ["receiveAuthorizationCode", "receiveWidgetAuthorizationCode", "connectWidget", "receiveDisconnect"];

/// Counts of statuses by operation, as written by the hooks.
#[derive(Debug, Default)]
pub(super) struct StatusCounts(BTreeMap<String, BTreeMap<String, u64>>);

impl StatusCounts {
    /// Reads the counts of a run; an error if nothing was sent.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).context("schemathesis sent nothing")?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    /// Operations with credentials that answered every request with 401.
    pub(super) fn never_opened(&self) -> Vec<String> {
        let behind_doors = self.0.iter().filter(|(name, _)| !NEEDS_STATE.contains(&name.as_str()));
        let closed = behind_doors.filter(|(_, counts)| counts.keys().all(|status| status == "401"));
        closed.map(|(name, _)| name.clone()).collect()
    }

    /// Operations with credentials that succeeded.
    pub(super) fn opened(&self) -> Vec<String> {
        let behind_doors = self.0.iter().filter(|(name, _)| !NEEDS_STATE.contains(&name.as_str()));
        let open = behind_doors.filter(|(_, counts)| counts.keys().any(|status| status.starts_with('2')));
        open.map(|(name, _)| name.clone()).collect()
    }
}

impl fmt::Display for StatusCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, counts) in &self.0 {
            let counts: Vec<String> = counts.iter().map(|(status, n)| format!("{status} × {n}")).collect();
            writeln!(f, "  {name:<24} {}", counts.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(counts: &[(&str, &str)]) -> StatusCounts {
        let row = |(name, status): &(&str, &str)| ((*name).to_owned(), [((*status).to_owned(), 1)].into());
        StatusCounts(counts.iter().map(row).collect())
    }

    #[test]
    fn a_run_without_accepted_credentials_is_detected() {
        let mixed = seen(&[("connectWidget", "400"), ("pauth", "401"), ("handshake", "200")]);
        assert_eq!(mixed.never_opened(), ["pauth"]);
        assert_eq!(mixed.opened(), ["handshake"]);
        assert!(seen(&[("connectWidget", "302"), ("pauth", "400")]).opened().is_empty());
    }
}
