//! Many subscribers in one sandbox, whose periods begin on the same day, and what must hold for all of them.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use flysk_domain::id::{InstallId, InvoiceId, SubscriptionId};
use flysk_domain::platform::subscriptions::{Change, InvoiceState, PeriodLength, SubscriptionState};
use flysk_sandbox::Pace;
use flysk_simulators::tbank::Payment;
use flysk_store::platform::invoice_payments;
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_suite::row_copy::RowCopier;
use flysk_suite::subscriber::SEATS;
use sqlx::MySqlPool;

use super::harness::{GOOD_CARD, TestSubscriber};

/// Stops of the clock, and jobs at the same time.
const PACE: Pace = Pace { step: TimeDelta::minutes(1), jobs_at_once: 4, batches: false };
/// Accounts of copies are numbered from here.
const FIRST_ACCOUNT: u64 = 900_000_000;
/// Time after a charge in which the subscription is extended, if the bank has not declined it first.
const MAX_DELAY: TimeDelta = TimeDelta::minutes(15);
/// Violations of each rule that are read.
const MAX_VIOLATIONS: u32 = 10;

/// One of the subscriptions.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) subscription: SubscriptionId,
    /// `RebillId` of the card that was saved last.
    pub(crate) rebill: u64,
}

/// An attempt to pay, with what its invoice says.
#[derive(Debug, sqlx::FromRow)]
struct PaidInvoice {
    attempt_id: String,
    invoice_id: String,
    amount_kopecks: i64,
    /// What the bank must hold for the invoice.
    kept_kopecks: i64,
    payment_id: Option<String>,
    charge_sent_at: Option<DateTime<Utc>>,
    paid_at: Option<DateTime<Utc>>,
}

/// Subscribers who have all bought a month at the same moment.
pub(crate) struct Crowd {
    /// The sandbox with its first subscriber.
    pub(crate) first: TestSubscriber,
    /// All of them.
    pub(crate) members: Vec<Member>,
    /// Number of jobs that crashed.
    pub(crate) crashes: usize,
    /// Sequence number of the bank's calls up to which they are checked.
    checked: u64,
    /// Payments that were charged.
    charged: HashSet<String>,
    /// Sequence number of the bank's next call when a card was unlinked, by its `RebillId`.
    unlinked: HashMap<u64, u64>,
}

impl Crowd {
    /// Copies a trial, and buys a month with the consent to renewals for each.
    pub(crate) async fn open(pool: MySqlPool, size: usize) -> Self {
        Self::of(TestSubscriber::open(pool).await, size).await
    }

    /// The same, with this subscriber as the first one.
    pub(crate) async fn of(first: TestSubscriber, size: usize) -> Self {
        let mut subscriptions = vec![first.subscription];
        let mut rows = RowCopier::default();
        let mut conn = first.sandbox.pool.acquire().await.unwrap();
        for account in (FIRST_ACCOUNT..).take(size - 1) {
            let clock = &first.sandbox.clock;
            let (install, subscription) = (InstallId::generate(clock), SubscriptionId::generate(clock));
            let account = ("account_id", account.to_string());
            let own = [("id", install.to_string()), account.clone()];
            rows.copy(&mut conn, "installs", &first.install.to_string(), &own).await.unwrap();
            let own = [("id", subscription.to_string()), ("install_id", install.to_string()), account];
            rows.copy(&mut conn, "subscriptions", &first.subscription.to_string(), &own).await.unwrap();
            subscriptions.push(subscription);
        }
        drop(conn);
        let mut crowd = Self {
            first,
            members: Vec::with_capacity(size),
            crashes: 0,
            checked: 0,
            charged: HashSet::new(),
            unlinked: HashMap::new(),
        };
        for subscription in subscriptions {
            let change = Change::Start { plan: crowd.first.plan, seats: SEATS, length: PeriodLength::Month };
            let invoice = crowd.first.order_for(subscription, change).await.unwrap();
            let rebill = crowd.pay_on_form(invoice.expect("a start costs money").id).await;
            let rebill = rebill.expect("no earlier charge");
            crowd.members.push(Member { subscription, rebill });
        }
        crowd
    }

