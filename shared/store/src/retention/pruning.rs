//! Deletion of what is out of its time, table by table, in pieces that a job asks for.
//!
//! Every piece deletes a bounded number of rows, in statements of their own. They find the rows by an index on time and lock
//! only what they delete: no statement waits for them that does not write the same rows.

use std::fmt;
use std::pin::Pin;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{OperatorId, VendorUserId};

use super::{
    ACCOUNT_RENAME_RETENTION, API_COUNT_RETENTION, API_ERROR_RETENTION, BOT_CHAT_RETENTION,
    BOT_MESSAGE_RETENTION, BOT_UPDATE_RETENTION, CACHE_INVALIDATION_RETENTION, CONNECT_STATE_RETENTION,
    CRON_TICK_RETENTION, DEAD_JOB_RETENTION, ENDED_JOB_RETENTION, ENDED_UNVOUCHED_CODE_RETENTION,
    EVENT_RETENTION, HANDSHAKE_PERIOD_RETENTION, HOOK_RETENTION, IDEMPOTENCY_KEY_RETENTION,
    JOB_ATTEMPT_RETENTION, LOGIN_ATTEMPT_RETENTION, MAIL_NOTICE_RETENTION, OAUTH_CODE_RETENTION,
    OPERATOR_ROW_RETENTION, PRUNE_HISTORY, PRUNE_JOBS, RESOLVED_RECORD_RETENTION, TOKEN_AUDIT_RETENTION,
    UNAPPLIED_QUOTE_RETENTION, UNRESOLVED_RECORD_RETENTION, UNSEEN_CALL_RETENTION,
    WAITING_UNVOUCHED_CODE_RETENTION,
};
use crate::admin::{act_as, bulk_acts, exports, login_attempts, passkey_challenges};
use crate::flysense::activation::{chats, links, messages, notices, updates};
use crate::flysense::events::EventState;
use crate::flysense::{self, hooks, transcriptions, transcripts};
use crate::jobs::{self, JobState};
use crate::platform::{
    account_renames, attempts, cache_invalidations, connect_states, events, handshake_periods, ledger, mail,
    oauth_codes, subscriptions, token_audit, unvouched_codes,
};
use crate::sign_in::sessions;
use crate::{Conn, StoreResult, cron_ticks, portal};

/// The number of deleted rows.
type Deleted<'a> = Pin<Box<dyn Future<Output = StoreResult<u64>> + Send + 'a>>;

/// Deletes old rows of a table.
#[derive(Clone, Copy)]
pub struct Pruning {
    /// The tables, the first of which names the pruning.
    pub tables: &'static [&'static str],
    /// Kind of the job that deletes.
    pub job: &'static str,
    /// Retention of the rows.
    pub kept_for: TimeDelta,
    delete: for<'a> fn(&'a mut Conn, DateTime<Utc>, u32) -> Deleted<'a>,
}

impl fmt::Debug for Pruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tables, job, kept_for, .. } = self;
        f.debug_struct("Pruning")
            .field("tables", tables)
            .field("job", job)
            .field("kept_for", kept_for)
            .finish_non_exhaustive()
    }
}

impl Pruning {
    /// Dialogues that are older than a number of days, which the operator chooses.
    pub fn of_transcripts(days: u32) -> Self {
        Self {
            tables: &["transcripts", "transcription_waveforms"],
            job: PRUNE_HISTORY,
            kept_for: TimeDelta::days(i64::from(days)),
            delete: |conn, before, limit| Box::pin(transcripts::prune(conn, before, limit)),
        }
    }

    /// Deletes at most `limit` rows, or as many of each state, whose time is over at `now`; returns how many. Fewer than
    /// `limit` are the last ones.
    pub async fn delete_piece(&self, conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
        (self.delete)(conn, now - self.kept_for, limit).await
    }
}

/// A pruning by a statement's function, or by a function that takes a connection, a time and a limit.
macro_rules! pruning {
    ($job:ident, [$($table:literal),+], $kept_for:expr, |$conn:ident, $before:ident, $limit:ident| $delete:expr) => {
        Pruning {
            tables: &[$($table),+],
            job: $job,
            kept_for: $kept_for,
            delete: |$conn, $before, $limit| Box::pin($delete),
        }
    };
    ($job:ident, [$($table:literal),+], $kept_for:expr, $delete:path) => {
        pruning!($job, [$($table),+], $kept_for, |conn, before, limit| $delete(conn, before, limit))
    };
}

