//! `flysk-worker purchase:*` and `purchases:*`: looking at purchases, giving money back, comparing with the bank.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use chrono::{Days, NaiveDate};
use clap::Args;
use flysk_domain::id::PurchaseId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::PurchaseState;
use flysk_domain::trace::Trace;
use flysk_jobs::billing::{ReconcileDay, ReconcilePayment, RefundRequest, request_refund};
use flysk_store::Conn;
use flysk_store::purchases::{self, Purchase};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

use super::transaction::transact;

/// Why a purchase failed whose review ended without coins.
const CLOSED: &str = "closed";

/// Which purchase.
#[derive(Debug, Args)]
pub(super) struct One {
    /// The purchase's id: `pur_…`.
    purchase: PurchaseId,
}

/// What is given back.
#[derive(Debug, Args)]
pub(super) struct Refund {
    /// The purchase's id: `pur_…`.
    purchase: PurchaseId,
    #[command(flatten)]
    size: RefundSize,
}

/// How much is given back; never all because nothing was said.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RefundSize {
    /// How much, in kopecks.
    #[arg(long)]
    kopecks: Option<i64>,
    /// All that unspent coins are worth.
    #[arg(long)]
    all: bool,
}

/// Which day.
#[derive(Debug, Args)]
pub(super) struct Day {
    /// The day, in UTC; yesterday if left out.
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: Option<NaiveDate>,
}

impl One {
    /// Prints how it stands, with its refunds.
    pub(super) async fn show(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let purchase = find(&mut conn, self.purchase).await?;
        let refunds = purchases::list_refunds(&mut conn, purchase.id).await?;
        let mut out = std::io::stdout().lock();
        let or_none = |text: Option<&str>| text.unwrap_or("–").to_owned();
        let status = purchase.status.as_ref().map(ToString::to_string);
        writeln!(out, "{}  {}", purchase.id, purchase.state.code())?;
        writeln!(out, "  package    {} ({})", purchase.title, purchase.package_id)?;
        writeln!(out, "  price      {} roubles, given back {}", purchase.price, purchase.refunded)?;
        writeln!(out, "  coins      {} + {}", purchase.coins, purchase.bonus)?;
        writeln!(out, "  wallet     {} of {}", purchase.wallet_id, purchase.install_id)?;
        writeln!(
            out,
            "  payment    {} on {}",
            or_none(purchase.payment_id.as_deref()),
            purchase.terminal_key
        )?;
        writeln!(out, "  bank says  {}", or_none(status.as_deref()))?;
        writeln!(out, "  error      {}", or_none(purchase.error_code.as_deref()))?;
        writeln!(out, "  doubt      {}", or_none(purchase.doubt.as_deref()))?;
        writeln!(out, "  begun      {}", purchase.created_at)?;
        for refund in refunds {
            let code = or_none(refund.error_code.as_deref());
            writeln!(
                out,
                "  refund     {} {} roubles, {} (error {code}), by {}",
                refund.id,
                refund.share.kopecks,
                refund.state.code(),
                refund.requested_by
            )?;
        }
        Ok(())
    }

    /// Has the bank asked about it and all payments of its order.
    pub(super) async fn ask(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let ask = || async {
            let mut unit = outbox.begin(trace()).await?;
            find(&mut unit, self.purchase).await?;
            unit.enqueue(&ReconcilePayment { purchase_id: self.purchase, whole_order: true }).await?;
            Ok(unit.commit().await?)
        };
        transact(ask).await?;
        writeln!(std::io::stdout(), "The bank will be asked about {}.", self.purchase)?;
        Ok(())
    }

    /// Ends what no answer of the bank ends: coins that were given stay, and what has none is not paid.
    pub(super) async fn close(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let now = outbox.clock().now();
        let close = || async {
            let mut unit = outbox.begin(trace()).await?;
            find(&mut unit, self.purchase).await?;
            let purchase = purchases::lock_purchase(&mut unit, self.purchase).await?;
            let doubt = purchase
                .doubt
                .clone()
                .with_context(|| format!("nothing about {} is in doubt", self.purchase))?;
            let state = purchase.state.looked_at(purchase.coins_lot.is_some());
            let failed = purchase.state == PurchaseState::Review && state == PurchaseState::Failed;
            let code = if failed { Some(CLOSED) } else { purchase.error_code.as_deref() };
            purchases::mark_looked_at(&mut unit, purchase.id, state, code, now).await?;
            unit.commit().await?;
            Ok((purchase, doubt, state))
        };
        let (purchase, doubt, state) = transact(close).await?;
        writeln!(std::io::stdout(), "{} is {}; the doubt `{doubt}` is over.", purchase.id, state.code())?;
        Ok(())
    }
}

impl Refund {
    /// Takes the coins back now and has the money given back.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let request = RefundRequest {
            purchase_id: self.purchase,
            kopecks: if self.size.all { None } else { self.size.kopecks.map(Kopecks) },
            requested_by: "flysk-worker",
        };
        let ask = || async {
            let mut unit = outbox.begin(trace()).await?;
            find(&mut unit, self.purchase).await?;
            let refund = request_refund(&mut unit, &request, outbox.clock().as_ref()).await?;
            unit.commit().await?;
            Ok(refund)
        };
        let refund = transact(ask).await?;
        let share = refund.share;
        writeln!(
            std::io::stdout(),
            "Refund {}: {} roubles for {} coins and {} of the bonus. The bank is asked by a job.",
            refund.id,
            share.kopecks,
            share.coins,
            share.bonus
        )?;
        Ok(())
    }
}

impl Day {
    /// Has a day compared with the bank.
    pub(super) async fn compare(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let today = outbox.clock().now().date_naive();
        let day = self.day.unwrap_or(today - Days::new(1));
        ensure!(day <= today, "{day} is yet to come");
        let ask = || async {
            let mut unit = outbox.begin(trace()).await?;
            unit.enqueue(&ReconcileDay { day: Some(day), after: None }).await?;
            Ok(unit.commit().await?)
        };
        transact(ask).await?;
        writeln!(std::io::stdout(), "{day} will be compared; see purchases:differences --day {day}.")?;
        Ok(())
    }

    /// Prints what the comparison of a day found.
    pub(super) async fn differences(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let day = self.day.unwrap_or(outbox.clock().now().date_naive() - Days::new(1));
        let found = purchases::list_differences(&mut *outbox.pool().acquire().await?, day).await?;
        let mut out = std::io::stdout().lock();
        if found.is_empty() {
            writeln!(out, "No differences are known for {day}.")?;
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

/// The purchase an operator means.
async fn find(conn: &mut Conn, id: PurchaseId) -> anyhow::Result<Purchase> {
    purchases::find_purchase(conn, id).await?.with_context(|| format!("there is no purchase {id}"))
}

fn trace() -> Trace {
    Trace { correlation_id: format!("command-{:032x}", rand::random::<u128>()), traceparent: None }
}
