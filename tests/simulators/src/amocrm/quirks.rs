//! Behaviour that amoCRM's documentation leaves open, as switches.

use serde::{Deserialize, Serialize};

/// Which way the simulator goes where the documentation is silent. Clients must survive every way.
///
/// The defaults are the harsher reading wherever that can hurt a client.
#[expect(clippy::struct_excessive_bools, reason = "independent switches, not states of one thing")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Status of an expired or undecryptable refresh token: 401 or 400.
    pub bad_refresh_status: u16,
    /// How long a spent refresh token may be replayed, ms.
    pub refresh_grace_ms: u64,
    /// A refresh revokes the older access token at once.
    pub refresh_revokes_access: bool,
    /// A reconnect revokes the pairs granted before.
    pub reconnect_revokes_pairs: bool,
    /// A POST of a known destination switches a disabled hook on again.
    pub post_enables_hook: bool,
    /// Disabling the integration removes the hooks its users made.
    pub disable_removes_hooks: bool,
    /// A note's `params` are merged by PATCH instead of replaced.
    pub patch_merges_params: bool,
    /// Status that a delivery without an answer counts as in the retry table: 0 or 499.
    pub hook_timeout_status: u16,
    /// `X-Amocrm-Requestid` stays the same on retries.
    pub hook_request_id_stable: bool,
    /// Notes of companies arrive under `contacts` instead of `companies`.
    pub company_notes_under_contacts: bool,
    /// `Retry-After` of a 429, seconds.
    pub retry_after_s: Option<u32>,
    /// Requests per second of one integration in one account.
    pub requests_per_s: usize,
    /// Requests per second of all integrations in one account.
    pub account_requests_per_s: usize,
    /// So many 429s within a minute and the account is answered with 403 pages.
    pub violations_until_block: usize,
    /// What one second of the hooks' retry delays lasts, as a factor: 0.001 makes 5 min into 0.3 s.
    pub retry_time_factor: f64,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            bad_refresh_status: 401,
            refresh_grace_ms: 0,
            refresh_revokes_access: false,
            reconnect_revokes_pairs: false,
            post_enables_hook: false,
            disable_removes_hooks: false,
            patch_merges_params: false,
            hook_timeout_status: 0,
            hook_request_id_stable: false,
            company_notes_under_contacts: false,
            retry_after_s: None,
            requests_per_s: 7,
            account_requests_per_s: 50,
            violations_until_block: 50,
            retry_time_factor: 1.0,
        }
    }
}