/// All prunings, those of each job in the order in which it begins. `settings_history` is missing, because its newest versions
/// are kept for each install.
pub const PRUNINGS: &[Pruning] = &[
    pruning!(PRUNE_JOBS, ["jobs"], ENDED_JOB_RETENTION, |conn, before, limit| {
        jobs::prune(conn, JobState::Done, before, limit)
    }),
    pruning!(PRUNE_JOBS, ["jobs"], ENDED_JOB_RETENTION, |conn, before, limit| {
        jobs::prune(conn, JobState::Cancelled, before, limit)
    }),
    pruning!(PRUNE_JOBS, ["jobs"], DEAD_JOB_RETENTION, |conn, before, limit| {
        jobs::prune(conn, JobState::Dead, before, limit)
    }),
    pruning!(PRUNE_JOBS, ["job_attempts"], JOB_ATTEMPT_RETENTION, jobs::prune_attempts),
    pruning!(PRUNE_JOBS, ["idempotency_keys"], IDEMPOTENCY_KEY_RETENTION, ledger::prune_idempotency_keys),
    pruning!(PRUNE_JOBS, ["flysense_hooks"], HOOK_RETENTION, hooks::prune),
    pruning!(PRUNE_JOBS, ["connect_states"], CONNECT_STATE_RETENTION, connect_states::prune),
    pruning!(PRUNE_JOBS, ["oauth_codes"], OAUTH_CODE_RETENTION, oauth_codes::prune),
    pruning!(PRUNE_JOBS, ["oauth_codes"], ENDED_UNVOUCHED_CODE_RETENTION, |conn, before, limit| {
        let now = before + ENDED_UNVOUCHED_CODE_RETENTION;
        unvouched_codes::prune(conn, now - WAITING_UNVOUCHED_CODE_RETENTION, before, now, limit)
    }),
    pruning!(PRUNE_JOBS, ["cache_invalidations"], CACHE_INVALIDATION_RETENTION, cache_invalidations::prune),
    pruning!(PRUNE_JOBS, ["cron_ticks"], CRON_TICK_RETENTION, cron_ticks::prune),
    pruning!(PRUNE_JOBS, ["bot_updates"], BOT_UPDATE_RETENTION, updates::prune),
    pruning!(PRUNE_JOBS, ["activation_links"], BOT_UPDATE_RETENTION, links::prune),
    pruning!(PRUNE_JOBS, ["bot_messages"], BOT_MESSAGE_RETENTION, messages::prune),
    pruning!(PRUNE_JOBS, ["activation_notices"], BOT_MESSAGE_RETENTION, notices::prune),
    pruning!(PRUNE_JOBS, ["mail_notices"], MAIL_NOTICE_RETENTION, mail::prune_notices),
    pruning!(PRUNE_JOBS, ["act_as_sessions"], OPERATOR_ROW_RETENTION, act_as::prune),
    pruning!(PRUNE_JOBS, ["operator_sessions"], OPERATOR_ROW_RETENTION, |conn, before, limit| {
        sessions::prune::<OperatorId>(conn, before, limit)
    }),
    pruning!(PRUNE_JOBS, ["list_exports"], OPERATOR_ROW_RETENTION, exports::prune),
    pruning!(PRUNE_JOBS, ["bulk_act_results", "bulk_acts"], OPERATOR_ROW_RETENTION, bulk_acts::prune),
    pruning!(PRUNE_JOBS, ["login_attempts"], LOGIN_ATTEMPT_RETENTION, login_attempts::prune),
    pruning!(PRUNE_JOBS, ["operator_passkey_challenges"], LOGIN_ATTEMPT_RETENTION, passkey_challenges::prune),
    pruning!(PRUNE_JOBS, ["vendor_sessions"], OPERATOR_ROW_RETENTION, |conn, before, limit| {
        sessions::prune::<VendorUserId>(conn, before, limit)
    }),
    pruning!(PRUNE_JOBS, ["vendor_invitations"], OPERATOR_ROW_RETENTION, portal::invitations::prune),
    pruning!(PRUNE_JOBS, ["api_call_counts"], API_COUNT_RETENTION, |conn, before, limit| {
        portal::api_calls::prune_counts(conn, before.date_naive(), limit)
    }),
    pruning!(PRUNE_JOBS, ["api_call_errors"], API_ERROR_RETENTION, portal::api_calls::prune_errors),
    pruning!(PRUNE_HISTORY, ["token_audit"], TOKEN_AUDIT_RETENTION, token_audit::prune),
    pruning!(PRUNE_HISTORY, ["account_renames"], ACCOUNT_RENAME_RETENTION, account_renames::prune),
    pruning!(PRUNE_HISTORY, ["handshake_periods"], HANDSHAKE_PERIOD_RETENTION, handshake_periods::prune),
    pruning!(PRUNE_HISTORY, ["lifecycle_attempts"], EVENT_RETENTION, attempts::prune),
    pruning!(PRUNE_HISTORY, ["lifecycle_events"], EVENT_RETENTION, events::prune),
    pruning!(PRUNE_HISTORY, ["subscription_quotes"], UNAPPLIED_QUOTE_RETENTION, subscriptions::prune_quotes),
    pruning!(PRUNE_HISTORY, ["bot_chats"], BOT_CHAT_RETENTION, chats::prune),
    pruning!(PRUNE_HISTORY, ["flysense_events"], RESOLVED_RECORD_RETENTION, |conn, before, limit| {
        flysense::events::prune(conn, EventState::Resolved, before, limit)
    }),
    pruning!(PRUNE_HISTORY, ["flysense_events"], UNRESOLVED_RECORD_RETENTION, |conn, before, limit| {
        flysense::events::prune(conn, EventState::Absent, before, limit)
    }),
    pruning!(PRUNE_HISTORY, ["flysense_events"], UNRESOLVED_RECORD_RETENTION, |conn, before, limit| {
        flysense::events::prune(conn, EventState::Pending, before, limit)
    }),
    pruning!(PRUNE_HISTORY, ["transcriptions"], UNSEEN_CALL_RETENTION, |conn, before, limit| {
        transcriptions::prune_unseen(conn, TranscriptionState::Failed, before, limit)
    }),
    pruning!(PRUNE_HISTORY, ["transcriptions"], UNSEEN_CALL_RETENTION, |conn, before, limit| {
        transcriptions::prune_unseen(conn, TranscriptionState::Cancelled, before, limit)
    }),
];
