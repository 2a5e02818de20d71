//! What 0.1.0 does most, as its transactions.

use flysk_store::Pool;
use sqlx::AssertSqlSafe;

/// Clients of each kind of work.
pub(crate) const CLIENTS: usize = 2;
/// Coins of the wallet, in micro-Flycoins.
pub(crate) const WALLET_COINS_MICRO: u64 = 1_000_000_000;

/// A statement of 0.1.0 with its values, and the number of rows that it writes.
pub(crate) struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) values: Vec<String>,
    /// `None`: it only reads.
    pub(crate) rows: Option<u64>,
}

fn writes(sql: &'static str, values: &[&str], rows: u64) -> Statement {
    Statement { sql, values: values.iter().map(|value| (*value).to_owned()).collect(), rows: Some(rows) }
}

fn reads(sql: &'static str, values: &[&str]) -> Statement {
    Statement { sql, values: values.iter().map(|value| (*value).to_owned()).collect(), rows: None }
}

/// What 0.1.0 does most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Jobs,
    Charges,
    Renewals,
    Events,
    Calls,
    /// Reads all columns of all tables.
    Reads,
}

pub(crate) const ALL_WORK: [Work; 6] =
    [Work::Jobs, Work::Charges, Work::Renewals, Work::Events, Work::Calls, Work::Reads];

impl Work {
    pub(crate) fn transactions(self, client: usize, unit: u64) -> Vec<Vec<Statement>> {
        let id = format!("{self:?}-{client}-{unit}").to_lowercase();
        let install = format!("ins-{client}");
        match self {
            Self::Jobs => jobs(&id),
            Self::Charges => vec![charge(&id)],
            Self::Renewals => renewal(&install),
            Self::Events => event(&id, &install),
            Self::Calls => call(&id, &install, &unit.to_string()),
            Self::Reads => Vec::new(),
        }
    }
}

fn jobs(id: &str) -> Vec<Vec<Statement>> {
    vec![
        vec![writes(
            "INSERT INTO jobs (id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, dedup_key,
                 waiting_key, tenant, correlation_id, traceparent, created_at)
             VALUES (?, 'test.work', 'test', 5, '{}', 'queued', 3, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), NULL, NULL,
                 'tenant', 'test', NULL, UTC_TIMESTAMP(6))",
            &[id],
            1,
        )],
        vec![
            reads(
                "SELECT id FROM jobs WHERE id = ? AND state = 'queued' AND push_at <= UTC_TIMESTAMP(6) FOR UPDATE SKIP LOCKED",
                &[id],
            ),
            writes("UPDATE jobs SET push_at = UTC_TIMESTAMP(6) WHERE state = 'queued' AND id IN (?)", &[id], 1),
        ],
        vec![writes(
            "UPDATE jobs SET state = 'running', attempt = attempt + 1, fence = fence + 1, waiting_key = NULL,
                    lease_owner = 'old', lease_until = UTC_TIMESTAMP(6), started_at = UTC_TIMESTAMP(6)
             WHERE id = ? AND state = 'queued' AND run_at <= UTC_TIMESTAMP(6)",
            &[id],
            1,
        )],
        vec![
            writes(
                "UPDATE jobs SET units_begun = units_begun + 1 WHERE id = ? AND fence = 1 AND state = 'running'",
                &[id],
                1,
            ),
            writes(
                "UPDATE jobs SET state = 'done', finished_at = UTC_TIMESTAMP(6), lease_owner = NULL, lease_until = NULL,
                        last_error = NULL WHERE id = ? AND fence = 1 AND state = 'running'",
                &[id],
                1,
            ),
        ],
    ]
}

/// All charges are of one wallet.
fn charge(id: &str) -> Vec<Statement> {
    vec![
        reads("SELECT available_micro, held_micro FROM wallets WHERE id = 'wal-1' FOR UPDATE", &[]),
        writes(
            "INSERT INTO idempotency_keys (widget_id, idem_key, body_hash, answer, created_at)
             VALUES ('wid-1', ?, 'hash', '{}', UTC_TIMESTAMP(6))",
            &[id],
            1,
        ),
        writes(
            "INSERT INTO ledger_transactions (id, wallet_id, kind, hold_id, reverses_id, reference, details, created_at)
             VALUES (?, 'wal-1', 'charge', NULL, NULL, NULL, '[]', UTC_TIMESTAMP(6))",
            &[id],
            1,
        ),
        writes(
            "INSERT INTO ledger_entries (transaction_id, line, wallet_id, account, lot_id, amount_micro)
             VALUES (?, 0, 'wal-1', 'available', 'lot-1', -1), (?, 1, 'wal-1', 'revenue:test', NULL, 1)",
            &[id, id],
            2,
        ),
        writes("UPDATE ledger_lots SET left_micro = left_micro - 1 WHERE id = 'lot-1' AND left_micro >= 1", &[], 1),
        writes(
            "INSERT INTO ledger_charges (transaction_id, wallet_id, charged_micro) VALUES (?, 'wal-1', 1)",
            &[id],
            1,
        ),
        writes(
            "UPDATE wallets SET available_micro = available_micro - 1, updated_at = UTC_TIMESTAMP(6)
             WHERE id = 'wal-1' AND available_micro >= 1",
            &[],
            1,
        ),
    ]
}

