//! `flysk-worker purchase:*` and `purchases:*`: inspecting, refunding and reconciling purchases.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use chrono::{Days, NaiveDate};
use clap::Args;
use flysk_domain::TextEnum;
use flysk_domain::id::PurchaseId;
use flysk_domain::money::Kopecks;
use flysk_domain::trace::Trace;
use flysk_domain::{Randomness as _, SystemRandomness};
use flysk_jobs::platform::billing::{ReconcileDay, ReconcilePayment};
use flysk_services::purchases::{RefundRequest, request_refund, resolve_review};
use flysk_store::Conn;
use flysk_store::platform::purchases::{self, Purchase};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::json;

use super::record::{Act, record};
use super::transaction::transact;

/// The purchase to use.
#[derive(Debug, Args)]
pub(super) struct PurchaseRef {
    /// Id of the purchase: `pur_…`.
    purchase: PurchaseId,
}

/// The refund to request.
#[derive(Debug, Args)]
pub(super) struct Refund {
    /// Id of the purchase: `pur_…`.
    purchase: PurchaseId,
    #[command(flatten)]
    size: RefundSize,
}

/// Amount of the refund. It must be given, so that no refund is complete by mistake.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RefundSize {
    /// Amount in kopecks.
    #[arg(long)]
    kopecks: Option<i64>,
    /// The value of all unspent coins.
    #[arg(long)]
    all: bool,
}

/// The day to reconcile.
#[derive(Debug, Args)]
pub(super) struct Day {
    /// Day in UTC; yesterday by default.
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: Option<NaiveDate>,
}

impl PurchaseRef {
    /// Prints the purchase with its refunds.
    pub(super) async fn show(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let purchase = find(&mut conn, self.purchase).await?;
        let refunds = purchases::list_refunds(&mut conn, purchase.id).await?;
        let mut out = std::io::stdout().lock();
        let or_none = |text: Option<&str>| text.unwrap_or("–").to_owned();
        let status = purchase.status.as_ref().map(ToString::to_string);
        writeln!(out, "{}  {}", purchase.id, purchase.state.as_str())?;
        writeln!(out, "  package    {} ({})", purchase.title, purchase.package_id)?;
        writeln!(out, "  price      {} roubles, refunded {}", purchase.price, purchase.refunded)?;
        writeln!(out, "  coins      {} + {}", purchase.coins, purchase.bonus)?;
        writeln!(out, "  wallet     {} of {}", purchase.wallet_id, purchase.install_id)?;
        writeln!(
            out,
            "  payment    {} on {}",
            or_none(purchase.payment_id.as_deref()),
            purchase.terminal_key
        )?;
        writeln!(out, "  status     {}", or_none(status.as_deref()))?;
        writeln!(out, "  error      {}", or_none(purchase.error_code.as_deref()))?;
        writeln!(out, "  discrepancy {}", or_none(purchase.discrepancy.map(TextEnum::as_str)))?;
        writeln!(out, "  created    {}", purchase.created_at)?;
        for refund in refunds {
            let code = or_none(refund.error_code.as_deref());
            writeln!(
                out,
                "  refund     {} {} roubles, {} (error {code}), by {}",
                refund.id,
                refund.allocation.kopecks,
                refund.state.as_str(),
                refund.requested_by
            )?;
        }
        Ok(())
    }

    /// Enqueues a query to the bank about the purchase and all payments of its order.
    pub(super) async fn refresh(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let ask = || async {
            let mut unit = outbox.begin(trace()).await?;
            find(&mut unit, self.purchase).await?;
            unit.enqueue(&ReconcilePayment { purchase_id: self.purchase, whole_order: true }).await?;
            Ok(unit.commit().await?)
        };
        transact(ask).await?;
        writeln!(std::io::stdout(), "The bank will be queried about {}.", self.purchase)?;
        Ok(())
    }

