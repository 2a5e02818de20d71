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

const COPIES_PER_TRANSACTION: u32 = 250;
/// Accounts of copies are numbered from here.
const FIRST_ACCOUNT: u64 = 900_000_000;

/// Copies one paid subscription with its card.
pub(in crate::bench) struct Crowd<'a> {
    pool: &'a Pool,
    keyring: &'a Keyring,
    clock: &'a SimClock,
    install: InstallId,
    subscription: SubscriptionId,
    card: CardId,
    consent: String,
    /// The invoice of the purchase; it has the address of receipts.
    purchase: String,
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
        let purchase = find_purchase(&sandbox.pool, row.id).await?;
        let known = sandbox.bank.state.payments().iter().find_map(|payment| payment.rebill_id);
        Ok(Self {
            pool: &sandbox.pool,
            keyring: &sandbox.executor.app().keyring,
            clock: &sandbox.clock,
            install: row.install_id,
            subscription: row.id,
            card,
            consent,
            purchase,
            rebill: known.context("the bank saved no card")?.to_string().into(),
            next_account: FIRST_ACCOUNT,
            rows: RowCopier::default(),
        })
    }

    /// The same for the only subscription with a card in a database, whose sandbox is another process.
    pub(in crate::bench) async fn of_database(
        pool: &'a Pool,
        keyring: &'a Keyring,
        clock: &'a SimClock,
    ) -> anyhow::Result<Self> {
        let (install, subscription, card, consent, sealed): (String, String, String, String, String) =
            sqlx::query_as(
                "SELECT s.install_id, s.id, c.id, k.id, c.rebill_sealed FROM subscriptions s
                 JOIN payment_cards c ON c.id = s.card_id JOIN subscription_consents k ON k.card_id = c.id",
            )
            .fetch_one(pool)
            .await?;
        let (card, subscription): (CardId, SubscriptionId) = (card.parse()?, subscription.parse()?);
        let purchase = find_purchase(pool, subscription).await?;
        Ok(Self {
            pool,
            keyring,
            clock,
            install: install.parse()?,
            subscription,
            card,
            consent,
            purchase,
            rebill: keyring.open(&sealed, &aad::card_rebill(card))?,
            next_account: FIRST_ACCOUNT,
            rows: RowCopier::default(),
        })
    }

    /// Adds active subscriptions, which are renewed on the same day as the first.
    pub(in crate::bench) async fn add_active(mut self, count: u32) -> anyhow::Result<()> {
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
        self.copy_invoice(conn, &self.purchase.clone(), (install, subscription), &[]).await?;
        let Some(renewal) = renewal else { return Ok(None) };
        let due = [("charge_at", clock.now().format("%F %T").to_string())];
        self.copy_invoice(conn, &renewal.to_string(), (install, subscription), &due).await.map(Some)
    }

    async fn copy_invoice(
        &mut self,
        conn: &mut Conn,
        from: &str,
        (install, subscription): (InstallId, SubscriptionId),
        changed: &[(&str, String)],
    ) -> anyhow::Result<InvoiceId> {
        let invoice = InvoiceId::generate(self.clock);
        let contact = self.keyring.seal(&"buh@example.test".into(), &aad::invoice_contact(invoice))?;
        let mut own = vec![
            ("id", invoice.to_string()),
            ("subscription_id", subscription.to_string()),
            ("install_id", install.to_string()),
            ("contact_sealed", contact),
        ];
        own.extend_from_slice(changed);
        self.rows.copy(conn, "subscription_invoices", from, &own).await?;
        Ok(invoice)
    }
}

async fn find_purchase(pool: &Pool, subscription: SubscriptionId) -> anyhow::Result<String> {
    let paid = "SELECT id FROM subscription_invoices WHERE subscription_id = ? AND state = 'paid' LIMIT 1";
    Ok(sqlx::query_scalar(paid).bind(subscription.to_string()).fetch_one(pool).await?)
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
