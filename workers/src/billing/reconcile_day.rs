//! Performs `billing.reconcile_day`.
//!
//! Harmless when run twice: asking changes nothing, and a difference of one day and order is kept once. Found
//! differences are told, never mended from here: which side is right is for a person.

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use flysk_clients::tbank::{PaymentsOfOrder, TBankError};
use flysk_domain::id::{DifferenceId, PurchaseId};
use flysk_domain::platform::outcome::Outcome;
use flysk_jobs::billing::ReconcileDay;
use flysk_jobs::{Handle, JobError, JobResult, Run};
use flysk_store::purchases::{self, Difference, NoticeRow, NoticeState, Purchase};

use super::compare::{Returns, compare, partly_refunded};
use crate::App;
use crate::acquiring::Acquiring;
use crate::outcome::HasOutcome as _;

/// Purchases of one run; the rest of the day is the next run's.
const PAGE: u32 = 200;
/// Notices and refunds that are told of at most.
const AT_MOST: u32 = 1_000;
/// A refund in the bank's cabinet and a payer's complaint come late, and notices of them get lost: what was credited
/// within this time before the day is compared as well.
const CREDITED_WITHIN: TimeDelta = TimeDelta::days(30);
/// A refund that takes longer is stuck.
const REFUND_TAKES: TimeDelta = TimeDelta::hours(6);
/// A notice that is younger is on its way to its purchase.
const NOTICE_TAKES: TimeDelta = TimeDelta::minutes(15);

impl Handle<App> for ReconcileDay {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let acquiring = app.acquiring()?;
        let day = self.day.unwrap_or_else(|| run.now().date_naive() - Days::new(1));
        let (from, until) = bounds(day);
        let mut conn = run.pool().acquire().await?;
        let since = from - CREDITED_WITHIN;
        let listed =
            purchases::list_purchases_to_compare(&mut conn, (from, until), since, self.after, PAGE).await?;
        drop(conn);
        let mut found = Vec::new();
        for purchase in &listed {
            found.extend(ask(run, acquiring, purchase, day).await?);
        }
        let last = listed.last().map(|purchase| purchase.id).filter(|_| listed.len() == PAGE as usize);
        if last.is_none() {
            found.extend(loose_ends(run, day).await?);
        }
        let mut unit = run.begin().await?;
        for difference in &found {
            tell(difference);
            purchases::insert_difference(&mut unit, DifferenceId::generate(app.clock()), difference).await?;
        }
        if let Some(after) = last {
            unit.enqueue(&Self { day: Some(day), after: Some(after) }).await?;
        } else {
            let all = purchases::list_differences(&mut unit, day).await?.len();
            #[expect(clippy::cast_precision_loss, reason = "a count of differences")]
            metrics::gauge!("flysk_tbank_differences").set(all as f64);
            tracing::info!(%day, differences = all, "the day was compared with the bank");
        }
        run.done(unit).await
    }
}

async fn ask(
    run: &Run,
    acquiring: &Acquiring,
    purchase: &Purchase,
    day: NaiveDate,
) -> Result<Vec<Difference>, JobError> {
    let difference = |kind: &str, payment_id, ours, banks| Difference {
        day,
        kind: kind.to_owned(),
        order_id: purchase.order_id.clone(),
        payment_id,
        purchase_id: Some(purchase.id),
        ours,
        banks,
        found_at: run.now(),
    };
    if purchase.terminal_key != acquiring.config.terminal_key {
        let ours = format!("terminal {}", purchase.terminal_key);
        return Ok(vec![difference("other_terminal", None, ours, "cannot be asked".to_owned())]);
    }
    let order = match acquiring.bank.check_order(&purchase.order_id).await {
        Ok(order) => order,
        Err(error) if error.outcome() == Outcome::GiveUp => {
            let banks = error.refusal().map_or("no answer".to_owned(), |refusal| refusal.code.clone());
            return Ok(vec![difference("unanswered", None, purchase.state.code().to_owned(), banks)]);
        }
        Err(error) => return Err(TBankError::into_job_error(error)),
    };
    let returns = returns(run, acquiring, purchase, &order).await?;
    let found = compare(purchase, &order, returns).into_iter();
    let mut found: Vec<Difference> =
        found.map(|one| difference(one.kind, one.payment_id, one.ours, one.banks)).collect();
    if let Some(doubt) = &purchase.doubt {
        found.push(difference(
            "in_doubt",
            purchase.payment_id.clone(),
            doubt.clone(),
            "see above".to_owned(),
        ));
    }
    Ok(found)
}

