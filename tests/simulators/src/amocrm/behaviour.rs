//! Switches for behaviour that amoCRM's documentation leaves open.

use serde::{Deserialize, Serialize};

/// Behaviour where the documentation is silent. Clients must work with every variant.
///
/// The defaults are the stricter interpretation wherever it can affect a client.
#[expect(clippy::struct_excessive_bools, reason = "independent switches, not states of one thing")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Status of an expired or undecryptable refresh token: 401 or 400.
    pub bad_refresh_status: u16,
    /// Time during which a used refresh token may be replayed, ms.
    pub refresh_grace_ms: u64,
    /// A refresh revokes the previous access token at once.
    pub refresh_revokes_access: bool,
    /// A reconnect revokes earlier pairs.
    pub reconnect_revokes_pairs: bool,
    /// A POST with an existing destination enables a disabled hook.
    pub post_enables_hook: bool,
    /// Disabling the integration deletes the hooks of its users.
    pub disable_removes_hooks: bool,
    /// PATCH merges a note's `params` instead of replacing them.
    pub patch_merges_params: bool,
    /// Status of a delivery without a response in the retry table: 0 or 499.
    pub hook_timeout_status: u16,
    /// Retries keep the same `X-Amocrm-Requestid`.
    pub hook_request_id_stable: bool,
    /// Notes of companies are sent under `contacts` instead of `companies`.
    pub company_notes_under_contacts: bool,
    /// `Retry-After` of a 429, seconds.
    pub retry_after_s: Option<u32>,
    /// Rate limit of one integration in one account, requests per second.
    pub requests_per_s: usize,
    /// Rate limit of all integrations in one account, requests per second.
    pub account_requests_per_s: usize,
    /// Number of 429 responses within a minute after which the account is blocked with 403 pages.
    pub violations_until_block: usize,
    /// Scale of the hooks' retry delays: 0.001 turns 5 min into 0.3 s.
    pub retry_time_factor: f64,
}

impl Default for Behaviour {
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