    /// Pays on the bank's form with the consent to renewals; returns the `RebillId` of the card. `None`: the bank, which is asked before
    /// a form opens, said that an earlier charge has succeeded after its refusal.
    async fn pay_on_form(&self, invoice: InvoiceId) -> Option<u64> {
        let attempt = self.first.open_form(invoice).await;
        if attempt.payment_id.is_none() {
            let mut conn = self.first.sandbox.pool.acquire().await.unwrap();
            let state =
                subscriptions::find_invoice(&mut conn, invoice).await.unwrap().expect("an invoice").state;
            assert_eq!(state, InvoiceState::Paid, "no form: {attempt:?}; {:?}", self.failures().await);
            return None;
        }
        let payment = self.first.pay(&attempt, GOOD_CARD);
        self.first.run_due().await;
        Some(payment.rebill_id.expect("the card is saved"))
    }

    /// Errors of the jobs that wait for another attempt, or have made their last one.
    async fn failures(&self) -> Vec<(String, String)> {
        let failed = "SELECT kind, last_error FROM jobs
                      WHERE state NOT IN ('done', 'cancelled') AND last_error IS NOT NULL";
        sqlx::query_as(failed).fetch_all(&self.first.sandbox.pool).await.unwrap()
    }

    async fn row(&self, subscription: SubscriptionId) -> SubscriptionRow {
        let mut conn = self.first.sandbox.pool.acquire().await.unwrap();
        subscriptions::find_subscription(&mut conn, subscription).await.unwrap().expect("a subscription")
    }

    /// The day on which the next period of all begins.
    pub(crate) async fn boundary(&self) -> NaiveDate {
        self.row(self.first.subscription).await.subscription.period.expect("a period").until
    }

    /// Advances the clock to a time of a day in Moscow, given in minutes after midnight.
    pub(crate) async fn advance_to(&mut self, day: NaiveDate, minutes: u32) {
        let midnight: DateTime<chrono::FixedOffset> = format!("{day}T00:00:00+03:00").parse().unwrap();
        let moment = midnight.to_utc() + TimeDelta::minutes(minutes.into());
        let events = self.first.sandbox.advance_at(moment, PACE).await.unwrap();
        self.crashes += events.iter().filter(|event| event.what.has_crashed()).count();
    }

    /// A member unlinks the card, if there is one: nothing is charged to it from now on.
    pub(crate) async fn unlink(&mut self, member: usize) {
        let Member { subscription, rebill } = self.members[member];
        if self.row(subscription).await.card_id.is_some() {
            self.first.unlink_card_of(subscription).await;
            self.unlinked.insert(rebill, self.first.sandbox.bank.control.next_seq());
        }
    }

    /// Members whose renewal no card pays pay it on the form, with a card that is saved again.
    pub(crate) async fn pay_by_hand(&mut self) {
        for member in 0..self.members.len() {
            let row = self.row(self.members[member].subscription).await;
            if row.card_id.is_some() || row.subscription.state == SubscriptionState::Active {
                continue;
            }
            let mut conn = self.first.sandbox.pool.acquire().await.unwrap();
            let open = subscriptions::find_open_invoice(&mut conn, row.id).await.unwrap();
            drop(conn);
            if let Some(rebill) = self.pay_on_form(open.expect("an open renewal").id).await {
                self.members[member].rebill = rebill;
            }
        }
    }

    /// Checks the whole database and all that the bank was asked for since the last check. The period that began on
    /// `boundary` is the current one of all.
    pub(crate) async fn assert_sound(&mut self, boundary: NaiveDate) {
        self.assert_extended(boundary).await;
        self.assert_charged_once();
        let rows = self.paid_invoices().await;
        let payments = self.first.sandbox.bank.state.payments();
        assert_money(&rows, &payments);
        assert_in_time(&rows, &payments);
        let now = self.first.sandbox.now();
        let mut conn = self.first.sandbox.pool.acquire().await.unwrap();
        let mut violations = invoice_payments::verify_payments(&mut conn, now, MAX_VIOLATIONS).await.unwrap();
        violations.extend(subscriptions::verify_subscriptions(&mut conn, now, MAX_VIOLATIONS).await.unwrap());
        violations.extend(subscriptions::verify_schedule(&mut conn, now, MAX_VIOLATIONS).await.unwrap());
        assert_eq!(violations, []);
    }

    /// Every subscription is active in the period that began on `boundary`, which follows the paid one before it.
    async fn assert_extended(&self, boundary: NaiveDate) {
        for member in &self.members {
            let row = self.row(member.subscription).await;
            let period = row.subscription.period.expect("a period");
            assert_eq!(
                (row.subscription.state, period.from),
                (SubscriptionState::Active, boundary),
                "{row:?}"
            );
            let mut conn = self.first.sandbox.pool.acquire().await.unwrap();
            let last = subscriptions::list_invoices(&mut conn, row.id, None, 2).await.unwrap();
            assert!(last.iter().all(|invoice| invoice.state == InvoiceState::Paid), "{last:?}");
            assert_eq!(last[0].period, period, "{row:?}");
            assert_eq!(last[1].period.until, last[0].period.from, "no gap, no overlap");
        }
    }

