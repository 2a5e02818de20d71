//! `flysk-worker invoice:*`: acts of operators on an invoice of a subscription.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use flysk_domain::id::InvoiceId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::InvoiceState;
use flysk_services::invoice_payments::{RefundOrder, request_refund};
use flysk_services::subscriptions::{self as services, Actor, settings_of};
use flysk_store::platform::{subscriptions, widgets};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

use super::subscription::{By, trace};
use super::transaction::transact;

/// An invoice, and who acts on it.
#[derive(Debug, Args)]
pub(super) struct OnInvoice {
    /// Id of the invoice.
    invoice: InvoiceId,
    #[command(flatten)]
    by: By,
}

impl OnInvoice {
    /// Voids the invoice; that of a renewal ends the subscription.
    pub(super) async fn void(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let void = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let invoice = subscriptions::find_invoice(&mut unit, self.invoice).await?;
            let invoice = invoice.context("there is no such invoice")?;
            let row = subscriptions::lock_subscription(&mut unit, invoice.subscription_id).await?;
            let invoice = subscriptions::lock_invoice(&mut unit, invoice.id).await?;
            let widget = widgets::find(&mut unit, row.widget_id).await?;
            let settings = settings_of(&widget.context("the widget is gone")?);
            let clock = outbox.clock().as_ref();
            services::void_invoice(&mut unit, clock, &settings, &row, &invoice, act).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(void).await?;
        writeln!(std::io::stdout(), "Invoice {} is {}.", self.invoice, InvoiceState::Void)?;
        Ok(())
    }

    /// Takes the invoice as paid outside of Flysk.
    pub(super) async fn mark_paid(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let pay = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            services::mark_paid(&mut unit, outbox.clock().as_ref(), self.invoice, act).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(pay).await?;
        writeln!(std::io::stdout(), "Invoice {} is {}.", self.invoice, InvoiceState::Paid)?;
        Ok(())
    }

    /// Ends the payment that keeps the invoice from being paid by another one.
    pub(super) async fn clear_lock(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let clear = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let clock = outbox.clock().as_ref();
            let ended = services::clear_payment_lock(&mut unit, clock, self.invoice, act).await?;
            unit.commit().await?;
            Ok(ended)
        };
        let ended = transact(clear).await?;
        writeln!(std::io::stdout(), "Payment {ended} is ended: invoice {} can be paid again.", self.invoice)?;
        Ok(())
    }
}

/// A refund of an invoice.
#[derive(Debug, Args)]
pub(super) struct Refund {
    /// Id of the invoice.
    invoice: InvoiceId,
    /// Amount in kopecks; all that is left if omitted. Without `--yes` nothing is refunded: the fair share of the unused days is
    /// printed.
    #[arg(long, value_name = "KOPECKS")]
    kopecks: Option<i64>,
    /// Refund, instead of printing what would be fair.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    by: By,
}

impl Refund {
    /// Sets the amount aside and has a job return it through the bank.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let clock = outbox.clock().as_ref();
        let found = subscriptions::find_invoice(&mut *outbox.pool().acquire().await?, self.invoice).await?;
        let invoice = found.context("there is no such invoice")?;
        if !self.yes {
            let (share, left) =
                (services::suggested_refund(&invoice, clock), invoice.total.0 - invoice.refunded.0);
            writeln!(
                std::io::stdout(),
                "Fair today: {share} roubles (--kopecks {}). At most {left} kopecks. Repeat with --yes.",
                share.0
            )?;
            return Ok(());
        }
        let refund = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let actor = Actor::Operator(act.operator).to_string();
            let order = RefundOrder {
                invoice_id: self.invoice,
                kopecks: self.kopecks.map(Kopecks),
                actor: &actor,
                reason: act.reason,
            };
            let refund = request_refund(&mut unit, clock, order).await?;
            unit.commit().await?;
            Ok(refund.amount)
        };
        let amount = transact(refund).await?;
        writeln!(std::io::stdout(), "{amount} roubles of invoice {} are being refunded.", self.invoice)?;
        Ok(())
    }
}
