//! A subscriber in a sandbox, and a bank that counts what it takes.

use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, NaiveDate, TimeDelta, Utc};
use flysk_domain::id::{InvoiceId, SubscriptionId, UserId};
use flysk_domain::platform::subscriptions::{InvoiceState, Subscription, SubscriptionSettings};
use flysk_queue::UnitOfWork;
use flysk_sandbox::{Event, Options};
use flysk_services::subscriptions::{Actor, unlink_card};
use flysk_simulators::Control;
use flysk_simulators::tbank::{ChargeScript, Payment};
use flysk_store::Pool;
use flysk_store::platform::invoice_payments::{self, Attempt};
use flysk_store::platform::subscriptions::{self, Invoice, SubscriptionRow};
use flysk_suite::environment::{ACCOUNT, ADMIN, connect_as_in_production};
use flysk_suite::subscriber::Subscriber;
use sqlx::{Connection as _, MySqlConnection};

/// Test card that pays and can be charged.
pub(crate) const GOOD_CARD: &str = "2200000000000004";
/// Test card that pays on the form; charges of it are declined for lack of funds.
pub(crate) const EMPTY_LATER: &str = "2200000000000087";

/// Rows changed by a [`Rival`].
const HEAVY_ROWS: u32 = 200;

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A subscriber whose every step must succeed. Every test begins on 31 January, at noon in Moscow.
pub(crate) struct TestSubscriber(pub(crate) Subscriber);

impl std::ops::Deref for TestSubscriber {
    type Target = Subscriber;

    fn deref(&self) -> &Subscriber {
        &self.0
    }
}

impl TestSubscriber {
    /// An account in its trial. The terminal's limit of requests, which counts real time, is lifted.
    pub(crate) async fn open(pool: Pool) -> Self {
        Self::open_limited(pool, 0).await
    }

    /// The same with a limit of requests per second; 0 for none.
    pub(crate) async fn open_limited(pool: Pool, requests_per_second: u32) -> Self {
        let pool = connect_as_in_production(&pool, 20).await.unwrap();
        let mut options = Options::new(pool, "2027-01-31T09:00:00Z".parse().unwrap()).unwrap();
        let limit = ("FLYSK_TBANK_REQUESTS_PER_SECOND".to_owned(), requests_per_second.to_string());
        options.variables.extend([limit]);
        Self(Subscriber::open(options).await.unwrap())
    }

    /// An account that has bought a month with this card, and agreed to renewals.
    pub(crate) async fn subscribed(pool: Pool, card: &str) -> Self {
        let subscriber = Self::open(pool).await;
        subscriber.buy(card).await.unwrap();
        subscriber
    }

    pub(crate) async fn begin(&self) -> UnitOfWork {
        self.0.begin().await.unwrap()
    }

    pub(crate) async fn row(&self) -> SubscriptionRow {
        self.0.row().await.unwrap()
    }

    pub(crate) async fn current(&self) -> Subscription {
        self.row().await.subscription
    }

    pub(crate) async fn open_form(&self, invoice: InvoiceId) -> Attempt {
        self.0.open_form(invoice, true).await.unwrap()
    }

    pub(crate) fn pay(&self, attempt: &Attempt, card: &str) -> Payment {
        self.0.pay(attempt, card).unwrap()
    }

    /// Advances the clock to a time of a day in Moscow.
    pub(crate) async fn advance_to(&self, day: &str, time: &str) -> Vec<Event> {
        let moment: DateTime<FixedOffset> = format!("{day}T{time}+03:00").parse().unwrap();
        self.advance_until(moment.to_utc()).await
    }

    pub(crate) async fn advance_until(&self, moment: DateTime<Utc>) -> Vec<Event> {
        self.sandbox.advance_to(moment).await.unwrap()
    }

    pub(crate) async fn advance_days(&self, days: i64) -> Vec<Event> {
        self.sandbox.advance(TimeDelta::days(days)).await.unwrap()
    }

    /// The customer unlinks the card.
    pub(crate) async fn unlink(&self) {
        self.unlink_card_of(self.subscription).await;
    }

    /// The customer of a subscription unlinks its card.
    pub(crate) async fn unlink_card_of(&self, subscription: SubscriptionId) {
        let mut unit = self.begin().await;
        let row = subscriptions::lock_subscription(&mut unit, subscription).await.unwrap();
        let (clock, actor) = (&self.sandbox.clock, Actor::User(UserId(ADMIN)));
        let unlinked = unlink_card(&mut unit, clock, &SubscriptionSettings::default(), &row, actor).await;
        unlinked.unwrap().expect("a card");
        unit.commit().await.unwrap();
    }

    pub(crate) async fn run_due(&self) {
        self.sandbox.run_due().await.unwrap();
    }

    /// The script of the saved card's next charges.
    pub(crate) fn script<S: Into<ChargeScript>>(&self, next: Vec<S>) {
        let rebill = self.sandbox.bank.state.payments().iter().rev().find_map(|payment| payment.rebill_id);
        self.sandbox.bank.state.script_rebill(rebill.expect("a card is saved"), next).unwrap();
    }

