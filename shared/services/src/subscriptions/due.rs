//! Steps that the scheduler performs for subscriptions when they become due.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{InvoiceId, SubscriptionId};
use flysk_domain::platform::subscriptions::{
    DueStep, EndReason, InvoiceKind, Period, Subscription, Terms, moscow_day,
};
use flysk_domain::platform::tbank::ErrorClass;
use flysk_queue::UnitOfWork;
use flysk_store::platform::subscriptions::{self, Invoice, SubscriptionRow};
use flysk_store::platform::widgets;
use flysk_store::{Conn, StoreError, StoreResult};
use serde_json::json;

use super::action_log::{Actor, Entry, SubscriptionAction, note};
use super::charge_plan::PlannedCharge;
use super::context::Context;
use super::details::settings_of;
use super::invoices::{ENDED_UNPAID, Promise, renewal_line, void_open_invoice, write_invoice};
use super::next_terms::upcoming_terms;
use super::save::save;

/// A step or a charge of a subscription whose widget sells none at present is looked at again after this time. When the widget
/// sells them again, [`super::begin_sale`] does not wait for it.
pub(crate) const NOT_SOLD_DELAY: TimeDelta = TimeDelta::days(1);
/// Why the invoice of a renewal is void that nobody could pay up to its end.
const NOT_SOLD: &str = "not_sold";
/// Why an invoice is void that was open when the time to pay it was over.
const PERIOD_OVER: &str = "period_over";
/// Days before the boundary of a reminder that is sent at the boundary, or after it.
const LATE_REMINDER: u32 = 0;

/// Finds subscriptions for which a step is due, longest due first. One index read, whatever the number of subscriptions.
pub async fn find_due(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<SubscriptionId>> {
    subscriptions::list_due_subscriptions(conn, now, limit).await
}

/// What came of a due step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerformedStep {
    /// The step.
    pub step: DueStep,
    /// The invoice of the renewal that it has opened, if its charge is due already.
    pub chargeable: Option<InvoiceId>,
}

impl From<DueStep> for PerformedStep {
    fn from(step: DueStep) -> Self {
        Self { step, chargeable: None }
    }
}

/// Performs the step that is due, and stores when the next one is. Harmless when repeated: the step is decided again under
/// the row's lock, from the state that the first run has written.
pub async fn perform_due_step(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: SubscriptionId,
) -> StoreResult<PerformedStep> {
    let row = subscriptions::lock_subscription(unit, id).await?;
    let widget =
        widgets::find(unit, row.widget_id).await?.ok_or(StoreError::WrongState { what: "widget" })?;
    let settings = settings_of(&widget);
    let step = row.subscription.due_step(clock.now(), &settings);
    let events = Some(widget.event_rules());
    let context = Context { clock, settings: &settings, row: &row, events };
    if step.needs_sale() && settings.not_sold {
        return context.wait_for_sale(unit, step).await.map(Into::into);
    }
    match step {
        DueStep::Wait(_) | DueStep::Idle => context.reschedule(unit).await?,
        DueStep::RemindTrial(days) => {
            let until = row.subscription.trial.map(|trial| trial.until);
            context.remind(unit, SubscriptionAction::TrialEnding, until, days).await?;
        }
        DueStep::RemindCharge(days) => {
            let until = row.subscription.period.map(|period| period.until);
            context.remind(unit, SubscriptionAction::RenewalUpcoming, until, days).await?;
        }
        DueStep::EndTrial => context.end_trial(unit).await?,
        DueStep::Advance(period) => context.advance(unit, period).await?,
        DueStep::Renew => {
            return Ok(PerformedStep { step, chargeable: context.open_renewal(unit).await? });
        }
        DueStep::EndCancelled => context.end(unit, EndReason::Cancelled).await?,
        DueStep::Expire => context.end(unit, EndReason::Unpaid).await?,
        DueStep::AskPerson => context.ask_person(unit).await?,
    }
    Ok(step.into())
}

/// Terms, title of the plan and days of the next period.
struct NextPeriod {
    terms: Terms,
    title: String,
    period: Period,
}

