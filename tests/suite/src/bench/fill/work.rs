//! Calls, jobs, events, and the ledger of Flycoins.

use flysk_domain::TextEnum as _;
use flysk_domain::platform::events::EventKind;
use flysk_jobs::catalogue;

use super::Volume;
use super::customers::{HOST, LEFT_MICRO, WIDGET};
use super::plan::{Filling, Source};

/// Price of a charge, micro-Flycoins: a minute of recognition and a summary.
const CHARGE_MICRO: i64 = RECOGNITION_MICRO + SUMMARY_MICRO;
const RECOGNITION_MICRO: i64 = 2_500_000;
const SUMMARY_MICRO: i64 = 1_000_000;
/// The entries of a credit and of a charge.
const CREDIT_LINES: &str = "CROSS JOIN (SELECT 1 AS line UNION ALL SELECT 2) l";
const CHARGE_LINES: &str = "CROSS JOIN (SELECT 1 AS line UNION ALL SELECT 2 UNION ALL SELECT 3) l";

/// Rows of each table, the largest first.
pub(super) fn fillings(volume: Volume) -> Vec<Filling> {
    let mut fillings =
        vec![calls(volume), jobs(volume), entries(volume), transactions(volume), events(volume)];
    fillings.push(Filling::of(
        "ledger_charges",
        "transaction_id, wallet_id, charged_micro",
        Source::Spread(volume.charges()),
        format!("CONCAT('ltx_', :ulid), CONCAT('wal_', o.ulid), {CHARGE_MICRO}"),
    ));
    fillings.push(Filling::of(
        "ledger_lots",
        "id, wallet_id, origin, granted_micro, left_micro, created_at",
        Source::Installs(volume.installs),
        format!("CONCAT('lot_', :ulid), CONCAT('wal_', :ulid), 'package', {}, {LEFT_MICRO}, :at", granted()),
    ));
    fillings
}

/// Coins that a wallet was credited with: what its charges cost, and what is left.
fn granted() -> String {
    format!("o.charges * {CHARGE_MICRO} + {LEFT_MICRO}")
}

fn calls(volume: Volume) -> Filling {
    Filling::of(
        "transcriptions",
        "id, account_id, install_id, entity_type, entity_id, note_id, state, failure_code, duration_ms, billed_seconds,
         left_channel, tags, correlation_id, created_at, updated_at, finished_at",
        Source::Spread(volume.rows),
        "CONCAT('tr_', :ulid), o.account_id, CONCAT('ins_', o.ulid), 'leads', :n DIV 3 + 1, :n + 1,
         CASE WHEN :n % 1000 < 25 THEN 'failed' WHEN :n % 1000 < 30 THEN 'no_balance' WHEN :n % 1000 < 35 THEN 'cancelled'
              WHEN :n % 1000 < 65 THEN 'no_speech' WHEN :n % 1000 < 67 THEN 'recognizing' ELSE 'done' END,
         IF(:n % 1000 < 25, 'recording_unavailable', NULL), 60000 + :n % 600 * 1000, IF(:n % 1000 < 67, 0, 60 + :n % 600),
         'operator', '[]', CONCAT('bench-', :n), :at, :at, IF(:n % 1000 BETWEEN 25 AND 29 OR :n % 1000 IN (65, 66), NULL, :at)",
    )
}

