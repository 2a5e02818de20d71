//! The demo's firm that pays by bank transfer: an invoice, two payments, a period, its act, and an invoice that takes what was
//! left.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use chrono::TimeDelta;
use flysk_domain::id::{InvoiceId, TransferInvoiceId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{Change, PeriodLength, moscow_day};
use flysk_domain::platform::transfers::label_ru;
use flysk_domain::russian::roubles;
use flysk_simulators::Running;
use flysk_simulators::t_api::TApi;
use flysk_store::platform::transfers::{self, TransferInvoice};

use super::show;
use crate::environment::{Options, SandboxDatabase};
use crate::firm;
use crate::subscriber::{SEATS, Subscriber};

/// The first payment; the second one brings the rest and the surplus.
const FIRST_PART: Kopecks = Kopecks(200_000);
const SURPLUS: Kopecks = Kopecks(53_000);
/// Statements are read every ten minutes.
const STATEMENT_WAIT: TimeDelta = TimeDelta::minutes(20);

/// A firm's subscription, and the bank of its seller.
struct Timeline {
    subscriber: Subscriber,
    bank: Running<TApi>,
}

/// Runs two months in a sandbox and prints them as a timeline.
pub(super) async fn show_two_months(options: &Options) -> anyhow::Result<()> {
    show::headline("A firm pays by bank transfer: an invoice by its INN, the statement, a balance, acts");
    let began = Instant::now();
    let database = SandboxDatabase::create(options, "2027-01-31T09:00:00Z".parse()?).await?;
    let bank = firm::start_bank().await?;
    let mut sandbox = database.options.clone();
    firm::point_to(&mut sandbox, &bank);
    let subscriber = Subscriber::open(sandbox).await?;
    firm::take_transfers(&subscriber).await?;
    let timeline = Timeline { subscriber, bank };
    let change = Change::Start { plan: timeline.subscriber.plan, seats: SEATS, length: PeriodLength::Month };
    let ordered = timeline.subscriber.order(change).await?.context("a start costs money")?;
    let first = timeline.ask(ordered.id).await?;
    timeline.pay(&first, FIRST_PART).await?;
    timeline.pay(&first, Kopecks(first.amount.0 - FIRST_PART.0 + SURPLUS.0)).await?;
    timeline.end_period(first.id).await?;
    let renewal = timeline.subscriber.invoices().await?.pop().context("no renewal")?;
    let second = timeline.ask(renewal.id).await?;
    ensure!(second.from_balance == SURPLUS, "the balance was not used: {}", second.from_balance);
    timeline.pay(&second, second.amount).await?;
    timeline.end_period(second.id).await?;
    let mut conn = timeline.subscriber.sandbox.pool.acquire().await?;
    let violations = transfers::verify_transfers(&mut conn, timeline.subscriber.sandbox.now(), 1).await?;
    ensure!(violations.is_empty(), "the books of transfers do not balance: {violations:?}");
    show::note(&format!(
        "{} invoices sent by the bank, {} operations of its statement, in {:.1} s",
        timeline.bank.state.invoices().len(),
        timeline.bank.state.operations().len(),
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

impl Timeline {
    fn note(&self, text: &str) {
        show::note(&format!("{}  {text}", moscow_day(self.subscriber.sandbox.now())));
    }

    async fn ask(&self, invoice: InvoiceId) -> anyhow::Result<TransferInvoice> {
        let asked = firm::ask(&self.subscriber, invoice).await?;
        self.subscriber.sandbox.run_due().await?;
        self.note(&format!(
            "invoice № {} to INN {}: {}, of which {} from its balance; {} to pay until {}",
            asked.number,
            firm::INN,
            roubles(asked.total),
            roubles(asked.from_balance),
            roubles(asked.amount),
            asked.due_on
        ));
        Ok(asked)
    }

    /// The firm pays, and the statement tells it.
    async fn pay(&self, invoice: &TransferInvoice, amount: Kopecks) -> anyhow::Result<()> {
        firm::pay(&self.subscriber, &self.bank, amount, &invoice.purpose);
        self.subscriber.sandbox.advance(STATEMENT_WAIT).await?;
        let mut conn = self.subscriber.sandbox.pool.acquire().await?;
        let found = transfers::find_transfer_invoice(&mut conn, invoice.id).await?;
        let found = found.context("the invoice is gone")?;
        let row = self.subscriber.row().await?;
        let balances = transfers::list_balances(&mut conn, self.subscriber.install).await?;
        let left: i64 = balances.iter().map(|(_, kopecks)| kopecks.0).sum();
        self.note(&format!(
            "{} arrive: «{}», {} of {}, {} in the firm's balance; the subscription is {}",
            roubles(amount),
            label_ru(found.state, found.paid),
            roubles(found.paid),
            roubles(found.amount),
            roubles(Kopecks(left)),
            row.subscription.state
        ));
        Ok(())
    }

    /// Goes on until the paid period is over, and its act is issued.
    async fn end_period(&self, invoice: TransferInvoiceId) -> anyhow::Result<()> {
        let period = self.subscriber.row().await?.subscription.period.context("nothing is paid")?;
        self.subscriber.sandbox.advance_to(period.ends_at() + TimeDelta::hours(1)).await?;
        let mut conn = self.subscriber.sandbox.pool.acquire().await?;
        let act = transfers::find_act(&mut conn, invoice).await?.context("there is no act")?;
        let number = act.act_number.context("the act is not issued")?;
        self.note(&format!("act № {number} for the days from {} to {}", act.served_from, act.served_until));
        Ok(())
    }
}