async fn returns(
    run: &Run,
    acquiring: &Acquiring,
    purchase: &Purchase,
    order: &PaymentsOfOrder,
) -> Result<Returns, JobError> {
    let mut returns = Returns::default();
    if purchase.refunded.is_positive() {
        let refunds = purchases::list_refunds(&mut *run.pool().acquire().await?, purchase.id).await?;
        returns.under_way = refunds.iter().any(|refund| !refund.state.has_ended());
    }
    if let Some(payment) = partly_refunded(purchase, order) {
        returns.left = match acquiring.bank.state(&payment.payment_id).await {
            Ok(payment) => payment.amount,
            Err(error) if error.outcome() == Outcome::GiveUp => None,
            Err(error) => return Err(TBankError::into_job_error(error)),
        };
    }
    Ok(returns)
}

/// What belongs to no purchase, or came to no end.
async fn loose_ends(run: &Run, day: NaiveDate) -> Result<Vec<Difference>, JobError> {
    let (from, until) = bounds(day);
    let mut conn = run.pool().acquire().await?;
    let notices = purchases::list_unapplied_notices(&mut conn, from, until, AT_MOST).await?;
    let refunds = purchases::list_stuck_refunds(&mut conn, run.now() - REFUND_TAKES, AT_MOST).await?;
    let on_its_way = |notice: &NoticeRow| {
        notice.state == NoticeState::New && notice.received_at > run.now() - NOTICE_TAKES
    };
    let of_notice = notices.into_iter().filter(|notice| !on_its_way(notice)).map(|notice| {
        let (kind, ours) = match notice.state {
            NoticeState::New => ("unread_notice", "kept and not read"),
            _ => ("unknown_order", "no such order"),
        };
        Difference {
            day,
            kind: kind.to_owned(),
            order_id: notice.order_id,
            payment_id: Some(notice.payment_id),
            purchase_id: None,
            ours: ours.to_owned(),
            banks: format!("{} of {}", notice.status, notice.amount),
            found_at: run.now(),
        }
    });
    let of_refund = refunds.into_iter().map(|refund| Difference {
        day,
        kind: "stuck_refund".to_owned(),
        order_id: order_of(refund.purchase_id),
        payment_id: None,
        purchase_id: Some(refund.purchase_id),
        ours: format!("refund {} of {}", refund.state.code(), refund.share.kopecks),
        banks: "unknown".to_owned(),
        found_at: run.now(),
    });
    Ok(of_notice.chain(of_refund).collect())
}

/// A purchase's id is its order's number.
fn order_of(purchase: PurchaseId) -> String {
    purchase.to_string()
}

fn bounds(day: NaiveDate) -> (DateTime<Utc>, DateTime<Utc>) {
    let from = day.and_time(chrono::NaiveTime::MIN).and_utc();
    (from, from + TimeDelta::days(1))
}

fn tell(difference: &Difference) {
    metrics::counter!("flysk_tbank_differences_total", "kind" => difference.kind.clone()).increment(1);
    tracing::error!(
        day = %difference.day, difference = difference.kind, order.id = difference.order_id,
        payment.id = difference.payment_id, ours = difference.ours, banks = difference.banks,
        "the bank's books and ours do not agree"
    );
}