fn renewal(install: &str) -> Vec<Vec<Statement>> {
    vec![
        vec![
            reads("SELECT generation, fence, state FROM install_tokens WHERE install_id = ? FOR UPDATE", &[install]),
            writes(
                "UPDATE install_tokens SET state = 'refreshing', lease_owner = 'old', lease_until = UTC_TIMESTAMP(6),
                        fence = fence + 1 WHERE install_id = ? AND state = 'good'",
                &[install],
                1,
            ),
        ],
        vec![
            writes(
                "UPDATE install_tokens SET access_sealed = 'a', refresh_sealed = 'r', expires_at = UTC_TIMESTAMP(6),
                        refreshed_at = UTC_TIMESTAMP(6), state = 'good', lease_owner = NULL, lease_until = NULL,
                        generation = generation + 1, retry_at = NULL, last_error = NULL
                 WHERE install_id = ? AND state = 'refreshing'",
                &[install],
                1,
            ),
            writes(
                "INSERT INTO token_audit (install_id, reader, purpose, correlation_id, read_at)
                 VALUES (?, 'old', 'test', 'test', UTC_TIMESTAMP(6))",
                &[install],
                1,
            ),
        ],
    ]
}

fn event(id: &str, install: &str) -> Vec<Vec<Statement>> {
    vec![
        vec![
            writes("UPDATE installs SET event_sequence = event_sequence + 1 WHERE id = ?", &[install], 1),
            writes("UPDATE widgets SET event_number = event_number + 1 WHERE id = 'wid-1'", &[], 1),
            writes(
                "INSERT INTO lifecycle_events
                     (id, widget_id, number, install_id, sequence, type, account_id, host, state, happened_at)
                 SELECT ?, w.id, w.event_number, i.id, i.event_sequence, 'install', i.account_id, 'test.amocrm.ru',
                        'waiting', UTC_TIMESTAMP(6)
                 FROM installs i JOIN widgets w ON w.id = i.widget_id WHERE i.id = ?",
                &[id, install],
                1,
            ),
        ],
        vec![
            writes(
                "INSERT INTO lifecycle_attempts (event_id, attempt, started_at, took_ms, status, error, answer_head)
                 VALUES (?, 1, UTC_TIMESTAMP(6), 10, 200, NULL, '')",
                &[id],
                1,
            ),
            writes(
                "UPDATE lifecycle_events SET state = 'delivered', attempts = attempts + 1, settled_at = UTC_TIMESTAMP(6)
                 WHERE id = ? AND state = 'waiting'",
                &[id],
                1,
            ),
        ],
    ]
}

fn call(id: &str, install: &str, note: &str) -> Vec<Vec<Statement>> {
    vec![
        vec![
            writes(
                "INSERT INTO flysense_hooks (id, account_id, body, state, received_at)
                 VALUES (?, 1, 'body', 'done', UTC_TIMESTAMP(6))",
                &[id],
                1,
            ),
            writes(
                "UPDATE flysense_accounts SET calls_compared = calls_compared + 1 WHERE install_id = ?",
                &[install],
                1,
            ),
            writes(
                "INSERT INTO transcriptions (id, account_id, install_id, entity_type, entity_id, note_id, state,
                     left_channel, tags, correlation_id, created_at, updated_at)
                 SELECT ?, account_id, install_id, 'leads', 7, ?, 'queued', 'client', '[]', 'test', UTC_TIMESTAMP(6),
                        UTC_TIMESTAMP(6) FROM flysense_accounts WHERE install_id = ?",
                &[id, note, install],
                1,
            ),
        ],
        vec![writes(
            "UPDATE transcriptions SET state = 'done', summary = 'text', version = version + 1,
                    updated_at = UTC_TIMESTAMP(6), finished_at = UTC_TIMESTAMP(6)
             WHERE id = ? AND state = 'queued' AND run = 1",
            &[id],
            1,
        )],
    ]
}

/// The rows that the work begins with.
pub(crate) async fn seed(pool: &Pool) {
    let mut statements = vec![
        "INSERT INTO widgets (id, code, name, platform, client_uuid, client_secret_sealed, redirect_uri,
             project_token_sealed, project_token_hash, created_at, updated_at)
         VALUES ('wid-1', 'test', 'Test', 'amocrm', 'uuid', '', '', '', 'hash', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
            .to_owned(),
        format!(
            "INSERT INTO wallets (id, install_id, widget_id, available_micro, created_at, updated_at)
             VALUES ('wal-1', 'ins-0', 'wid-1', {WALLET_COINS_MICRO}, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
        ),
        format!(
            "INSERT INTO ledger_lots (id, wallet_id, origin, granted_micro, left_micro, created_at)
             VALUES ('lot-1', 'wal-1', 'package', {WALLET_COINS_MICRO}, {WALLET_COINS_MICRO}, UTC_TIMESTAMP(6))"
        ),
    ];
    for client in 0..CLIENTS {
        statements.extend([
            format!(
                "INSERT INTO installs (id, widget_id, platform, account_id, status, settings, created_at, updated_at)
                 VALUES ('ins-{client}', 'wid-1', 'amocrm', {client}, 'active', '{{}}', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
            ),
            format!(
                "INSERT INTO install_tokens (install_id, access_sealed, refresh_sealed, expires_at, refreshed_at, state)
                 VALUES ('ins-{client}', 'a', 'r', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), 'good')"
            ),
            format!(
                "INSERT INTO flysense_accounts (account_id, install_id, host, status, left_channel, auto, hooks_state,
                     created_at, updated_at)
                 VALUES ({client}, 'ins-{client}', 'test.amocrm.ru', 'active', 'client', TRUE, 'subscribed',
                     UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
            ),
        ]);
    }
    for statement in statements {
        sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
    }
}
