//! Reads what happened from the bank, the mail server and the database into the journal.

use std::collections::{HashMap, HashSet};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use flysk_simulators::tbank::Change;
use flysk_store::Conn;
use serde_json::Value;
use tokio::sync::Mutex;

use super::bank_words::outcome_of;
use super::journal::Journal;
use super::occurrence::{
    BankPayment, CoinEntry, FailedJob, InvoiceEntry, MailEntry, Occurrence, SubscriptionEntry, WebhookEntry,
};
use super::outside::Outside;
use super::tail::Tail;
use crate::sandbox::Sandbox;

/// Time before the last look whose rows are read again: a row has the time at which its transaction began, which may be committed
/// after the look.
const REREAD_TIME: TimeDelta = TimeDelta::seconds(30);
/// `DATA.OperationInitiatorType` of a charge of a saved card.
const CHARGE_INITIATOR: &str = "R";
/// Status of a payment that was only authorised: `CONFIRMED` follows.
const AUTHORIZED: &str = "AUTHORIZED";
/// Job that sends an event; its dedup key is the event's id.
const DELIVERY_JOB: &str = "lifecycle.deliver_event";
/// How the product calls the answers of the proxy for a backend that gave none, or that was kept from the event.
const PROXY_ANSWERS: [&str; 2] = ["status 502", "status 504"];

/// Something that happened, and when.
type Found = Vec<(DateTime<Utc>, Occurrence)>;

/// Fills the journal. One look at a time.
#[derive(Debug)]
pub(super) struct Recorder(Mutex<Marks>);

/// What was read so far.
#[derive(Debug)]
struct Marks {
    changes: usize,
    letters: usize,
    webhooks: usize,
    actions: Tail<u64>,
    transactions: Tail<String>,
    /// Time of the last look.
    looked_at: DateTime<Utc>,
    /// States of invoices.
    invoices: HashMap<String, (String, i64)>,
    failed_jobs: HashSet<String>,
}

#[derive(sqlx::FromRow)]
struct ActionRow {
    id: u64,
    account_id: u64,
    subscription_id: String,
    actor: String,
    action: String,
    reason: Option<String>,
    invoice_id: Option<String>,
    details: String,
    acted_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct InvoiceRow {
    id: String,
    account_id: u64,
    kind: String,
    state: String,
    title: String,
    total_kopecks: i64,
    refunded_kopecks: i64,
    updated_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct TransactionRow {
    id: String,
    account_id: u64,
    kind: String,
    reference: Option<String>,
    available: i64,
    held: i64,
    created_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct FailedRow {
    id: String,
    kind: String,
    dedup_key: Option<String>,
    last_error: Option<String>,
    finished_at: DateTime<Utc>,
}

impl Recorder {
    /// Nothing that happened before `now` is read.
    pub(super) fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(Marks {
            changes: 0,
            letters: 0,
            webhooks: 0,
            actions: Tail::default(),
            transactions: Tail::default(),
            looked_at: now,
            invoices: HashMap::new(),
            failed_jobs: HashSet::new(),
        }))
    }

    /// Reads what is new. At one moment come first the bank, then subscriptions, invoices and coins, then what was noted
    /// live (events and refusals), then webhooks, letters and failed jobs.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub(super) async fn look(
        &self,
        journal: &Journal,
        sandbox: &Sandbox,
        outside: &Outside,
    ) -> anyhow::Result<()> {
        let mut marks = self.0.lock().await;
        let now = sandbox.now();
        let mut conn = sandbox.pool.acquire().await?;
        let mut found = marks.bank(&mut conn, sandbox).await?;
        found.extend(marks.actions(&mut conn).await?);
        found.extend(marks.invoices(&mut conn).await?);
        found.extend(marks.transactions(&mut conn).await?);
        let mut then = marks.webhooks(sandbox);
        then.extend(marks.letters(outside));
        then.extend(marks.failed_jobs(&mut conn, journal).await?);
        marks.looked_at = now;
        journal.add(found, then);
        Ok(())
    }
}

impl Marks {
    /// Rows that were changed since are read; what was told of them is dropped.
    fn changed_since(&self) -> DateTime<Utc> {
        self.looked_at - REREAD_TIME
    }

    async fn bank(&mut self, conn: &mut Conn, sandbox: &Sandbox) -> anyhow::Result<Found> {
        let changes = sandbox.bank.state.changes_from(self.changes);
        self.changes += changes.len();
        let told: Vec<Change> = changes.into_iter().filter(|change| change.status != AUTHORIZED).collect();
        let accounts = accounts_of_invoices(conn, &told).await?;
        let mut found = Vec::with_capacity(told.len());
        for change in told {
            let account_id = match accounts.get(&change.order_id) {
                Some(account_id) => Some(*account_id),
                None => account_of_purchase(conn, &change).await?,
            };
            found.push((change.at, payment(change, account_id)));
        }
        Ok(found)
    }