    /// No payment was charged twice, and no card after its unlinking.
    fn assert_charged_once(&mut self) {
        let calls = self.first.sandbox.bank.control.calls_since(self.checked);
        for call in calls.iter().filter(|call| call.path == "/v2/Charge") {
            let body: serde_json::Value = serde_json::from_str(&call.body).unwrap();
            let payment = body["PaymentId"].as_str().expect("a payment").to_owned();
            assert!(self.charged.insert(payment), "charged twice: {call:?}");
            let rebill: u64 = body["RebillId"].as_str().expect("a card").parse().unwrap();
            let unlinked = self.unlinked.get(&rebill);
            assert!(unlinked.is_none_or(|since| call.seq < *since), "charged after the unlinking: {call:?}");
        }
        self.checked = self.first.sandbox.bank.control.next_seq();
    }

    async fn paid_invoices(&self) -> Vec<PaidInvoice> {
        sqlx::query_as(
            "SELECT p.id AS attempt_id, p.invoice_id, p.amount_kopecks, p.payment_id, p.charge_sent_at, p.paid_at,
                 IF(i.state = 'paid', i.total_kopecks - i.refunded_kopecks, 0) AS kept_kopecks
             FROM invoice_payments p JOIN subscription_invoices i ON i.id = p.invoice_id",
        )
        .fetch_all(&self.first.sandbox.pool)
        .await
        .unwrap()
    }

    /// Number of renewals that are paid.
    pub(crate) async fn paid_renewals(&self) -> usize {
        let paid = "SELECT COUNT(*) FROM subscription_invoices WHERE kind = 'renewal' AND state = 'paid'";
        let paid: i64 = sqlx::query_scalar(paid).fetch_one(&self.first.sandbox.pool).await.unwrap();
        usize::try_from(paid).unwrap()
    }

    /// Number of attempts that wait for a person.
    pub(crate) async fn in_review(&self) -> i64 {
        let stuck = "SELECT COUNT(*) FROM invoice_payments WHERE state = 'review'";
        sqlx::query_scalar(stuck).fetch_one(&self.first.sandbox.pool).await.unwrap()
    }
}

/// The middle of a month that began on `boundary`: every retry has had its time, and the grace period lasts.
pub(crate) fn middle_of(boundary: NaiveDate) -> NaiveDate {
    boundary + Days::new(12)
}

/// Every order has at most one payment, of its attempt's sum, and the bank holds for every invoice what its row says.
fn assert_money(rows: &[PaidInvoice], payments: &[Payment]) {
    let mut by_order: HashMap<&str, Vec<&Payment>> = HashMap::new();
    for payment in payments {
        by_order.entry(payment.order_id.as_str()).or_default().push(payment);
    }
    let mut held: HashMap<&str, (i64, i64)> = HashMap::new();
    for row in rows {
        let of_order = by_order.remove(row.attempt_id.as_str()).unwrap_or_default();
        assert!(of_order.len() <= 1, "{of_order:?}");
        let invoice = held.entry(row.invoice_id.as_str()).or_insert((0, row.kept_kopecks));
        for payment in of_order {
            assert_eq!(payment.amount, row.amount_kopecks, "{row:?}");
            if matches!(payment.status.as_str(), "CONFIRMED" | "PARTIAL_REFUNDED") {
                invoice.0 += payment.left;
            }
        }
    }
    assert!(by_order.is_empty(), "the bank has orders that nobody knows: {by_order:?}");
    for (invoice, (held, kept)) in held {
        assert_eq!(held, kept, "{invoice}");
    }
}

/// Charges that succeeded have extended their subscriptions soon after. One that the bank declined first succeeds whenever the
/// bank says so.
fn assert_in_time(rows: &[PaidInvoice], payments: &[Payment]) {
    let declined: HashSet<&str> = payments
        .iter()
        .filter(|payment| payment.history.iter().any(|was| was == "REJECTED"))
        .map(|payment| payment.id.as_str())
        .collect();
    for row in rows {
        let is_declined = row.payment_id.as_deref().is_some_and(|id| declined.contains(id));
        if let (Some(sent), Some(paid), false) = (row.charge_sent_at, row.paid_at, is_declined) {
            assert!(paid - sent <= MAX_DELAY, "charged at {sent}, extended at {paid}: {row:?}");
        }
    }
}
