//! Which statuses came from which operation.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::Context as _;

/// Operations that need more than a credential to say yes: amoCRM's own signature or a state of ours.
const NEED_MORE: [&str; 4] = ["takeCode", "takeWidgetCode", "connect", "disconnect"];

/// Counts of statuses by operation, as the hooks wrote them.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<String, BTreeMap<String, u64>>);

impl Seen {
    /// What a run wrote; nothing if it sent nothing.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).context("schemathesis sent nothing")?;
        Ok(Self(serde_json::from_str(&text)?))
    }

    /// Operations with a credential of which every answer was 401.
    pub(super) fn never_opened(&self) -> Vec<String> {
        let behind_doors = self.0.iter().filter(|(name, _)| !NEED_MORE.contains(&name.as_str()));
        let closed = behind_doors.filter(|(_, counts)| counts.keys().all(|status| status == "401"));
        closed.map(|(name, _)| name.clone()).collect()
    }

    /// Operations with a credential that said yes.
    pub(super) fn opened(&self) -> Vec<String> {
        let behind_doors = self.0.iter().filter(|(name, _)| !NEED_MORE.contains(&name.as_str()));
        let open = behind_doors.filter(|(_, counts)| counts.keys().any(|status| status.starts_with('2')));
        open.map(|(name, _)| name.clone()).collect()
    }
}

impl fmt::Display for Seen {
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

    fn seen(counts: &[(&str, &str)]) -> Seen {
        let row = |(name, status): &(&str, &str)| ((*name).to_owned(), [((*status).to_owned(), 1)].into());
        Seen(counts.iter().map(row).collect())
    }

    #[test]
    fn a_run_that_was_refused_everywhere_is_noticed() {
        let mixed = seen(&[("connect", "400"), ("pauth", "401"), ("handshake", "200")]);
        assert_eq!(mixed.never_opened(), ["pauth"]);
        assert_eq!(mixed.opened(), ["handshake"]);
        assert!(seen(&[("connect", "302"), ("pauth", "400")]).opened().is_empty());
    }
}