    async fn actions(&mut self, conn: &mut Conn) -> anyhow::Result<Found> {
        // Their details are long: those that are known need not be read again.
        let mut query = sqlx::QueryBuilder::<sqlx::MySql>::new(
            "SELECT a.id, s.account_id, a.subscription_id, a.actor, a.action, a.reason, a.invoice_id, a.details, a.acted_at
             FROM subscription_actions a JOIN subscriptions s ON s.id = a.subscription_id
             WHERE a.id > ",
        );
        query.push_bind(self.actions.bound()).push(" AND a.id NOT IN (");
        let mut known = query.separated(", ");
        for id in self.actions.known() {
            known.push_bind(id);
        }
        query.push(") ORDER BY a.id");
        let rows: Vec<ActionRow> = query.build_query_as().fetch_all(conn).await?;
        let mut found = Vec::new();
        for row in rows {
            if self.actions.is_new(&row.id) {
                let details: Value =
                    serde_json::from_str(&row.details).context("details of a subscription's log")?;
                let state = details.pointer("/after/state").and_then(Value::as_str).map(str::to_owned);
                let entry = SubscriptionEntry {
                    account_id: row.account_id,
                    subscription_id: row.subscription_id,
                    action: row.action,
                    actor: row.actor,
                    state,
                    invoice_id: row.invoice_id,
                    reason: row.reason,
                    details,
                };
                found.push((row.acted_at, Occurrence::Subscription(entry)));
            }
        }
        Ok(found)
    }

    async fn invoices(&mut self, conn: &mut Conn) -> anyhow::Result<Found> {
        let rows: Vec<InvoiceRow> = sqlx::query_as(
            "SELECT v.id, i.account_id, v.kind, v.state, v.title, v.total_kopecks, v.refunded_kopecks, v.updated_at
             FROM subscription_invoices v JOIN installs i ON i.id = v.install_id
             WHERE v.updated_at >= ? ORDER BY v.updated_at, v.id",
        )
        .bind(self.changed_since())
        .fetch_all(conn)
        .await?;
        let mut found = Vec::new();
        for row in rows {
            let state = (row.state.clone(), row.refunded_kopecks);
            if self.invoices.insert(row.id.clone(), state.clone()) != Some(state) {
                let entry = InvoiceEntry {
                    account_id: row.account_id,
                    invoice_id: row.id,
                    kind: row.kind,
                    state: row.state,
                    title: row.title,
                    total_kopecks: row.total_kopecks,
                    refunded_kopecks: row.refunded_kopecks,
                };
                found.push((row.updated_at, Occurrence::Invoice(entry)));
            }
        }
        Ok(found)
    }

    async fn transactions(&mut self, conn: &mut Conn) -> anyhow::Result<Found> {
        let rows: Vec<TransactionRow> = sqlx::query_as(
            "SELECT t.id, i.account_id, t.kind, t.reference, t.created_at,
                CAST(COALESCE((SELECT SUM(e.amount_micro) FROM ledger_entries e
                    WHERE e.transaction_id = t.id AND e.account = 'available'), 0) AS SIGNED) AS available,
                CAST(COALESCE((SELECT SUM(e.amount_micro) FROM ledger_entries e
                    WHERE e.transaction_id = t.id AND e.account = 'held'), 0) AS SIGNED) AS held
             FROM ledger_transactions t JOIN wallets w ON w.id = t.wallet_id JOIN installs i ON i.id = w.install_id
             WHERE t.id > ? ORDER BY t.id",
        )
        .bind(self.transactions.bound())
        .fetch_all(conn)
        .await?;
        let mut found = Vec::new();
        for row in rows {
            if self.transactions.is_new(&row.id) {
                let entry = CoinEntry {
                    account_id: row.account_id,
                    transaction_id: row.id,
                    kind: row.kind,
                    available_micro: row.available,
                    held_micro: row.held,
                    reference: row.reference,
                };
                found.push((row.created_at, Occurrence::Flycoins(entry)));
            }
        }
        Ok(found)
    }

    fn webhooks(&mut self, sandbox: &Sandbox) -> Found {
        let deliveries = sandbox.amocrm.state.deliveries().split_off(self.webhooks);
        self.webhooks += deliveries.len();
        let told = deliveries.into_iter().map(|delivery| {
            let entry = WebhookEntry {
                account_id: delivery.account_id,
                event: delivery.event,
                destination: Some(delivery.destination),
                status: (delivery.status != 0).then_some(delivery.status),
                lost: delivery.lost,
            };
            (delivery.at, Occurrence::Webhook(entry))
        });
        told.collect()
    }

