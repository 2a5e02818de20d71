//! `flysk-worker subscription:*`, `invoice:*`, `purchase:*` and `purchases:*`: what customers pay for.

use clap::Subcommand;
use flysk_workers::config::Config;

use super::{invoice, purchase, subscription, subscription_end};

/// Commands about subscriptions, their invoices, and purchases of Flycoins.
#[derive(Debug, Subcommand)]
pub(super) enum BillingCommand {
    /// Show the subscription of an account: state, access, terms, invoices and log.
    #[command(name = "subscription:show")]
    SubscriptionShow(subscription::Show),
    /// Check the invariants of all subscriptions.
    ///
    /// Exits with a non-zero status on a violation. Also runs automatically every hour.
    #[command(name = "subscription:verify")]
    SubscriptionVerify(subscription::Verify),
    /// Charge the next period of a subscription now.
    ///
    /// The period follows the paid one, so no day is paid twice. Without a card the invoice waits for the customer.
    #[command(name = "subscription:renew")]
    SubscriptionRenew(subscription::Renew),
    /// Grant days to a subscription or a trial.
    ///
    /// The next boundary moves once, and later periods follow it. After an end, the days reinstate the subscription.
    #[command(name = "subscription:bonus")]
    SubscriptionBonus(subscription::Bonus),
    /// Cancel a subscription for its customer: at the end of the period, or at once while the next one is unpaid.
    #[command(name = "subscription:cancel")]
    SubscriptionCancel(subscription::Cancel),
    /// End a subscription at once whose current period was refunded whole.
    ///
    /// `subscription:bonus` afterwards gives as much access as is to be granted.
    #[command(name = "subscription:end-refunded")]
    SubscriptionEndRefunded(subscription_end::End),
    /// End the review of a subscription that was not renewed for more than its grace.
    ///
    /// It ends as unpaid, and the customer may start anew. `subscription:bonus` afterwards gives time to do so.
    #[command(name = "subscription:end-review")]
    SubscriptionEndReview(subscription_end::End),
    /// Reinstate a subscription that has ended, while the period after its last one runs.
    ///
    /// The invoice of that period is open again and waits for its payment. Nothing is charged: `subscription:renew` charges a
    /// card that is still linked.
    #[command(name = "subscription:reinstate")]
    SubscriptionReinstate(subscription::Reinstate),
    /// Void an open invoice. Voiding that of a renewal ends the subscription.
    #[command(name = "invoice:void")]
    InvoiceVoid(invoice::OnInvoice),
    /// Refund a paid invoice, whole or in part.
    ///
    /// Without `--yes` it prints the fair share, the part of the days that are not used, and what was refunded so far. `--yes` needs that
    /// amount as well: a command that is run twice refunds once. A next period that was paid ahead does not begin once it is refunded whole.
    #[command(name = "invoice:refund")]
    InvoiceRefund(invoice::Refund),
    /// Mark an open invoice as paid outside of Flysk, such as by a bank transfer.
    #[command(name = "invoice:mark-paid")]
    InvoiceMarkPaid(invoice::OnInvoice),
    /// End the payment that keeps an invoice from being paid by another one, after checking in the T-Bank merchant portal that it
    /// holds no money.
    ///
    /// Only a payment that contradicts the bank, or that the bank has not decided in its time. Money that arrives nevertheless
    /// is taken or returned.
    #[command(name = "invoice:clear-lock")]
    InvoiceClearLock(invoice::OnInvoice),
    /// Decide about the closing receipt of an invoice after looking into the portal of the cash register.
    ///
    /// Only a receipt whose answer was lost, or that was not registered although its period is over.
    #[command(name = "invoice:receipt")]
    InvoiceReceipt(invoice::Receipt),
    /// Show a purchase: state, price, coins, the last status from the bank, and refunds.
    #[command(name = "purchase:show")]
    PurchaseShow(purchase::PurchaseRef),
    /// Query the bank for the current status of a purchase and of all payments of its order.
    ///
    /// Enqueues a job and returns; `purchase:show` then shows the result.
    #[command(name = "purchase:refresh")]
    PurchaseRefresh(purchase::PurchaseRef),
    /// End the review of a purchase after checking it in the T-Bank merchant portal.
    ///
    /// A purchase with credited coins becomes `paid`, one without becomes `failed`. Nothing is sent to the bank. Fails
    /// if the purchase has no discrepancy.
    #[command(name = "purchase:resolve-review")]
    PurchaseResolveReview(purchase::PurchaseRef),
    /// Refund the unspent coins of a purchase.
    ///
    /// The coins are withdrawn at once; a job then refunds the money through the bank.
    #[command(name = "purchase:refund")]
    PurchaseRefund(purchase::Refund),
    /// Compare the purchases of a day with the bank, order by order.
    ///
    /// Enqueues a job and returns; `purchases:discrepancies` then lists the result. Also runs automatically every night.
    #[command(name = "purchases:reconcile")]
    PurchasesReconcile(purchase::Day),
    /// List the discrepancies found by the reconciliation of a day.
    #[command(name = "purchases:discrepancies")]
    PurchasesDiscrepancies(purchase::Day),
}

impl BillingCommand {
    /// Performs the command.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self {
            Self::SubscriptionShow(show) => show.run(config).await,
            Self::SubscriptionVerify(verify) => verify.run(config).await,
            Self::SubscriptionRenew(renew) => renew.run(config).await,
            Self::SubscriptionBonus(bonus) => bonus.run(config).await,
            Self::SubscriptionCancel(cancel) => cancel.run(config).await,
            Self::SubscriptionEndRefunded(end) => end.refunded(config).await,
            Self::SubscriptionEndReview(end) => end.review(config).await,
            Self::SubscriptionReinstate(reinstate) => reinstate.run(config).await,
            Self::InvoiceVoid(invoice) => invoice.void(config).await,
            Self::InvoiceRefund(refund) => refund.run(config).await,
            Self::InvoiceMarkPaid(invoice) => invoice.mark_paid(config).await,
            Self::InvoiceClearLock(invoice) => invoice.clear_lock(config).await,
            Self::InvoiceReceipt(receipt) => receipt.run(config).await,
            Self::PurchaseShow(one) => one.show(config).await,
            Self::PurchaseRefresh(one) => one.refresh(config).await,
            Self::PurchaseResolveReview(one) => one.resolve_review(config).await,
            Self::PurchaseRefund(refund) => refund.run(config).await,
            Self::PurchasesReconcile(day) => day.reconcile(config).await,
            Self::PurchasesDiscrepancies(day) => day.discrepancies(config).await,
        }
    }
}
