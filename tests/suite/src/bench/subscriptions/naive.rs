//! The peer of renewals: one after the other, under the lock of the subscription.

use anyhow::Context as _;
use flysk_clients::http::HttpOptions;
use flysk_clients::tbank::{
    ChargeRequest, Config, FfdVersion, InitRequest, PaymentMethod, PaymentObject, Receipt, ReceiptItem,
    TBank, Taxation, Terminal, Vat,
};
use flysk_domain::money::Kopecks;
use flysk_store::Pool;

use crate::bench::role::NaiveRenewals;

impl NaiveRenewals {
    /// Renews all: locks the subscription, calls `Init` and `Charge`, writes payment, invoice and period.
    pub(in crate::bench) async fn run(self) -> anyhow::Result<()> {
        let pool = flysk_store::connect(&self.database_url, 1).await?;
        let bank = TBank::new(Config {
            base_url: self.bank_url.parse()?,
            terminal: Terminal { key: self.terminal.clone(), password: self.password.clone().into() },
            http: HttpOptions::default(),
        })?;
        for invoice in &self.invoices {
            self.renew(&pool, &bank, invoice).await.with_context(|| invoice.clone())?;
        }
        pool.close().await;
        Ok(())
    }

    async fn renew(&self, pool: &Pool, bank: &TBank, invoice: &str) -> anyhow::Result<()> {
        let mut tx = pool.begin().await?;
        let (subscription, total): (String, i64) = sqlx::query_as(
            "SELECT s.id, i.total_kopecks FROM subscription_invoices i
             JOIN subscriptions s ON s.id = i.subscription_id WHERE i.id = ? AND i.state = 'open' FOR UPDATE",
        )
        .bind(invoice)
        .fetch_one(&mut *tx)
        .await?;
        let order = format!("naive-{}", &invoice[4..]);
        let total = Kopecks(total);
        let request = InitRequest { receipt: Some(receipt(total)), ..InitRequest::new(order, total) };
        let opened = bank.init(&request).await?;
        let request = ChargeRequest { payment_id: opened.payment_id, rebill_id: self.rebill.clone().into() };
        let payment = bank.charge(&request).await?;
        sqlx::query(
            "UPDATE subscription_invoices SET state = 'paid', open_slot = NULL, charge_at = NULL, failure_code = ?,
                 paid_at = NOW(6), paid_by = 'card' WHERE id = ?",
        )
        .bind(payment.payment_id)
        .bind(invoice)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "UPDATE subscriptions SET state = 'active', period_no = period_no + 1, period_from = period_until,
                 period_until = period_until + INTERVAL 1 MONTH WHERE id = ?",
        )
        .bind(subscription)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// A receipt of one line: the terminal has a cash register and demands one.
fn receipt(total: Kopecks) -> Receipt {
    let line = ReceiptItem {
        name: "Подписка".to_owned(),
        price: total,
        quantity: 1,
        amount: total,
        tax: Vat::None,
        payment_method: PaymentMethod::FullPrepayment,
        payment_object: PaymentObject::Service,
        measurement_unit: None,
    };
    Receipt {
        ffd_version: FfdVersion::V1_05,
        taxation: Taxation::UsnIncome,
        email: Some("buh@example.test".to_owned()),
        phone: None,
        items: vec![line],
    }
}
