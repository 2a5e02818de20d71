//! Letters to the payer about changes of a subscription.

use flysk_domain::Clock;
use flysk_domain::id::InvoiceId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::mail::MailKind;
use flysk_domain::platform::subscriptions::{SubscriptionSettings, moscow_day};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::subscriptions::{self, SubscriptionRow};

use super::action_log::SubscriptionAction;
use super::announced_price::price_announcement;
use super::next_terms::upcoming_terms;
use crate::mail::{SubscriptionMail, queue_subscription_mail};

/// The letter about an action; `None` if there is none. `fell_due`: the period is over and the next one became unpaid.
const fn letter_of(action: SubscriptionAction, fell_due: bool) -> Option<MailKind> {
    match action {
        SubscriptionAction::TrialEnding => Some(MailKind::TrialEnding),
        SubscriptionAction::TrialEnded => Some(MailKind::TrialEnded),
        SubscriptionAction::RenewalUpcoming => Some(MailKind::RenewalUpcoming),
        SubscriptionAction::PriceAnnounced => Some(MailKind::PriceChanging),
        // The first failed charge also makes the subscription due: one letter says both.
        SubscriptionAction::PaymentFailed => Some(MailKind::PaymentFailed),
        SubscriptionAction::Expired | SubscriptionAction::ReviewEnded => Some(MailKind::Expired),
        _ if fell_due => Some(MailKind::PastDue),
        _ => None,
    }
}

/// Queues a letter to the payer in the transaction of the change. `row` is the subscription after it, `renews` whether its card is
/// charged, in reminders of a charge. While the widget sells no subscriptions, there is nothing to pay and no access to lose: only a
/// new price is announced.
pub(super) async fn tell_payer(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    (action, fell_due, invoice): (SubscriptionAction, bool, Option<InvoiceId>),
    renews: bool,
) -> StoreResult<()> {
    let Some(kind) = letter_of(action, fell_due) else { return Ok(()) };
    if kind == MailKind::PriceChanging {
        return tell_new_price(unit, clock, row).await;
    }
    if settings.not_sold {
        return Ok(());
    }
    let subscription = &row.subscription;
    let is_unpaid = matches!(kind, MailKind::PaymentFailed | MailKind::PastDue);
    let access = subscription.access(clock.now(), settings);
    let on = match kind {
        MailKind::TrialEnding => subscription.trial.map(|trial| trial.until),
        MailKind::RenewalUpcoming => subscription.next_charge_on(),
        _ if is_unpaid => access.until.map(moscow_day),
        _ => None,
    };
    let amount = match kind {
        MailKind::RenewalUpcoming if subscription.state.awaits_renewal() => {
            open_amount(unit, row, None).await?
        }
        MailKind::RenewalUpcoming => next_amount(unit, row).await?,
        _ if is_unpaid => open_amount(unit, row, invoice).await?,
        _ => None,
    };
    let told = SubscriptionMail {
        kind,
        on,
        days_before: subscription.reminded_days.filter(|_| kind == MailKind::TrialEnding),
        amount,
        previous_amount: None,
        renews,
        invoice: invoice.filter(|_| is_unpaid),
    };
    queue_subscription_mail(unit, clock, row, told).await
}

/// Queues a letter about a new price, with the price so far and the day of the change.
async fn tell_new_price(unit: &mut UnitOfWork, clock: &dyn Clock, row: &SubscriptionRow) -> StoreResult<()> {
    let Some((notice, on)) = price_announcement(unit, row).await? else { return Ok(()) };
    let total = |price: Kopecks| price.checked_mul(notice.seats.into()).ok();
    let told = SubscriptionMail {
        kind: MailKind::PriceChanging,
        on: Some(on),
        days_before: None,
        amount: total(notice.new_price),
        previous_amount: row.subscription.terms.and_then(|terms| terms.total().ok()),
        renews: false,
        invoice: None,
    };
    queue_subscription_mail(unit, clock, row, told).await
}

/// Total of the invoice.
async fn open_amount(
    unit: &mut UnitOfWork,
    row: &SubscriptionRow,
    invoice: Option<InvoiceId>,
) -> StoreResult<Option<Kopecks>> {
    let open = subscriptions::find_open_invoice(unit, row.id).await?;
    Ok(open.filter(|open| invoice.is_none_or(|told| told == open.id)).map(|open| open.total))
}

/// Price of the next period, with the changes that wait for it.
async fn next_amount(unit: &mut UnitOfWork, row: &SubscriptionRow) -> StoreResult<Option<Kopecks>> {
    let resolved = upcoming_terms(unit, row).await?;
    Ok(resolved.and_then(|resolved| resolved.next.terms.total().ok()))
}
