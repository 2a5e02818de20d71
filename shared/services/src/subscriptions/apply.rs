//! Applying a quote: what is to be paid is frozen into an invoice; what is free takes effect at once.

use flysk_domain::Clock;
use flysk_domain::id::QuoteId;
use flysk_domain::platform::subscriptions::{
    ChangeRefusal, Effect, InvoiceKind, Period, Quote, Subscription, Terms, moscow_day,
};
use flysk_queue::UnitOfWork;
use flysk_store::platform::subscriptions::{self, Invoice, StoredQuote, SubscriptionRow};
use flysk_store::platform::widgets::Widget;
use flysk_store::{StoreError, StoreResult};
use serde_json::json;

use super::action_log::{Actor, Entry, SubscriptionAction};
use super::details::settings_of;
use super::invoices::{Promise, void_open_invoice, write_invoice};
use super::quotes::{QuoteRefusal, create_quote, price};
use super::save::save;
use super::settle::{Replacement, clear_changed};

/// The quote to apply.
#[derive(Debug, Clone, Copy)]
pub struct ApplyRequest<'a> {
    /// The quote.
    pub quote: QuoteId,
    /// Idempotency key, unique per subscription: 1 to 120 visible ASCII characters.
    pub key: &'a str,
    /// Actor who applies the quote.
    pub actor: Actor<'a>,
}

/// Outcome of applying a quote.
#[derive(Debug)]
pub enum ApplyOutcome {
    /// Applied, by this request or by an earlier one with the same key.
    Applied {
        /// The subscription.
        row: Box<SubscriptionRow>,
        /// The invoice to be paid, if there is something to pay.
        invoice: Option<Box<Invoice>>,
        /// Whether an earlier request applied it.
        replayed: bool,
    },
    /// The facts changed since the quote, or its day is over: this is the new quote.
    Changed(Box<StoredQuote>),
    /// The subscription has no such quote.
    NotFound,
    /// The quote was applied under another key.
    AlreadyApplied,
    /// The key was used for another quote.
    KeyReused,
}

