//! `flysk-worker invoice:*`: acts of operators on an invoice of a subscription.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use clap::{ArgGroup, Args};
use flysk_domain::TextEnum as _;
use flysk_domain::id::InvoiceId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::InvoiceState;
use flysk_services::invoice_payments::{RefundOrder, request_refund};
use flysk_services::subscriptions::{self as services, Actor, OperatorAct, ReceiptDecision, settings_of};
use flysk_store::platform::subscriptions::Invoice;
use flysk_store::platform::{subscriptions, widgets};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::{Value, json};

use super::by::By;
use super::record::{Act, record};
use super::trace::trace;
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
            let after = json!({ "state": InvoiceState::Void.as_str(), "operator": act.operator });
            record(&mut unit, clock, recorded("invoice.void", &invoice, act, after)).await?;
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
            let clock = outbox.clock().as_ref();
            let found = subscriptions::find_invoice(&mut unit, self.invoice).await?;
            let invoice = found.context("there is no such invoice")?;
            services::mark_paid(&mut unit, clock, self.invoice, act).await?;
            let after = json!({ "state": InvoiceState::Paid.as_str(), "operator": act.operator });
            record(&mut unit, clock, recorded("invoice.mark_paid", &invoice, act, after)).await?;
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
            let found = subscriptions::find_invoice(&mut unit, self.invoice).await?;
            let invoice = found.context("there is no such invoice")?;
            let ended = services::clear_payment_lock(&mut unit, clock, self.invoice, act).await?;
            let after = json!({ "ended_payment": ended, "operator": act.operator });
            record(&mut unit, clock, recorded("invoice.clear_lock", &invoice, act, after)).await?;
            unit.commit().await?;
            Ok(ended)
        };
        let ended = transact(clear).await?;
        writeln!(std::io::stdout(), "Payment {ended} is ended: invoice {} can be paid again.", self.invoice)?;
        Ok(())
    }
}

/// Record of an act on an invoice for the audit log; `invoice` is as it was before.
fn recorded<'a>(action: &'a str, invoice: &Invoice, act: OperatorAct<'a>, after: Value) -> Act<'a> {
    let before = json!({
        "state": invoice.state.as_str(),
        "total_kopecks": invoice.total,
        "refunded_kopecks": invoice.refunded,
    });
    Act { action, subject: ("invoice", invoice.id.to_string()), reason: act.reason, before, after }
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
    /// Amount in kopecks that was refunded before this refund, 0 for a first one. If it is another amount by now, nothing is refunded: so
    /// a command that is run twice refunds once.
    #[arg(long, value_name = "KOPECKS")]
    refunded_so_far: Option<i64>,
    /// Refund, instead of printing what would be fair. Needs `--refunded-so-far`.
    #[arg(long, requires = "refunded_so_far")]
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
                "Fair today: {share} roubles (--kopecks {}). At most {left} kopecks. Repeat with --yes \
                 --refunded-so-far {}.",
                share.0,
                invoice.refunded.0
            )?;
            return Ok(());
        }
        let seen = self.refunded_so_far.map(Kopecks);
        let refund = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            subscriptions::lock_subscription(&mut unit, invoice.subscription_id).await?;
            let refunded = subscriptions::lock_invoice(&mut unit, self.invoice).await?.refunded;
            ensure!(
                seen == Some(refunded),
                "{} kopecks of the invoice are refunded by now: look at it without --yes, and repeat with this \
                 amount in --refunded-so-far if more is to be refunded",
                refunded.0
            );
            let actor = Actor::Operator(act.operator).to_string();
            let order = RefundOrder {
                invoice_id: self.invoice,
                kopecks: self.kopecks.map(Kopecks),
                actor: &actor,
                reason: act.reason,
            };
            let refund = request_refund(&mut unit, clock, order).await?;
            let after = json!({
                "refund": refund.id, "refund_kopecks": refund.amount, "payment": refund.payment_row_id,
                "operator": act.operator,
            });
            record(&mut unit, clock, recorded("invoice.refund", &invoice, act, after)).await?;
            unit.commit().await?;
            Ok(refund.amount)
        };
        let amount = transact(refund).await?;
        writeln!(std::io::stdout(), "{amount} roubles of invoice {} are being refunded.", self.invoice)?;
        Ok(())
    }
}

/// What the portal of the cash register shows of a closing receipt.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("decision").required(true).args(["registered", "send_again"])))]
pub(super) struct Receipt {
    /// Id of the invoice.
    invoice: InvoiceId,
    /// The receipt is registered: by the request whose answer was lost, or by hand.
    #[arg(long)]
    registered: bool,
    /// No receipt is registered: send it again.
    #[arg(long)]
    send_again: bool,
    #[command(flatten)]
    by: By,
}

impl Receipt {
    /// Ends the doubt about the closing receipt, or has a job send it.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let found = if self.registered { ReceiptDecision::Registered } else { ReceiptDecision::SendAgain };
        let decide = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let clock = outbox.clock().as_ref();
            let receipt = services::decide_receipt(&mut unit, clock, self.invoice, found, act).await?;
            let decision = if self.registered { "registered" } else { "again" };
            let told = Act {
                action: "invoice.decide_receipt",
                subject: ("invoice", self.invoice.to_string()),
                reason: act.reason,
                before: json!({ "state": receipt.state.as_str() }),
                after: json!({ "receipt": receipt.id, "decision": decision, "operator": act.operator }),
            };
            record(&mut unit, clock, told).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(decide).await?;
        let told = if self.send_again { "is being sent again" } else { "counts as registered" };
        writeln!(std::io::stdout(), "The closing receipt of invoice {} {told}.", self.invoice)?;
        Ok(())
    }
}