/// Jobs of all kinds. The waiting and the running ones are due in years. 100 jobs run, however many there are: as many as the
/// places of some workers.
fn jobs(volume: Volume) -> Filling {
    let durable: Vec<_> =
        catalogue::kinds().filter_map(|info| Some((info.kind, info.policy?.queue))).collect();
    let kinds: Vec<&str> = durable.iter().map(|(kind, _)| *kind).collect();
    let queues: Vec<&str> = durable.iter().map(|(_, queue)| queue.as_str()).collect();
    let due = "IF(:n % 1000 < 2, :at + INTERVAL 1000 DAY, :at)";
    let running = ":n < 1000 AND :n % 10 = 5";
    Filling::of(
        "jobs",
        "id, kind, queue, priority, payload, state, attempt, max_attempts, run_at, push_at, lease_owner, lease_until, tenant,
         correlation_id, last_error, created_at, started_at, finished_at",
        Source::Spread(volume.rows),
        format!(
            "CONCAT('job_', :ulid), {}, {}, 1, '{{}}',
             CASE WHEN :n % 1000 < 2 THEN 'queued' WHEN {running} THEN 'running' WHEN :n % 1000 < 23 THEN 'dead'
                  WHEN :n % 1000 < 32 THEN 'cancelled' ELSE 'done' END,
             IF(:n % 1000 < 2, 0, 1), 8, {due}, {due}, IF({running}, 'bench', NULL),
             IF({running}, :at + INTERVAL 1000 DAY, NULL), CAST(o.account_id AS CHAR), CONCAT('bench-', :n DIV 8),
             IF(:n % 1000 BETWEEN 2 AND 22, 'connection refused', NULL), :at, IF(:n % 1000 < 2, NULL, :at),
             IF(:n % 1000 < 2 OR {running}, NULL, :at)",
            one_of(&kinds),
            one_of(&queues)
        ),
    )
}

/// One of these texts, by the number of the row.
fn one_of(texts: &[&str]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("'{text}'")).collect();
    format!("ELT(1 + :n % {}, {})", texts.len(), quoted.join(", "))
}

fn events(volume: Volume) -> Filling {
    let kinds: Vec<&str> =
        EventKind::ALL.iter().filter(|kind| **kind != EventKind::Test).map(|kind| kind.as_str()).collect();
    Filling::of(
        "lifecycle_events",
        "id, widget_id, number, install_id, sequence, type, account_id, host, state, attempts, happened_at, settled_at",
        Source::Spread(volume.events()),
        format!(
            "CONCAT('evt_', :ulid), {WIDGET}, :n + 1, CONCAT('ins_', o.ulid), :n + 1, IF(:n % 50000 = 1, 'test', {}),
             o.account_id, {HOST}, CASE WHEN :n % 1000 < 5 THEN 'failed' WHEN :n % 1000 < 7 THEN 'refused' ELSE 'delivered' END,
             1, :at, :at",
            one_of(&kinds)
        ),
    )
}

fn transactions(volume: Volume) -> Filling {
    let values = |kind: &str| format!("CONCAT('ltx_', :ulid), CONCAT('wal_', o.ulid), '{kind}', :at");
    Filling::of(
        "ledger_transactions",
        "id, wallet_id, kind, created_at",
        Source::Installs(volume.installs),
        values("credit"),
    )
    .and(Source::Spread(volume.charges()), values("charge"), "")
}

fn entries(volume: Volume) -> Filling {
    let values = |accounts: &str, amounts: &str| {
        format!(
            "CONCAT('ltx_', :ulid), l.line, CONCAT('wal_', o.ulid), ELT(l.line, {accounts}),
             IF(l.line = 1, CONCAT('lot_', o.ulid), NULL), {amounts}"
        )
    };
    let credit = values("'available', 'sold'", &format!("IF(l.line = 1, 1, -1) * ({})", granted()));
    let amounts = format!(
        "CASE l.line WHEN 1 THEN -{CHARGE_MICRO} WHEN 2 THEN {RECOGNITION_MICRO} ELSE {SUMMARY_MICRO} END"
    );
    let charge = values("'available', 'spent:flysense.recognition', 'spent:flysense.summary'", &amounts);
    let columns = "transaction_id, line, wallet_id, account, lot_id, amount_micro";
    Filling { table: "ledger_entries", columns, parts: Vec::new() }
        .and(Source::Installs(volume.installs), credit, CREDIT_LINES)
        .and(Source::Spread(volume.charges()), charge, CHARGE_LINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_has_as_many_entries_as_there_are_calls() {
        let volume = Volume::of(1_000_000);
        let entries = 2 * volume.installs + 3 * volume.charges();
        assert!((0..3).contains(&(volume.rows - entries)), "{entries}");
    }
}
