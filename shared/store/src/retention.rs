//! Retention of rows: for every table, the bound of its growth.
//!
//! A test compares [`TABLES`] with the schema and with the table in `docs/runbook.md`, so that no table grows unnoticed.

mod pruning;

use chrono::TimeDelta;

pub use pruning::{PRUNINGS, Pruning};

/// Done and cancelled jobs, from their end.
pub const ENDED_JOB_RETENTION: TimeDelta = TimeDelta::days(7);
/// Dead jobs, from their end.
pub const DEAD_JOB_RETENTION: TimeDelta = TimeDelta::days(90);
/// Recorded attempts of jobs, from their end. Those of a deleted job are deleted with it.
pub const JOB_ATTEMPT_RETENTION: TimeDelta = TimeDelta::days(90);
/// Ticks of the schedule; the latest of each name stays.
pub const CRON_TICK_RETENTION: TimeDelta = TimeDelta::days(7);
/// OAuth states, from their expiry.
pub const CONNECT_STATE_RETENTION: TimeDelta = TimeDelta::days(1);
/// Authorization codes, from their final state. Anybody can send codes; the rows are for support.
pub const OAUTH_CODE_RETENTION: TimeDelta = TimeDelta::days(30);
/// Unvouched codes that wait, from their arrival: there may be many.
pub const WAITING_UNVOUCHED_CODE_RETENTION: TimeDelta = TimeDelta::hours(1);
/// Unvouched codes, from their final state.
pub const ENDED_UNVOUCHED_CODE_RETENTION: TimeDelta = TimeDelta::days(1);
/// Cache invalidations: API processes read them several times a second.
pub const CACHE_INVALIDATION_RETENTION: TimeDelta = TimeDelta::hours(1);
/// Webhooks of amoCRM, from their arrival. They contain phone numbers.
pub const HOOK_RETENTION: TimeDelta = TimeDelta::days(3);
/// Updates of messengers and activation links, from their arrival. They contain personal data.
pub const BOT_UPDATE_RETENTION: TimeDelta = TimeDelta::days(2);
/// Messages of the bots and records of notices, from their creation.
pub const BOT_MESSAGE_RETENTION: TimeDelta = TimeDelta::days(7);
/// Dialogues with the bots, from the last update.
pub const BOT_CHAT_RETENTION: TimeDelta = TimeDelta::days(30);
/// Notices by e-mail: support looks up the letters of the last quarter.
pub const MAIL_NOTICE_RETENTION: TimeDelta = TimeDelta::days(90);
/// Idempotency keys, documented for vendors in `docs/flycoins.md`.
pub const IDEMPOTENCY_KEY_RETENTION: TimeDelta = TimeDelta::days(30);
/// Operators' sessions, exports and bulk acts, from their end, for investigations.
pub const OPERATOR_ROW_RETENTION: TimeDelta = TimeDelta::days(90);
/// Counts of API calls for vendors, by day.
pub const API_COUNT_RETENTION: TimeDelta = TimeDelta::days(30);
/// Errors of the API for vendors. Their descriptions may name a customer's object.
pub const API_ERROR_RETENTION: TimeDelta = TimeDelta::days(7);
/// Attempts to sign in to the panel, and challenges of passkeys.
pub const LOGIN_ATTEMPT_RETENTION: TimeDelta = TimeDelta::days(1);
/// Disclosures of access tokens, for investigations.
pub const TOKEN_AUDIT_RETENTION: TimeDelta = TimeDelta::days(90);
/// Versions of settings beyond [`KEPT_SETTINGS_VERSIONS`], from their creation.
pub const SETTINGS_VERSION_RETENTION: TimeDelta = TimeDelta::days(7);
/// The newest versions of an install's settings are kept whatever their age. API and panel show 50 and 20 of them.
pub const KEPT_SETTINGS_VERSIONS: u32 = 100;
/// Events and their delivery attempts, from the end of the delivery.
pub const EVENT_RETENTION: TimeDelta = TimeDelta::days(180);
/// Records of amoCRM's feed whose note is known, from its discovery. A later look asks amoCRM again.
pub const RESOLVED_RECORD_RETENTION: TimeDelta = TimeDelta::days(180);
/// Records of amoCRM's feed that are unknown to amoCRM, or that it was never asked about.
pub const UNRESOLVED_RECORD_RETENTION: TimeDelta = TimeDelta::days(7);
/// Former domains and names of accounts: customers quote old domains for years.
pub const ACCOUNT_RENAME_RETENTION: TimeDelta = TimeDelta::days(1095);
/// Periods of an install's handshakes, from their last one.
pub const HANDSHAKE_PERIOD_RETENTION: TimeDelta = TimeDelta::days(365);
/// Quotes that were not applied, from their creation. They can be applied for a day.
pub const UNAPPLIED_QUOTE_RETENTION: TimeDelta = TimeDelta::days(30);
/// Transcriptions that ended before amoCRM returned their note, from their end.
pub const UNSEEN_CALL_RETENTION: TimeDelta = TimeDelta::days(30);
/// Copies of recordings for the player.
pub const PLAYBACK_COPY_RETENTION: TimeDelta = TimeDelta::days(3);

