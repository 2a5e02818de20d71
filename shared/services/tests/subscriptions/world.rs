//! A widget that sells subscriptions, an account that installed it, and a clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_crypto::Keyring;
use flysk_domain::id::{AccountId, CardId, InstallId, InvoiceId, InvoicePaymentId, PlanId, QuoteId, UserId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::subscriptions::{
    Access, Change, Currency, DueStep, PendingChange, PeriodLength, PlanTerms, SubscriptionSettings,
    SubscriptionState,
};
use flysk_domain::platform::tbank::ErrorClass;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_queue::{Outbox, UnitOfWork};
use flysk_services::subscriptions::{
    Actor, ApplyError, ApplyOutcome, ApplyRequest, FailedCharge, SettleOutcome, Settlement, apply_quote,
    begin_sale, bind_card, create_quote, find_chargeable, find_due, perform_due_step, record_consent,
    record_failed_charge, settings_of, settle_invoice, start_trial,
};
use flysk_services::widgets::{Registration, WidgetRegistry};
use flysk_store::platform::installs;
use flysk_store::platform::invoice_payments::{self, NewCard};
use flysk_store::platform::subscriptions::{self, Invoice, Plan, StoredQuote, SubscriptionRow};
use flysk_store::platform::widgets::{self, Changes, Widget};
use serde_json::json;
use sqlx::MySqlPool;

pub(crate) const USER: UserId = UserId(501);
pub(crate) const KEYRING: &str = "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";

/// The world of a test. It begins at noon of 1 December 2026 in Moscow.
pub(crate) struct World {
    pub(crate) outbox: Outbox,
    pub(crate) clock: ManualClock,
    pub(crate) widget: Widget,
    pub(crate) install: InstallId,
    keys: std::cell::Cell<u32>,
}

pub(crate) fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn trace() -> Trace {
    Trace { correlation_id: "subscriptions-test".to_owned(), traceparent: None }
}

impl World {
    pub(crate) async fn build(pool: MySqlPool, trial_days: u16) -> Self {
        let clock = ManualClock::at(at("2026-12-01T09:00:00Z"));
        let outbox = Outbox::new(pool, None, Arc::new(clock.clone()));
        let keyring = Keyring::parse(KEYRING).unwrap();
        let mut conn = outbox.pool().acquire().await.unwrap();
        let registration = Registration {
            code: "calls".to_owned(),
            name: "Звонки".to_owned(),
            crm: Crm::Amocrm,
            client_uuid: "11111111-2222-4333-8444-555555555555".to_owned(),
            client_secret: "not-a-real-secret".to_owned().into(),
            redirect_uri: "https://app.example.com/oauth/amocrm/callback".to_owned(),
        };
        let issued = WidgetRegistry::new(&keyring, &clock).register(&mut conn, &registration).await.unwrap();
        let changes =
            Changes { uses_subscriptions: Some(true), trial_days: Some(trial_days), ..Changes::default() };
        widgets::update(&mut conn, issued.id, &changes, clock.now()).await.unwrap();
        let widget = widgets::find(&mut conn, issued.id).await.unwrap().unwrap();
        let mut unit = outbox.begin(trace()).await.unwrap();
        let fresh = InstallId::generate(&clock);
        let account = AccountId(31_234_567);
        let install =
            installs::lock_or_insert(&mut unit, fresh, widget.id, Crm::Amocrm, account, clock.now());
        let install = install.await.unwrap();
        start_trial(&mut unit, &clock, &widget, &install).await.unwrap().unwrap();
        unit.commit().await.unwrap();
        Self { outbox, clock, widget, install: install.id, keys: std::cell::Cell::new(0) }
    }

    /// Lets users occupy the seats. `idle_days`: after these a seat goes to another user.
    pub(crate) async fn give_seats_to_users(&mut self, idle_days: Option<u32>) {
        let billing = json!({ "subscriptions": { "seats_per_user": true, "seat_idle_days": idle_days } });
        let changes = Changes { billing: Some(Some(billing)), ..Changes::default() };
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        widgets::update(&mut conn, self.widget.id, &changes, self.clock.now()).await.unwrap();
        self.widget = widgets::find(&mut conn, self.widget.id).await.unwrap().unwrap();
    }

    pub(crate) async fn unit(&self) -> UnitOfWork {
        self.outbox.begin(trace()).await.unwrap()
    }

    /// Puts a plan on sale: prices of a seat for 1 and 12 months.
    pub(crate) async fn plan(&self, code: &str, month: i64, year: i64) -> Plan {
        self.offer(code, [(PeriodLength::Month, Kopecks(month)), (PeriodLength::Year, Kopecks(year))].into())
            .await
    }

    /// Puts a plan on sale that is paid by the year only.
    pub(crate) async fn yearly_plan(&self, code: &str, year: i64) -> Plan {
        self.offer(code, [(PeriodLength::Year, Kopecks(year))].into()).await
    }

    async fn offer(&self, code: &str, prices: BTreeMap<PeriodLength, Kopecks>) -> Plan {
        let terms = PlanTerms {
            title: format!("Тариф {code}"),
            prices,
            min_seats: 1,
            max_seats: Some(100),
            currency: Currency::Rub,
            features: json!({}),
        };
        let mut unit = self.unit().await;
        let id = PlanId::generate(&self.clock);
        let code = code.parse().unwrap();
        let plan = subscriptions::set_plan(&mut unit, id, self.widget.id, &code, &terms, self.clock.now());
        let plan = plan.await.unwrap();
        unit.commit().await.unwrap();
        plan
    }

    pub(crate) fn settings(&self) -> SubscriptionSettings {
        settings_of(&self.widget)
    }

    pub(crate) async fn row(&self) -> SubscriptionRow {
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        subscriptions::find_subscription_of_install(&mut conn, self.install).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self) -> SubscriptionState {
        self.row().await.subscription.state
    }

    pub(crate) async fn access(&self) -> Access {
        self.row().await.subscription.access(self.clock.now(), &self.settings())
    }

    pub(crate) async fn quote(&self, change: Change) -> StoredQuote {
        let mut unit = self.unit().await;
        let row =
            subscriptions::find_subscription_of_install(&mut unit, self.install).await.unwrap().unwrap();
        let (quote, _) = create_quote(&mut unit, &self.clock, &row, change, Actor::User(USER)).await.unwrap();
        unit.commit().await.unwrap();
        quote
    }

    pub(crate) async fn lock(&self, unit: &mut UnitOfWork) -> SubscriptionRow {
        subscriptions::lock_subscription_of_install(unit, self.install).await.unwrap().unwrap()
    }

    pub(crate) async fn apply_as(&self, quote: QuoteId, key: &str) -> Result<ApplyOutcome, ApplyError> {
        let mut unit = self.unit().await;
        let row = self.lock(&mut unit).await;
        let request = ApplyRequest { quote, key, actor: Actor::User(USER) };
        let outcome = apply_quote(&mut unit, &self.clock, &self.widget, &row, request).await;
        unit.commit().await.unwrap();
        outcome
    }

    /// Applies a quote under a new key; returns the invoice, if there is something to pay.
    pub(crate) async fn apply(&self, quote: &StoredQuote) -> Option<Invoice> {
        self.keys.set(self.keys.get() + 1);
        let outcome = self.apply_as(quote.id, &format!("key-{}", self.keys.get())).await.unwrap();
        let ApplyOutcome::Applied { invoice, .. } = outcome else { panic!("not applied: {outcome:?}") };
        let invoice = invoice.map(|invoice| *invoice);
        if let Some(invoice) = &invoice {
            assert_eq!((&invoice.lines, invoice.total), (&quote.lines, quote.total), "quote = invoice");
        }
        invoice
    }

    pub(crate) async fn settle(&self, invoice: InvoiceId) -> SettleOutcome {
        let mut unit = self.unit().await;
        let settlement = Settlement { paid_at: self.clock.now(), means: "form", actor: Actor::Bank };
        let outcome = settle_invoice(&mut unit, &self.clock, invoice, settlement).await.unwrap();
        unit.commit().await.unwrap();
        outcome
    }

    /// Buys a first period and pays it.
    pub(crate) async fn buy(&self, plan: &Plan, seats: u32) -> Invoice {
        let change = Change::Start { plan: plan.id, seats, length: PeriodLength::Month };
        let invoice = self.apply(&self.quote(change).await).await.unwrap();
        assert_eq!(self.settle(invoice.id).await, SettleOutcome::Settled);
        invoice
    }

    /// Saves a card at the terminal of the environment with the consent of its owner, as the payment of an invoice does.
    pub(crate) async fn save_card(&self, invoice: &Invoice) -> (CardId, Option<InvoiceId>) {
        self.agree(invoice).await;
        self.name_card(invoice).await
    }

    /// The payer of an invoice agrees to renewals.
    pub(crate) async fn agree(&self, invoice: &Invoice) {
        let mut unit = self.unit().await;
        let offer = ("2026-11", "Я согласен на списания");
        record_consent(&mut unit, &self.clock, invoice, USER, offer, "203.0.113.7").await.unwrap();
        unit.commit().await.unwrap();
    }

    /// The bank names the card of an invoice's payment.
    pub(crate) async fn name_card(&self, invoice: &Invoice) -> (CardId, Option<InvoiceId>) {
        let card = CardId::generate(&self.clock);
        let mut unit = self.unit().await;
        let saved = NewCard {
            id: card,
            install_id: self.install,
            terminal_key: "1700000000000DEMO",
            payment_row_id: InvoicePaymentId::generate(&self.clock),
            rebill_sealed: "sealed",
            pan: Some("220138******0013"),
            now: self.clock.now(),
        };
        invoice_payments::insert_card(&mut unit, &saved).await.unwrap();
        let row = self.lock(&mut unit).await;
        let tried = bind_card(&mut unit, &self.clock, &row, invoice.id, card).await.unwrap();
        unit.commit().await.unwrap();
        (card, tried)
    }

    /// Buys a first period of one seat, and saves the card; returns its invoice and the card.
    pub(crate) async fn buy_with_card(&self) -> (Invoice, CardId) {
        let plan = self.plan("pro", 31_000, 310_000).await;
        let first = self.buy(&plan, 1).await;
        let (card, _) = self.save_card(&first).await;
        (first, card)
    }

    /// Begins or stops to sell subscriptions; returns how many go on that had a step to wait with.
    pub(crate) async fn sell_subscriptions(&self, sells: bool) -> u64 {
        let switch = "UPDATE widgets SET uses_subscriptions = ?";
        sqlx::query(switch).bind(sells).execute(self.outbox.pool()).await.unwrap();
        if !sells {
            return 0;
        }
        let begun = begin_sale(&self.outbox, &trace(), &self.stored_widget().await).await.unwrap();
        begun.resumed
    }

    /// The account disables the integration now, or installs it again.
    pub(crate) async fn set_installed(&self, installed: bool) {
        let write = if installed {
            "UPDATE installs SET status = 'active', granted_at = ?"
        } else {
            "UPDATE installs SET status = 'uninstalled', granted_at = created_at, disconnected_at = ?"
        };
        sqlx::query(write).bind(self.clock.now()).execute(self.outbox.pool()).await.unwrap();
    }

    /// The widget as it is now.
    pub(crate) async fn stored_widget(&self) -> Widget {
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        widgets::find(&mut conn, self.widget.id).await.unwrap().unwrap()
    }

    pub(crate) async fn may_charge(&self, card: CardId) -> bool {
        let mut unit = self.unit().await;
        let row = self.lock(&mut unit).await;
        let consented = invoice_payments::lock_consented_card(&mut unit, card, row.id).await.unwrap();
        row.card_id == Some(card) && consented.is_some()
    }

    pub(crate) async fn fail(&self, invoice: InvoiceId, class: ErrorClass) -> Option<DateTime<Utc>> {
        let mut unit = self.unit().await;
        let failed = FailedCharge { class, code: "1051", automatic: true };
        let next = record_failed_charge(&mut unit, &self.clock, invoice, failed).await.unwrap();
        unit.commit().await.unwrap();
        next
    }

    /// Lets the scheduler remind in time of the end of the first period, a month, and moves to that end.
    pub(crate) async fn reach_first_boundary(&self) {
        self.set("2026-12-29T07:00:00Z");
        assert_eq!(self.run_due().await, [DueStep::RemindCharge(3)]);
        self.set("2026-12-31T21:00:00Z");
    }

    /// The open invoice of the second period, on its first day.
    pub(crate) async fn open_renewal(&self) -> Invoice {
        self.reach_first_boundary().await;
        self.run_due().await;
        self.open_invoice().await.unwrap()
    }

    /// Performs what is due until nothing is; returns the steps.
    pub(crate) async fn run_due(&self) -> Vec<DueStep> {
        let mut steps = Vec::new();
        loop {
            let mut conn = self.outbox.pool().acquire().await.unwrap();
            let due = find_due(&mut conn, self.clock.now(), 10).await.unwrap();
            drop(conn);
            let Some(id) = due.first() else { return steps };
            let mut unit = self.unit().await;
            steps.push(perform_due_step(&mut unit, &self.clock, *id).await.unwrap().step);
            unit.commit().await.unwrap();
            assert!(steps.len() < 50, "the scheduler does not come to rest: {steps:?}");
        }
    }

    pub(crate) async fn chargeable(&self) -> Vec<InvoiceId> {
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        find_chargeable(&mut conn, self.clock.now(), 10).await.unwrap()
    }

    pub(crate) async fn open_invoice(&self) -> Option<Invoice> {
        let row = self.row().await;
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        subscriptions::find_open_invoice(&mut conn, row.id).await.unwrap()
    }

    pub(crate) async fn invoices(&self) -> Vec<Invoice> {
        let row = self.row().await;
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        subscriptions::list_invoices(&mut conn, row.id, None, 100).await.unwrap()
    }

    /// Writes void invoices: copies of one.
    pub(crate) async fn write_void_copies(&self, of: InvoiceId, count: u32) {
        for _ in 0..count {
            sqlx::query(
                "INSERT INTO subscription_invoices (id, subscription_id, install_id, widget_id, vendor_id, kind, state,
                     plan_id, seat_kopecks, seats, months, period_no, period_from, period_until, zone, title,
                     lines_json, total_kopecks, void_reason, created_at, updated_at)
                 SELECT ?, subscription_id, install_id, widget_id, vendor_id, kind, 'void', plan_id, seat_kopecks, seats,
                     months, period_no, period_from, period_until, zone, title, lines_json, total_kopecks, 'superseded',
                     ?, ?
                 FROM subscription_invoices WHERE id = ?",
            )
            .bind(InvoiceId::generate(&self.clock).to_string())
            .bind(self.clock.now())
            .bind(self.clock.now())
            .bind(of.to_string())
            .execute(self.outbox.pool())
            .await
            .unwrap();
        }
    }

    /// Changes that wait for the next period.
    pub(crate) async fn pending(&self) -> Vec<PendingChange> {
        let row = self.row().await;
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        subscriptions::list_pending(&mut conn, row.id).await.unwrap()
    }

    /// Names of the logged actions, oldest first.
    pub(crate) async fn actions(&self) -> Vec<String> {
        let row = self.row().await;
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        let mut listed = subscriptions::list_actions(&mut conn, row.id, 100).await.unwrap();
        listed.reverse();
        listed.into_iter().map(|action| action.action).collect()
    }

    /// Rules that the rows violate.
    pub(crate) async fn violations(&self) -> Vec<&'static str> {
        let mut conn = self.outbox.pool().acquire().await.unwrap();
        let found = subscriptions::verify_subscriptions(&mut conn, self.clock.now(), 10).await.unwrap();
        found.into_iter().map(|violation| violation.rule).collect()
    }

    pub(crate) fn set(&self, time: &str) {
        self.clock.set(at(time));
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }
}