/// A quote cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The change is not possible any more.
    #[error(transparent)]
    Refused(#[from] QuoteRefusal),
    /// The subscription's state does not allow it.
    #[error(transparent)]
    Transition(#[from] ChangeRefusal),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies a quote to a subscription that the caller has locked.
pub async fn apply_quote(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    widget: &Widget,
    row: &SubscriptionRow,
    request: ApplyRequest<'_>,
) -> Result<ApplyOutcome, ApplyError> {
    if let Some(asked) = subscriptions::find_quote_asked(unit, row.id, request.key).await? {
        if asked.id != request.quote {
            return Ok(ApplyOutcome::KeyReused);
        }
        let invoice = match asked.invoice_id {
            Some(id) => subscriptions::find_invoice(unit, id).await?.map(Box::new),
            None => None,
        };
        return Ok(ApplyOutcome::Applied { row: Box::new(row.clone()), invoice, replayed: true });
    }
    let Some(stored) = subscriptions::find_quote(unit, row.id, request.quote).await? else {
        return Ok(ApplyOutcome::NotFound);
    };
    if stored.applied_at.is_some() {
        return Ok(ApplyOutcome::AlreadyApplied);
    }
    let now = clock.now();
    let is_live = now < stored.expires_at && stored.base_version == row.version;
    let fresh = price(unit, row, stored.change, moscow_day(now)).await?;
    if !is_live || fresh.lines != stored.lines || fresh.total != stored.total {
        let (renewed, _) = create_quote(unit, clock, row, stored.change, request.actor).await?;
        return Ok(ApplyOutcome::Changed(Box::new(renewed)));
    }
    let (row, invoice) = take_effect(unit, clock, widget, row, &stored, &fresh, request.actor).await?;
    let invoice_id = invoice.as_ref().map(|invoice| invoice.id);
    subscriptions::mark_quote_applied(unit, stored.id, invoice_id, request.key, now).await?;
    Ok(ApplyOutcome::Applied { row: Box::new(row), invoice: invoice.map(Box::new), replayed: false })
}

async fn take_effect(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    widget: &Widget,
    row: &SubscriptionRow,
    stored: &StoredQuote,
    fresh: &Quote,
    actor: Actor<'_>,
) -> Result<(SubscriptionRow, Option<Invoice>), ApplyError> {
    let settings = settings_of(widget);
    let subscription = &row.subscription;
    void_stale(unit, clock, row, fresh, actor).await?;
    let (action, new) = match &fresh.effect {
        Effect::NextPeriod(change) => {
            subscriptions::put_pending(unit, row.id, *change, &actor.to_string(), clock.now()).await?;
            (SubscriptionAction::ChangePlanned, subscription.clone())
        }
        Effect::Withdraw(change) => {
            subscriptions::delete_pending(unit, row.id, change.kind()).await?;
            (SubscriptionAction::ChangeWithdrawn, subscription.clone())
        }
        Effect::Now(terms) if fresh.total.is_zero() => {
            let by = Replacement { terms: *terms, asked_at: clock.now(), actor };
            clear_changed(unit, clock, row, by).await?;
            (SubscriptionAction::Changed, subscription.changed(*terms)?)
        }
        Effect::Start(terms, period) => {
            let paid = (InvoiceKind::Start, *terms, *period, next_period_no(subscription));
            return invoice(unit, clock, widget, row, stored, fresh, paid, actor).await;
        }
        Effect::Renew(terms, period) => {
            let paid = (InvoiceKind::Renewal, *terms, *period, next_period_no(subscription));
            return invoice(unit, clock, widget, row, stored, fresh, paid, actor).await;
        }
        Effect::Now(terms) => {
            let rest = fresh.lines.first().map(|line| line.period).or(subscription.period);
            let rest = rest.ok_or(ChangeRefusal::WrongState(subscription.state))?;
            let paid = (InvoiceKind::Change, *terms, rest, subscription.period_no);
            return invoice(unit, clock, widget, row, stored, fresh, paid, actor).await;
        }
    };
    let entry = Entry::new(actor, action).with(json!({ "quote_id": stored.id }));
    let row = save(unit, clock, &settings, row, &new, entry).await?;
    Ok((row, None))
}

/// Voids an open invoice that a free change contradicts: that of a renewal written ahead, whose terms are those before the
/// change, and any other one once the running terms change. The next renewal is written with the new terms.
async fn void_stale(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    fresh: &Quote,
    actor: Actor<'_>,
) -> StoreResult<()> {
    let Some(open) = subscriptions::find_open_invoice(unit, row.id).await? else { return Ok(()) };
    let is_stale = match fresh.effect {
        Effect::NextPeriod(_) | Effect::Withdraw(_) => open.kind == InvoiceKind::Renewal,
        Effect::Now(_) => fresh.total.is_zero(),
        // What is to be paid replaces an open invoice anyway.
        Effect::Start(..) | Effect::Renew(..) => false,
    };
    if is_stale {
        void_open_invoice(unit, clock, row, actor, "superseded").await?;
    }
    Ok(())
}

/// Freezes a quote into an invoice.
///
/// An open invoice is voided: unpaid changes are netted, because the new one starts from what is paid.
#[expect(clippy::too_many_arguments, reason = "one step of `take_effect`, with everything that it has")]
async fn invoice(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    widget: &Widget,
    row: &SubscriptionRow,
    stored: &StoredQuote,
    fresh: &Quote,
    (kind, terms, period, period_no): (InvoiceKind, Terms, Period, u32),
    actor: Actor<'_>,
) -> Result<(SubscriptionRow, Option<Invoice>), ApplyError> {
    void_open_invoice(unit, clock, row, actor, "superseded").await?;
    let promise = Promise {
        kind,
        quote: Some(stored.id),
        terms,
        period_no,
        period,
        lines: &fresh.lines,
        total: fresh.total,
        charge_at: None,
    };
    let invoice = write_invoice(unit, clock, row, &promise).await?;
    // A new version, so that another quote of the same state cannot be applied as well.
    let entry = Entry::new(actor, SubscriptionAction::InvoiceCreated)
        .about(invoice.id)
        .with(json!({ "quote_id": stored.id, "total_kopecks": fresh.total }));
    let row = save(unit, clock, &settings_of(widget), row, &row.subscription, entry).await?;
    Ok((row, Some(invoice)))
}

fn next_period_no(subscription: &Subscription) -> u32 {
    subscription.period_no.saturating_add(1)
}
