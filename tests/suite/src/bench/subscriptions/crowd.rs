//! Many subscriptions, copied from one that was bought through the product.

use anyhow::Context as _;
use flysk_crypto::{Keyring, aad};
use flysk_domain::Clock as _;
use flysk_domain::id::{CardId, ConsentId, InstallId, InvoiceId, InvoicePaymentId, SubscriptionId};
use flysk_services::subscriptions::{OperatorAct, force_renewal, settings_of};
use flysk_simulators::SimClock;
use flysk_store::platform::subscriptions;
use flysk_store::platform::widgets;
use flysk_store::{Conn, Pool};
use secrecy::SecretString;

use crate::row_copy::RowCopier;
use crate::subscriber::Subscriber;

/// Copies per transaction.
const COPIES_PER_TRANSACTION: u32 = 250;
/// Accounts of copies are numbered from here.
const FIRST_ACCOUNT: u64 = 900_000_000;

/// Copies one paid subscription with its card.
pub(super) struct Crowd<'a> {
    pool: &'a Pool,
    keyring: &'a Keyring,
    clock: &'a SimClock,
    install: InstallId,
    subscription: SubscriptionId,
    card: CardId,
    consent: String,
    /// Token of the card at the simulated bank, which all copies share.
    pub(super) rebill: SecretString,
    next_account: u64,
    rows: RowCopier,
}

impl<'a> Crowd<'a> {
    /// Reads the subscription to copy, which is active and has a card.
    pub(super) async fn of(subscriber: &'a Subscriber) -> anyhow::Result<Self> {
        let sandbox = &subscriber.sandbox;
        let row = subscriber.row().await?;
        let card = row.card_id.context("the subscription has no card")?;
        let (consent,): (String,) = sqlx::query_as("SELECT id FROM subscription_consents WHERE card_id = ?")
            .bind(card.to_string())
            .fetch_one(&sandbox.pool)
            .await?;
        let known = sandbox.bank.state.payments().iter().find_map(|payment| payment.rebill_id);
        Ok(Self {
            pool: &sandbox.pool,
            keyring: &sandbox.executor.app().keyring,
            clock: &sandbox.clock,
            install: row.install_id,
            subscription: row.id,
            card,
            consent,
            rebill: known.context("the bank saved no card")?.to_string().into(),
            next_account: FIRST_ACCOUNT,
            rows: RowCopier::default(),
        })
    }

    /// Adds active subscriptions, which are renewed on the same day as the first.
    pub(super) async fn add_active(mut self, count: u32) -> anyhow::Result<()> {
        self.add(count, None).await.map(drop)
    }

    /// Adds subscriptions whose renewal waits for its charge; returns the invoices.
    pub(super) async fn add_chargeable(
        &mut self,
        count: u32,
        renewal: InvoiceId,
    ) -> anyhow::Result<Vec<InvoiceId>> {
        self.add(count, Some(renewal)).await
    }

    async fn add(&mut self, count: u32, renewal: Option<InvoiceId>) -> anyhow::Result<Vec<InvoiceId>> {
        let mut invoices = Vec::new();
        let mut left = count;
        while left > 0 {
            let mut tx = self.pool.begin().await?;
            for _ in 0..left.min(COPIES_PER_TRANSACTION) {
                invoices.extend(self.copy(&mut tx, renewal).await?);
            }
            tx.commit().await?;
            left = left.saturating_sub(COPIES_PER_TRANSACTION);
        }
        Ok(invoices)
    }

    async fn copy(
        &mut self,
        conn: &mut Conn,
        renewal: Option<InvoiceId>,
    ) -> anyhow::Result<Option<InvoiceId>> {
        let clock = self.clock;
        let (install, subscription) = (InstallId::generate(clock), SubscriptionId::generate(clock));
        let card = CardId::generate(clock);
        let account = self.next_account;
        self.next_account += 1;
        let own = [("id", install.to_string()), ("account_id", account.to_string())];
        self.rows.copy(conn, "installs", &self.install.to_string(), &own).await?;
        let own = [
            ("id", subscription.to_string()),
            ("install_id", install.to_string()),
            ("account_id", account.to_string()),
            ("card_id", card.to_string()),
        ];
        self.rows.copy(conn, "subscriptions", &self.subscription.to_string(), &own).await?;
        let own = [
            ("id", card.to_string()),
            ("install_id", install.to_string()),
            ("payment_row_id", InvoicePaymentId::generate(clock).to_string()),
            ("rebill_sealed", self.keyring.seal(&self.rebill, &aad::card_rebill(card))?),
        ];
        self.rows.copy(conn, "payment_cards", &self.card.to_string(), &own).await?;
        let own = [
            ("id", ConsentId::generate(clock).to_string()),
            ("subscription_id", subscription.to_string()),
            ("card_id", card.to_string()),
        ];
        self.rows.copy(conn, "subscription_consents", &self.consent, &own).await?;
        let Some(renewal) = renewal else { return Ok(None) };
        let invoice = InvoiceId::generate(clock);
        let contact = self.keyring.seal(&"buh@example.test".into(), &aad::invoice_contact(invoice))?;
        let own = [
            ("id", invoice.to_string()),
            ("subscription_id", subscription.to_string()),
            ("install_id", install.to_string()),
            ("contact_sealed", contact),
            ("charge_at", clock.now().format("%F %T").to_string()),
        ];
        self.rows.copy(conn, "subscription_invoices", &renewal.to_string(), &own).await?;
        Ok(Some(invoice))
    }
}

/// Opens the invoice of the next period, to be copied; it is not charged itself.
pub(super) async fn open_renewal(subscriber: &Subscriber) -> anyhow::Result<InvoiceId> {
    let clock = &subscriber.sandbox.clock;
    let mut unit = subscriber.begin().await?;
    let row = subscriptions::lock_subscription(&mut unit, subscriber.subscription).await?;
    let widget = widgets::find(&mut unit, row.widget_id).await?.context("the widget is gone")?;
    let act = OperatorAct { operator: "bench", reason: "a renewal to copy" };
    let invoice = force_renewal(&mut unit, clock, &settings_of(&widget), &row, act).await?;
    sqlx::query("UPDATE subscription_invoices SET charge_at = NULL WHERE id = ?")
        .bind(invoice.id.to_string())
        .execute(&mut *unit)
        .await?;
    unit.commit().await?;
    Ok(invoice.id)
}