#[expect(clippy::needless_pass_by_value, reason = "a `map_err` argument")]
fn impossible(error: impl ToString) -> StoreError {
    StoreError::InvalidRow { what: "subscription", reason: error.to_string() }
}

impl Context<'_> {
    async fn write(&self, unit: &mut UnitOfWork, new: &Subscription, entry: Entry<'_>) -> StoreResult<()> {
        self.save(unit, new, entry).await.map(drop)
    }

    /// Returns the row as written.
    async fn save(
        &self,
        unit: &mut UnitOfWork,
        new: &Subscription,
        entry: Entry<'_>,
    ) -> StoreResult<SubscriptionRow> {
        let entry = Entry { events: self.events, ..entry };
        save(unit, self.clock, self.settings, self.row, new, entry).await
    }

    /// Stores the next due time: the settings may have changed since it was stored.
    async fn reschedule(&self, unit: &mut UnitOfWork) -> StoreResult<()> {
        let next = self.row.subscription.next_due_at(self.clock.now(), self.settings);
        if next == self.row.next_due_at {
            return Ok(());
        }
        subscriptions::update_subscription(unit, self.row, &self.row.subscription, next, self.clock.now())
            .await
    }

    /// Access is free while the widget sells no subscriptions: nobody is reminded of a payment, invoiced, or told that access ends
    /// because nothing was paid. When it sells them again, the step is decided by the dates of that day.
    ///
    /// An open renewal that reaches its end meanwhile is withdrawn, because nobody could pay it. So it is treated like one that was
    /// not opened yet: after the grace a person is asked, and nobody is charged for days that are gone.
    async fn wait_for_sale(&self, unit: &mut UnitOfWork, step: DueStep) -> StoreResult<DueStep> {
        let now = self.clock.now();
        if let Some(again) = self.row.next_due_at.filter(|due| *due > now) {
            return Ok(DueStep::Wait(again));
        }
        let withdrawn = if step == DueStep::Expire { Some(self.withdraw_renewal(unit).await?) } else { None };
        let row = withdrawn.as_ref().unwrap_or(self.row);
        let again = now + NOT_SOLD_DELAY;
        subscriptions::update_subscription(unit, row, &row.subscription, Some(again), now).await?;
        Ok(DueStep::Wait(again))
    }

    /// Voids the open renewal; returns the row as written.
    async fn withdraw_renewal(&self, unit: &mut UnitOfWork) -> StoreResult<SubscriptionRow> {
        void_open_invoice(unit, self.clock, self.row, Actor::System, NOT_SOLD).await?;
        let new = self.row.subscription.renewal_withdrawn().map_err(impossible)?;
        let entry = Entry::new(Actor::System, SubscriptionAction::RenewalWithdrawn);
        self.save(unit, &new, entry).await
    }

    /// Goes on after the widget has begun to sell subscriptions again: what is due is due now, and not a day after it was looked at
    /// last. The charge of an open renewal is made at the next time of its schedule. Returns whether a step is due.
    pub(super) async fn resume(&self, unit: &mut UnitOfWork) -> StoreResult<bool> {
        let (row, now) = (self.row, self.clock.now());
        let charge_on = self.hasten_charge(unit).await?.map(moscow_day);
        let last_charge_on = charge_on.max(row.subscription.last_charge_on);
        let new = Subscription { last_charge_on, ..row.subscription.clone() };
        let next = new.next_due_at(now, self.settings);
        if new != row.subscription || next != row.next_due_at {
            subscriptions::update_subscription(unit, row, &new, next, now).await?;
        }
        Ok(next.is_some_and(|due| due <= now))
    }

    async fn remind(
        &self,
        unit: &mut UnitOfWork,
        action: SubscriptionAction,
        until: Option<NaiveDate>,
        days: u32,
    ) -> StoreResult<()> {
        let about = until.unwrap_or_else(|| moscow_day(self.clock.now()));
        let kind: &'static str = action.into();
        let is_new =
            subscriptions::insert_notice(unit, self.row.id, kind, about, days, self.clock.now()).await?;
        let new = Subscription { reminded_days: Some(days), ..self.row.subscription.clone() };
        let entry = Entry::new(Actor::System, action)
            .with(json!({ "on": about, "days_before": days, "is_new": is_new }));
        self.write(unit, &new, entry).await
    }

    async fn end_trial(&self, unit: &mut UnitOfWork) -> StoreResult<()> {
        let new = self.row.subscription.trial_ended().map_err(impossible)?;
        self.write(unit, &new, Entry::new(Actor::System, SubscriptionAction::TrialEnded)).await
    }

    /// The next period was paid ahead: its terms are those of its invoice.
    async fn advance(&self, unit: &mut UnitOfWork, period: Period) -> StoreResult<()> {
        let next_no = self.row.subscription.period_no.saturating_add(1);
        let invoice = subscriptions::find_invoice_of_period(unit, self.row.id, next_no).await?;
        let paid =
            invoice.filter(|invoice| invoice.paid_at.is_some() && invoice.kind == InvoiceKind::Renewal);
        let paid = paid.ok_or_else(|| impossible("the paid invoice of the next period is missing"))?;
        let new = self.row.subscription.advanced(paid.terms, period).map_err(impossible)?;
        self.write(unit, &new, Entry::new(Actor::System, SubscriptionAction::PeriodBegan).about(paid.id))
            .await
    }

    async fn end(&self, unit: &mut UnitOfWork, reason: EndReason) -> StoreResult<()> {
        let (action, void) = match reason {
            EndReason::Unpaid => (SubscriptionAction::Expired, ENDED_UNPAID),
            EndReason::Cancelled => (SubscriptionAction::Cancelled, "cancelled"),
        };
        void_open_invoice(unit, self.clock, self.row, Actor::System, void).await?;
        subscriptions::clear_pending(unit, self.row.id).await?;
        self.write(unit, &self.row.subscription.ended(reason), Entry::new(Actor::System, action)).await
    }

    async fn ask_person(&self, unit: &mut UnitOfWork) -> StoreResult<()> {
        metrics::counter!("flysk_subscriptions_lapsed_total").increment(1);
        tracing::error!(
            subscription.id = %self.row.id, account.id = %self.row.account_id,
            "subscription was not renewed for more than its grace: a person must decide"
        );
        // Paying what was invoiced ahead of time would pay days that are gone.
        void_open_invoice(unit, self.clock, self.row, Actor::System, PERIOD_OVER).await?;
        let new = Subscription { needs_person: true, ..self.row.subscription.clone() };
        self.write(unit, &new, Entry::new(Actor::System, SubscriptionAction::Lapsed)).await
    }

    /// Writes invoice, number of the period and state in one transaction; the charge is another one. If nobody was reminded of
    /// the charge, because the scheduler was down or the period was too short, the reminder is sent now, and the charge waits.
    /// Returns the invoice if its charge is due already.
    ///
    /// An invoice that was written ahead of time may have been charged before: the schedule goes on from those charges, and
    /// a card that must not be charged any more is left alone.
    async fn open_renewal(&self, unit: &mut UnitOfWork) -> StoreResult<Option<InvoiceId>> {
        let (row, now) = (self.row, self.clock.now());
        let Some((invoice, charge)) = self.renewal_to_open(unit).await? else {
            return self.ask_person(unit).await.map(|()| None);
        };
        // A fault of ours is no refusal that the customer has to do something about.
        let is_refused = invoice.failure.as_ref().is_some_and(|failure| failure.class != ErrorClass::Config);
        let is_charged = charge.at.is_some() && !is_refused;
        let new = row.subscription.renewal_opened(is_charged).map_err(impossible)?;
        let new = Subscription { last_charge_on: charge.at.map(moscow_day), ..new };
        let entry = Entry::new(Actor::System, SubscriptionAction::RenewalOpened)
            .about(invoice.id)
            .with(json!({ "total_kopecks": invoice.total, "charge_at": charge.at }));
        let opened = self.save(unit, &new, entry).await?;
        if !charge.is_reminded {
            let opened = Context { row: &opened, ..*self };
            opened
                .remind(unit, SubscriptionAction::RenewalUpcoming, Some(invoice.period.from), LATE_REMINDER)
                .await?;
        }
        Ok(charge.at.is_some_and(|at| at <= now).then_some(invoice.id))
    }

    /// The invoice of the next period, which is written unless it was before, with its charge as it is planned now; `None` if the
    /// period is over.
    async fn renewal_to_open(&self, unit: &mut UnitOfWork) -> StoreResult<Option<(Invoice, PlannedCharge)>> {
        let (row, now) = (self.row, self.clock.now());
        let next_no = row.subscription.period_no.saturating_add(1);
        let open = subscriptions::find_open_invoice(unit, row.id).await?;
        let has_open = open.is_some();
        let ahead = open.filter(|open| open.kind == InvoiceKind::Renewal && open.period_no == next_no);
        // A next period that is shorter than the last one may be over before the grace.
        let is_over = |period: Period| moscow_day(now) >= period.until;
        if let Some(ahead) = ahead {
            if is_over(ahead.period) {
                return Ok(None);
            }
            let charge = self.first_charge(unit, &ahead).await?;
            subscriptions::set_charge_at(unit, ahead.id, charge.at, now).await?;
            return Ok(Some((ahead, charge)));
        }
        let next = self.next_period(unit).await?;
        if is_over(next.period) {
            return Ok(None);
        }
        if has_open {
            void_open_invoice(unit, self.clock, row, Actor::System, PERIOD_OVER).await?;
        }
        let charge = self.first_charge_of(unit, next.period).await?;
        let invoice = self.write_invoice_of(unit, &next, charge.at).await?;
        Ok(Some((invoice, charge)))
    }

    /// Writes the invoice of the next period. The subscription has no open invoice.
    pub(super) async fn write_renewal(
        &self,
        unit: &mut UnitOfWork,
        charge_at: Option<DateTime<Utc>>,
    ) -> StoreResult<Invoice> {
        let next = self.next_period(unit).await?;
        self.write_invoice_of(unit, &next, charge_at).await
    }

    async fn write_invoice_of(
        &self,
        unit: &mut UnitOfWork,
        next: &NextPeriod,
        charge_at: Option<DateTime<Utc>>,
    ) -> StoreResult<Invoice> {
        let NextPeriod { terms, period, .. } = *next;
        let line = renewal_line(&next.title, terms, period)?;
        let promise = Promise {
            kind: InvoiceKind::Renewal,
            quote: None,
            terms,
            period_no: self.row.subscription.period_no.saturating_add(1),
            period,
            total: line.amount,
            lines: std::slice::from_ref(&line),
            charge_at,
        };
        write_invoice(unit, self.clock, self.row, &promise).await
    }

    /// The next period. Changes that are not possible any more are reported.
    async fn next_period(&self, unit: &mut UnitOfWork) -> StoreResult<NextPeriod> {
        let subscription = &self.row.subscription;
        let (Some(period), Some(anchor)) = (subscription.period, subscription.anchor) else {
            return Err(impossible("period or anchor are missing"));
        };
        let resolved = upcoming_terms(unit, self.row).await?;
        let resolved = resolved.ok_or_else(|| impossible("terms are missing"))?;
        for unavailable in &resolved.next.unavailable {
            self.report_unavailable(unit, unavailable.0.into()).await?;
        }
        if resolved.unavailable.is_some() {
            self.report_unavailable(unit, "price").await?;
        }
        let terms = resolved.next.terms;
        let period = anchor.period_from(period.until, terms.length).map_err(impossible)?;
        Ok(NextPeriod { terms, title: resolved.title, period })
    }

    /// Reports to operators a change that is not possible any more: the subscription goes on without it.
    async fn report_unavailable(&self, unit: &mut UnitOfWork, kind: &'static str) -> StoreResult<()> {
        metrics::counter!("flysk_subscription_changes_unavailable_total", "kind" => kind).increment(1);
        tracing::warn!(subscription.id = %self.row.id, kind, "a pending change is not possible any more");
        let entry = Entry::new(Actor::System, SubscriptionAction::ChangeUnavailable);
        note(unit, self.clock, self.row, entry.with(json!({ "kind": kind }))).await
    }
}