/// Days that dialogues of calls are kept, if it is set.
const TRANSCRIPT_DAYS: &str = "FLYSENSE_TRANSCRIPT_DAYS";

/// Kind of the job that deletes what is of no use after hours or days.
pub const PRUNE_JOBS: &str = "upkeep.prune_jobs";
/// Kind of the job that deletes history.
pub const PRUNE_HISTORY: &str = "upkeep.prune_history";

/// Bound of a table's growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// A job deletes rows of this age; the runbook names the event from which it counts.
    Pruned(TimeDelta, &'static str),
    /// Rows belong to something that is itself bounded, or are deleted by what uses them.
    Bounded,
    /// Rows are kept for ever, because they account for money.
    Money,
    /// Rows are kept for ever, because they say who did what.
    Audit,
    /// Rows are the customer's own data, kept until the account is erased.
    Content,
    /// The same, and if this variable sets a number of days, a job deletes older rows.
    ContentFor(&'static str, &'static str),
}

impl Growth {
    /// The word in the runbook's table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pruned(..) => "pruned",
            Self::Bounded => "bounded",
            Self::Money => "kept: money",
            Self::Audit => "kept: audit",
            Self::Content | Self::ContentFor(..) => "kept: content",
        }
    }
}

/// Every table of the schema.
pub const TABLES: &[(&str, Growth)] = &[
    ("account_erasure_counts", Growth::Audit),
    ("account_erasures", Growth::Audit),
    ("account_renames", Growth::Pruned(ACCOUNT_RENAME_RETENTION, PRUNE_HISTORY)),
    ("accounts", Growth::Bounded),
    ("act_as_sessions", Growth::Pruned(OPERATOR_ROW_RETENTION, PRUNE_JOBS)),
    ("activation_bindings", Growth::Bounded),
    ("activation_links", Growth::Pruned(BOT_UPDATE_RETENTION, PRUNE_JOBS)),
    ("activation_notices", Growth::Pruned(BOT_MESSAGE_RETENTION, PRUNE_JOBS)),
    ("api_call_counts", Growth::Pruned(API_COUNT_RETENTION, PRUNE_JOBS)),
    ("api_call_errors", Growth::Pruned(API_ERROR_RETENTION, PRUNE_JOBS)),
    ("audit_chain_head", Growth::Bounded),
    ("audit_log", Growth::Audit),
    ("bank_allocations", Growth::Money),
    ("bank_operation_ids", Growth::Money),
    ("bank_operations", Growth::Money),
    ("bot_chats", Growth::Pruned(BOT_CHAT_RETENTION, PRUNE_HISTORY)),
    ("bot_messages", Growth::Pruned(BOT_MESSAGE_RETENTION, PRUNE_JOBS)),
    ("bot_updates", Growth::Pruned(BOT_UPDATE_RETENTION, PRUNE_JOBS)),
    ("bots", Growth::Bounded),
    ("bulk_act_results", Growth::Pruned(OPERATOR_ROW_RETENTION, PRUNE_JOBS)),
    ("bulk_acts", Growth::Pruned(OPERATOR_ROW_RETENTION, PRUNE_JOBS)),
    ("cache_invalidations", Growth::Pruned(CACHE_INVALIDATION_RETENTION, PRUNE_JOBS)),
    ("coin_packages", Growth::Money),
    ("coin_purchase_refunds", Growth::Money),
    ("coin_purchases", Growth::Money),
    ("connect_states", Growth::Pruned(CONNECT_STATE_RETENTION, PRUNE_JOBS)),
    ("cron_ticks", Growth::Pruned(CRON_TICK_RETENTION, PRUNE_JOBS)),
    ("daily_figures", Growth::Bounded),
    ("event_endpoints", Growth::Bounded),
    ("firm_balance_entries", Growth::Money),
    ("firm_balances", Growth::Money),
    ("flysense_accounts", Growth::Bounded),
    ("flysense_events", Growth::Pruned(RESOLVED_RECORD_RETENTION, PRUNE_HISTORY)),
    ("flysense_hooks", Growth::Pruned(HOOK_RETENTION, PRUNE_JOBS)),
    ("flysense_payments", Growth::Money),
    ("flysense_playback_copies", Growth::Pruned(PLAYBACK_COPY_RETENTION, "calls.sweep_playback")),
    ("flysense_tags", Growth::Bounded),
    ("former_event_secrets", Growth::Bounded),
    ("former_project_tokens", Growth::Bounded),
    ("handshake_periods", Growth::Pruned(HANDSHAKE_PERIOD_RETENTION, PRUNE_HISTORY)),
    ("idempotency_keys", Growth::Pruned(IDEMPOTENCY_KEY_RETENTION, PRUNE_JOBS)),
    ("install_tokens", Growth::Bounded),
    ("installs", Growth::Bounded),
    ("invoice_payments", Growth::Money),
    ("invoice_receipts", Growth::Money),
    ("invoice_refunds", Growth::Money),
    ("job_attempts", Growth::Pruned(JOB_ATTEMPT_RETENTION, PRUNE_JOBS)),
    ("jobs", Growth::Pruned(ENDED_JOB_RETENTION, PRUNE_JOBS)),
    ("ledger_charges", Growth::Money),
    ("ledger_entries", Growth::Money),
    ("ledger_holds", Growth::Money),
    ("ledger_lots", Growth::Money),
    ("ledger_proofs", Growth::Money),
    ("ledger_proven_sums", Growth::Money),
    ("ledger_transactions", Growth::Money),
    ("lifecycle_attempts", Growth::Pruned(EVENT_RETENTION, PRUNE_HISTORY)),
    ("lifecycle_events", Growth::Pruned(EVENT_RETENTION, PRUNE_HISTORY)),
    ("list_exports", Growth::Pruned(OPERATOR_ROW_RETENTION, PRUNE_JOBS)),
    ("login_attempts", Growth::Pruned(LOGIN_ATTEMPT_RETENTION, PRUNE_JOBS)),
    ("mail_notices", Growth::Pruned(MAIL_NOTICE_RETENTION, PRUNE_JOBS)),
    ("mail_preferences", Growth::Bounded),
    ("oauth_codes", Growth::Pruned(OAUTH_CODE_RETENTION, PRUNE_JOBS)),
    ("operator_passkey_challenges", Growth::Pruned(LOGIN_ATTEMPT_RETENTION, PRUNE_JOBS)),
    ("operator_passkeys", Growth::Bounded),
    ("operator_recovery_codes", Growth::Bounded),
    ("operator_sessions", Growth::Pruned(OPERATOR_ROW_RETENTION, PRUNE_JOBS)),
    ("operators", Growth::Bounded),
    ("payment_cards", Growth::Money),
    ("pending_acts", Growth::Audit),
    ("pending_wallet_events", Growth::Bounded),
    ("price_campaigns", Growth::Money),
    ("price_notices", Growth::Money),
    ("price_rules", Growth::Money),
    ("saved_views", Growth::Bounded),
    ("settings_history", Growth::Pruned(SETTINGS_VERSION_RETENTION, PRUNE_HISTORY)),
    ("statement_cursors", Growth::Bounded),
    ("subscription_actions", Growth::Audit),
    ("subscription_bonus_days", Growth::Money),
    ("subscription_consents", Growth::Money),
    ("subscription_invoices", Growth::Money),
    ("subscription_notices", Growth::Money),
    ("subscription_pending_changes", Growth::Bounded),
    ("subscription_plans", Growth::Money),
    ("subscription_quotes", Growth::Pruned(UNAPPLIED_QUOTE_RETENTION, PRUNE_HISTORY)),
    ("subscription_seats", Growth::Bounded),
    ("subscriptions", Growth::Bounded),
    ("tbank_discrepancies", Growth::Money),
    ("tbank_notifications", Growth::Money),
    ("token_audit", Growth::Pruned(TOKEN_AUDIT_RETENTION, PRUNE_HISTORY)),
    ("transcription_stages", Growth::Content),
    ("transcription_waveforms", Growth::ContentFor(TRANSCRIPT_DAYS, PRUNE_HISTORY)),
    ("transcriptions", Growth::Content),
    ("transcripts", Growth::ContentFor(TRANSCRIPT_DAYS, PRUNE_HISTORY)),
    ("transfer_act_numbers", Growth::Bounded),
    ("transfer_acts", Growth::Money),
    ("transfer_invoice_numbers", Growth::Bounded),
    ("transfer_invoices", Growth::Money),
    ("transfer_letters", Growth::Money),
    ("vendor_invitations", Growth::Pruned(OPERATOR_ROW_RETENTION, PRUNE_JOBS)),
    ("vendor_recovery_codes", Growth::Bounded),
    ("vendor_sessions", Growth::Pruned(OPERATOR_ROW_RETENTION, PRUNE_JOBS)),
    ("vendor_taxes", Growth::Bounded),
    ("vendor_users", Growth::Bounded),
    ("vendors", Growth::Bounded),
    ("wallets", Growth::Bounded),
    ("welcome_bonuses", Growth::Bounded),
    ("widget_figures", Growth::Bounded),
    ("widget_schemas", Growth::Bounded),
    ("widgets", Growth::Bounded),
];
