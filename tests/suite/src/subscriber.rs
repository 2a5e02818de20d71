//! An account that subscribes to a widget in a sandbox: for tests, the demo and benchmarks.

use anyhow::{Context as _, bail, ensure};
use flysk_crypto::aad;
use flysk_domain::id::{AccountId, InstallId, InvoiceId, InvoicePaymentId, PlanId, SubscriptionId, UserId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::subscriptions::{Change, Currency, PeriodLength, PlanTerms, SubscriptionState};
use flysk_domain::trace::Trace;
use flysk_queue::UnitOfWork;
use flysk_sandbox::{CLIENT_ID, CLIENT_SECRET, Options, PUBLIC_ORIGIN, Sandbox, TERMINAL_KEY};
use flysk_services::invoice_payments::{FormOutcome, FormRequest, open_form};
use flysk_services::subscriptions::{
    self as use_cases, Actor, ApplyOutcome, ApplyRequest, apply_quote, create_quote, record_consent,
};
use flysk_services::widgets::Registration;
use flysk_simulators::tbank::Payment;
use flysk_store::platform::installs;
use flysk_store::platform::invoice_payments::{self, Attempt};
use flysk_store::platform::subscriptions::{self, Invoice, SubscriptionRow};
use flysk_store::platform::widgets::{self, Changes, Widget};

use crate::environment::{ACCOUNT, ADMIN, seed_amocrm};

/// Price of a seat for a month.
pub const SEAT: Kopecks = Kopecks(99_000);
/// Seats of the subscription.
pub const SEATS: u32 = 3;
/// Set on the widget of every subscriber.
pub const TRIAL_DAYS: u16 = 14;

/// A sandbox with an account in the trial of a widget.
#[derive(Debug)]
pub struct Subscriber {
    /// The product and the outside services.
    pub sandbox: Sandbox,
    /// Install of the widget in the account.
    pub install: InstallId,
    /// In its trial at the start.
    pub subscription: SubscriptionId,
    /// The plan on offer.
    pub plan: PlanId,
}

impl Subscriber {
    /// Starts a sandbox, registers a widget with a plan, and installs it.
    pub async fn open(options: Options) -> anyhow::Result<Self> {
        let sandbox = Sandbox::start(options).await?;
        seed_amocrm(&sandbox.amocrm.state)?;
        let widget = register(&sandbox).await?;
        let plan = offer(&sandbox, &widget).await?;
        let installed = sandbox.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await?;
        ensure!(installed.status == Some(200), "the redirect URI responded with {:?}", installed.status);
        sandbox.run_due().await?;
        let mut conn = sandbox.pool.acquire().await?;
        let install = installs::find_in_account(&mut conn, widget.id, AccountId(ACCOUNT)).await?;
        let install = install.context("the widget is not installed")?.id;
        let row = subscriptions::find_subscription_of_install(&mut conn, install).await?;
        let subscription = row.context("no trial began with the install")?.id;
        // Tokens are the subject of other tests: their renewals would be most of a year's jobs.
        sqlx::query("UPDATE install_tokens SET state = 'refused'").execute(&mut *conn).await?;
        drop(conn);
        Ok(Self { sandbox, install, subscription, plan })
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> anyhow::Result<UnitOfWork> {
        let trace = Trace { correlation_id: "subscriber".to_owned(), traceparent: None };
        Ok(self.sandbox.outbox().begin(trace).await?)
    }

    /// The subscription now.
    pub async fn row(&self) -> anyhow::Result<SubscriptionRow> {
        let mut conn = self.sandbox.pool.acquire().await?;
        let row = subscriptions::find_subscription(&mut conn, self.subscription).await?;
        row.context("the subscription is gone")
    }

    /// Buys a month for [`SEATS`] and pays on the bank's form, with the consent to renewals.
    pub async fn buy(&self, card: &str) -> anyhow::Result<()> {
        let change = Change::Start { plan: self.plan, seats: SEATS, length: PeriodLength::Month };
        let invoice = self.order(change).await?.context("a start costs money")?;
        let attempt = self.open_form(invoice.id, true).await?;
        self.pay(&attempt, card)?;
        self.sandbox.run_due().await?;
        let state = self.row().await?.subscription.state;
        ensure!(state == SubscriptionState::Active, "the subscription is {state}");
        Ok(())
    }

    /// Quotes a change and applies the quote; returns the invoice to pay, if there is something to pay.
    pub async fn order(&self, change: Change) -> anyhow::Result<Option<Invoice>> {
        self.order_for(self.subscription, change).await
    }

    /// The same for another subscription of the sandbox.
    pub async fn order_for(
        &self,
        subscription: SubscriptionId,
        change: Change,
    ) -> anyhow::Result<Option<Invoice>> {
        let clock = &self.sandbox.clock;
        let actor = Actor::User(UserId(ADMIN));
        let mut unit = self.begin().await?;
        let row = subscriptions::lock_subscription(&mut unit, subscription).await?;
        let (quote, _) = create_quote(&mut unit, clock, &row, change, actor).await?;
        let key = format!("key-{:016x}", rand::random::<u64>());
        let request = ApplyRequest { quote: quote.id, key: &key, actor };
        let widget = widgets::find(&mut unit, row.widget_id).await?.context("the widget is gone")?;
        let applied = apply_quote(&mut unit, clock, &widget, &row, request).await?;
        let ApplyOutcome::Applied { invoice, .. } = applied else { bail!("not applied: {applied:?}") };
        unit.commit().await?;
        Ok(invoice.map(|invoice| *invoice))
    }

    /// Opens the bank's form for an invoice, with the consent to renewals if the card is to be saved.
    pub async fn open_form(&self, id: InvoiceId, save_card: bool) -> anyhow::Result<Attempt> {
        self.open_form_at(TERMINAL_KEY, id, save_card).await
    }

    /// The same at another terminal.
    pub async fn open_form_at(
        &self,
        terminal_key: &str,
        id: InvoiceId,
        save_card: bool,
    ) -> anyhow::Result<Attempt> {
        let clock = &self.sandbox.clock;
        let mut unit = self.begin().await?;
        let invoice = subscriptions::find_invoice(&mut unit, id).await?.context("the invoice is gone")?;
        subscriptions::lock_subscription(&mut unit, invoice.subscription_id).await?;
        let keyring = &self.sandbox.executor.app().keyring;
        let sealed = keyring.seal_email("buh@example.test", &aad::invoice_contact(id))?;
        use_cases::set_contact(&mut unit, clock, id, &sealed).await?;
        if save_card {
            let offer = ("2027-01", "Согласен на автоматическое продление");
            record_consent(&mut unit, clock, &invoice, UserId(ADMIN), offer, "203.0.113.9").await?;
        }
        let request = FormRequest { save_card, terminal_key };
        let opened = open_form(&mut unit, clock, id, request).await?;
        unit.commit().await?;
        let FormOutcome::Opening(attempt) = opened else { bail!("no form: {opened:?}") };
        self.sandbox.run_due().await?;
        self.attempt(attempt).await
    }

    /// An attempt to pay.
    pub async fn attempt(&self, id: InvoicePaymentId) -> anyhow::Result<Attempt> {
        let mut conn = self.sandbox.pool.acquire().await?;
        invoice_payments::find_attempt(&mut conn, id).await?.context("the attempt is gone")
    }

    /// Pays on the bank's form.
    pub fn pay(&self, attempt: &Attempt, card: &str) -> anyhow::Result<Payment> {
        let payment = attempt.payment_id.as_deref().context("the form is not open")?;
        Ok(self.sandbox.bank.state.pay(payment, card)?)
    }

    /// Invoices, oldest first.
    pub async fn invoices(&self) -> anyhow::Result<Vec<Invoice>> {
        let mut conn = self.sandbox.pool.acquire().await?;
        let mut all = subscriptions::list_invoices(&mut conn, self.subscription, None, 20_000).await?;
        all.reverse();
        Ok(all)
    }

    /// Attempts to pay an invoice, oldest first.
    pub async fn attempts(&self, invoice: InvoiceId) -> anyhow::Result<Vec<Attempt>> {
        let mut conn = self.sandbox.pool.acquire().await?;
        Ok(invoice_payments::list_attempts(&mut conn, invoice).await?)
    }
}

async fn register(sandbox: &Sandbox) -> anyhow::Result<Widget> {
    let wanted = Registration {
        code: "flysense".to_owned(),
        name: "FlySense".to_owned(),
        crm: Crm::Amocrm,
        client_uuid: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned().into(),
        redirect_uri: format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"),
    };
    let mut conn = sandbox.pool.acquire().await?;
    let issued = sandbox.executor.app().vault.widgets().register(&mut conn, &wanted).await?;
    let changes =
        Changes { uses_subscriptions: Some(true), trial_days: Some(TRIAL_DAYS), ..Changes::default() };
    widgets::update(&mut conn, issued.id, &changes, sandbox.now()).await?;
    widgets::find(&mut conn, issued.id).await?.context("the widget is gone")
}

async fn offer(sandbox: &Sandbox, widget: &Widget) -> anyhow::Result<PlanId> {
    let terms = PlanTerms {
        title: "Про".to_owned(),
        prices: [(PeriodLength::Month, SEAT), (PeriodLength::Year, Kopecks(990_000))].into(),
        min_seats: 1,
        max_seats: None,
        currency: Currency::Rub,
        features: serde_json::json!({}),
    };
    terms.check()?;
    let mut tx = sandbox.pool.begin().await?;
    let (id, code) = (PlanId::generate(&sandbox.clock), "pro".parse()?);
    let plan = subscriptions::set_plan(&mut tx, id, widget.id, &code, &terms, sandbox.now()).await?;
    tx.commit().await?;
    Ok(plan.id)
}