    /// Invoices, oldest first.
    pub(crate) async fn invoices(&self) -> Vec<Invoice> {
        self.0.invoices().await.unwrap()
    }

    /// The last invoices, at most `count`, oldest first.
    pub(crate) async fn last_invoices(&self, count: u32) -> Vec<Invoice> {
        let mut conn = self.sandbox.pool.acquire().await.unwrap();
        let mut last = subscriptions::list_invoices(&mut conn, self.subscription, None, count).await.unwrap();
        last.reverse();
        last
    }

    pub(crate) async fn last_invoice(&self) -> Invoice {
        self.last_invoices(1).await.pop().expect("an invoice")
    }

    /// Attempts to pay an invoice, oldest first.
    pub(crate) async fn attempts(&self, invoice: InvoiceId) -> Vec<Attempt> {
        self.0.attempts(invoice).await.unwrap()
    }

    /// Money that the bank holds for an invoice, of all its payments.
    async fn taken(&self, invoice: InvoiceId, payments: &[Payment]) -> i64 {
        let mut taken = 0;
        for attempt in self.attempts(invoice).await {
            let order = attempt.id.to_string();
            let held = payments.iter().filter(|payment| {
                payment.order_id == order
                    && matches!(payment.status.as_str(), "CONFIRMED" | "PARTIAL_REFUNDED")
            });
            taken += held.map(|payment| payment.left).sum::<i64>();
        }
        taken
    }

    /// Money is where it belongs: every paid invoice was taken once, every other one not at all, and paid days neither
    /// overlap nor leave a gap.
    pub(crate) async fn assert_sound(&self) {
        self.assert_last_sound(20_000).await;
    }

    /// The same for the last invoices.
    pub(crate) async fn assert_last_sound(&self, count: u32) {
        let invoices = self.last_invoices(count).await;
        let payments = self.sandbox.bank.state.payments();
        for invoice in &invoices {
            let is_paid = invoice.state == InvoiceState::Paid;
            let wanted = if is_paid { invoice.total.0 - invoice.refunded.0 } else { 0 };
            assert_eq!(self.taken(invoice.id, &payments).await, wanted, "{invoice:?}");
        }
        let paid: Vec<_> = invoices.iter().filter(|invoice| invoice.state == InvoiceState::Paid).collect();
        let mut conn = self.sandbox.pool.acquire().await.unwrap();
        let mut violations =
            invoice_payments::verify_payments(&mut conn, self.sandbox.now(), 10).await.unwrap();
        violations
            .extend(subscriptions::verify_subscriptions(&mut conn, self.sandbox.now(), 10).await.unwrap());
        assert_eq!(violations, []);
        for pair in paid.windows(2) {
            assert_eq!(pair[0].period.until, pair[1].period.from, "no gap, no overlap");
        }
    }

    /// Number of calls of a bank's method.
    pub(crate) fn calls(&self, method: &str) -> usize {
        self.sandbox.bank.control.calls_to("POST", &format!("/v2/{method}")).len()
    }
}

/// Another transaction, heavy enough for the deadlock detection to roll back the worker's one.
pub(crate) struct Rival {
    pool: Pool,
    conn: MySqlConnection,
}

impl Rival {
    pub(crate) async fn begin(pool: &Pool) -> Self {
        let mut conn = MySqlConnection::connect_with(&pool.connect_options()).await.unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut conn).await.unwrap();
        for tag in 0..HEAVY_ROWS {
            let heavy = "INSERT INTO flysense_tags (account_id, tag_key, text, uses, used_at)
                         VALUES (?, ?, 'x', 1, NOW(6))";
            sqlx::query(heavy).bind(ACCOUNT).bind(tag.to_string()).execute(&mut conn).await.unwrap();
        }
        Self { pool: pool.clone(), conn }
    }

    /// Rolls back the transaction in which a job of a kind records what the bank answered. The bank holds the job's request to
    /// `path`, and `rows` locks what the job writes.
    pub(crate) async fn defeat(mut self, (bank, path): (&Control, &str), kind: &str, rows: &'static str) {
        wait_until(async || !bank.calls_to("POST", path).is_empty()).await;
        let running = "SELECT id FROM jobs WHERE kind = ? AND state = 'running'";
        let job: String = sqlx::query_scalar(running).bind(kind).fetch_one(&self.pool).await.unwrap();
        sqlx::query(rows).fetch_all(&mut self.conn).await.unwrap();
        bank.release();
        wait_until(async || {
            let unlocked = "SELECT id FROM jobs WHERE id = ? FOR UPDATE SKIP LOCKED";
            let found: Option<String> =
                sqlx::query_scalar(unlocked).bind(&job).fetch_optional(&self.pool).await.unwrap();
            found.is_none()
        })
        .await;
        let wanted = "UPDATE jobs SET units_begun = units_begun WHERE id = ?";
        sqlx::query(wanted).bind(job).execute(&mut self.conn).await.unwrap();
        sqlx::raw_sql("ROLLBACK").execute(&mut self.conn).await.unwrap();
    }
}

async fn wait_until(is_true: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(5);
    while !is_true().await {
        assert!(Instant::now() < deadline, "it does not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