    fn letters(&mut self, outside: &Outside) -> Found {
        let letters = outside.mail.state.letters_from(self.letters);
        self.letters += letters.len();
        let told = letters.into_iter().map(|letter| {
            let entry =
                MailEntry { to: letter.recipients.clone(), subject: letter.subject(), text: letter.text() };
            (letter.at, Occurrence::Letter(entry))
        });
        told.collect()
    }

    async fn failed_jobs(&mut self, conn: &mut Conn, journal: &Journal) -> anyhow::Result<Found> {
        let rows: Vec<FailedRow> = sqlx::query_as(
            "SELECT id, kind, dedup_key, last_error, finished_at FROM jobs
             WHERE state = 'dead' AND finished_at >= ? ORDER BY finished_at, id",
        )
        .bind(self.changed_since())
        .fetch_all(conn)
        .await?;
        let mut found = Vec::new();
        for row in rows {
            if self.failed_jobs.insert(row.id.clone()) {
                let (at, reason) = (row.finished_at, reason_of(&row, journal));
                found.push((at, Occurrence::FailedJob(FailedJob { kind: row.kind, reason })));
            }
        }
        Ok(found)
    }
}

/// Why the job gave up. The product knows the proxy's answer only, where the backend gave none.
fn reason_of(row: &FailedRow, journal: &Journal) -> String {
    let reason = row.last_error.clone().unwrap_or_default();
    let event = row.dedup_key.as_deref().filter(|_| row.kind == DELIVERY_JOB);
    let Some(why) = event.and_then(|event| journal.why_unanswered(event)) else { return reason };
    PROXY_ANSWERS.iter().fold(reason, |reason, answer| reason.replace(answer, &why))
}

/// The accounts of those payments that are of invoices, by the number of the order.
async fn accounts_of_invoices(
    conn: &mut Conn,
    changes: &[Change],
) -> Result<HashMap<String, u64>, sqlx::Error> {
    let Some(last) = changes.last() else { return Ok(HashMap::new()) };
    let mut query = sqlx::QueryBuilder::<sqlx::MySql>::new(
        "SELECT p.id, i.account_id FROM invoice_payments p JOIN installs i ON i.id = p.install_id WHERE p.id IN (",
    );
    let mut orders = query.separated(", ");
    // In few lengths: a connection keeps the text of each statement.
    let filled_up = std::iter::repeat_n(last, changes.len().next_power_of_two() - changes.len());
    for change in changes.iter().chain(filled_up) {
        orders.push_bind(change.order_id.clone());
    }
    query.push(")");
    let accounts: Vec<(String, u64)> = query.build_query_as().fetch_all(conn).await?;
    Ok(accounts.into_iter().collect())
}

/// The account whose purchase of Flycoins was paid.
async fn account_of_purchase(conn: &mut Conn, change: &Change) -> Result<Option<u64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT i.account_id FROM coin_purchases c JOIN wallets w ON w.id = c.wallet_id
             JOIN installs i ON i.id = w.install_id WHERE c.terminal_key = ? AND c.order_id = ?",
    )
    .bind(&change.terminal)
    .bind(&change.order_id)
    .fetch_optional(conn)
    .await
}

fn payment(change: Change, account_id: Option<u64>) -> Occurrence {
    let is_charge = change.initiator.as_deref() == Some(CHARGE_INITIATOR);
    let returns = change.status.contains("REFUND") || change.status.contains("REVERSED");
    let entry = BankPayment {
        account_id,
        outcome: outcome_of(&change.status, change.error_code).to_owned(),
        order_id: change.order_id,
        payment_id: change.payment_id,
        amount_kopecks: change.amount,
        left_kopecks: change.left,
        status: change.status,
        error_code: change.error_code,
        card: change.card,
    };
    match (returns, is_charge) {
        (true, _) => Occurrence::Refund(entry),
        (false, true) => Occurrence::Charge(entry),
        (false, false) => Occurrence::Payment(entry),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_payments_and_refunds_are_told_apart() {
        let change = |status: &str, initiator: Option<&str>| Change {
            at: "2027-01-31T09:00:00Z".parse().unwrap(),
            payment_id: "3000000000".to_owned(),
            order_id: "ipt_1".to_owned(),
            terminal: "T".to_owned(),
            status: status.to_owned(),
            error_code: 0,
            amount: 100,
            left: 100,
            card: None,
            initiator: initiator.map(str::to_owned),
        };
        let kind = |status, initiator| payment(change(status, initiator), None).kind().word();
        assert_eq!(kind("CONFIRMED", Some("R")), "charge");
        assert_eq!(kind("CONFIRMED", Some("1")), "payment");
        assert_eq!(kind("PARTIAL_REFUNDED", Some("R")), "refund");
    }
}