    /// Resolves a discrepancy that the bank's answers cannot: credited coins stay, and a purchase without coins fails.
    pub(super) async fn resolve_review(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let now = outbox.clock().now();
        let close = || async {
            let mut unit = outbox.begin(trace()).await?;
            let before = find(&mut unit, self.purchase).await?;
            let resolved = resolve_review(&mut unit, self.purchase, now).await?;
            let act = Act {
                action: "purchase.resolve_review",
                subject: ("purchase", self.purchase.to_string()),
                reason: "",
                before: json!({
                    "state": before.state.as_str(),
                    "discrepancy": before.discrepancy.map(TextEnum::as_str),
                }),
                after: json!({ "state": resolved.state.as_str() }),
            };
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            unit.commit().await?;
            Ok(resolved)
        };
        let resolved = transact(close).await?;
        writeln!(
            std::io::stdout(),
            "{} is {}; the discrepancy `{}` is resolved.",
            self.purchase,
            resolved.state.as_str(),
            resolved.discrepancy
        )?;
        Ok(())
    }
}

impl Refund {
    /// Withdraws the coins now and enqueues the refund of the money.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let request = RefundRequest {
            purchase_id: self.purchase,
            kopecks: if self.size.all { None } else { self.size.kopecks.map(Kopecks) },
            requested_by: "flysk-worker",
        };
        let ask = || async {
            let mut unit = outbox.begin(trace()).await?;
            let before = find(&mut unit, self.purchase).await?;
            let clock = outbox.clock().as_ref();
            let refund = request_refund(&mut unit, &request, clock).await?;
            let act = Act {
                action: "purchase.refund",
                subject: ("purchase", self.purchase.to_string()),
                reason: "",
                before: json!({ "refunded_kopecks": before.refunded }),
                after: json!({
                    "refund": refund.id,
                    "kopecks": refund.allocation.kopecks,
                    "coins_micro": refund.allocation.coins,
                }),
            };
            record(&mut unit, clock, act).await?;
            unit.commit().await?;
            Ok(refund)
        };
        let refund = transact(ask).await?;
        let allocation = refund.allocation;
        writeln!(
            std::io::stdout(),
            "Refund {}: {} roubles for {} coins and {} bonus coins. A job sends it to the bank.",
            refund.id,
            allocation.kopecks,
            allocation.coins,
            allocation.bonus
        )?;
        Ok(())
    }
}

impl Day {
    /// Enqueues the reconciliation of a day.
    pub(super) async fn reconcile(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let today = outbox.clock().now().date_naive();
        let day = self.day.unwrap_or(today - Days::new(1));
        ensure!(day <= today, "{day} is in the future");
        let ask = || async {
            let mut unit = outbox.begin(trace()).await?;
            unit.enqueue(&ReconcileDay { day: Some(day), after: None }).await?;
            Ok(unit.commit().await?)
        };
        transact(ask).await?;
        writeln!(std::io::stdout(), "{day} will be compared; see purchases:discrepancies --day {day}.")?;
        Ok(())
    }

    /// Prints the discrepancies of a day.
    pub(super) async fn discrepancies(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let day = self.day.unwrap_or(outbox.clock().now().date_naive() - Days::new(1));
        let found = purchases::list_discrepancies(&mut *outbox.pool().acquire().await?, day).await?;
        let mut out = std::io::stdout().lock();
        if found.is_empty() {
            writeln!(out, "No discrepancies are known for {day}.")?;
        }
        for one in found {
            let payment = one.payment_id.unwrap_or_else(|| "–".to_owned());
            writeln!(
                out,
                "{:<22} order {} payment {payment}: ours {}, the bank's {}",
                one.kind, one.order_id, one.ours, one.banks
            )?;
        }
        Ok(())
    }
}

async fn find(conn: &mut Conn, id: PurchaseId) -> anyhow::Result<Purchase> {
    purchases::find_purchase(conn, id).await?.with_context(|| format!("purchase {id} not found"))
}

fn trace() -> Trace {
    Trace { correlation_id: format!("command-{:032x}", SystemRandomness.random_u128()), traceparent: None }
}
