//! Quotes: the price of a change, line by line. The invoice of an applied quote has the same lines.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::calendar::{AnchorDay, Period, PeriodLength};
use super::change::{Change, NextTerms, PendingChange};
use super::plan::{MAX_INVOICE, MIN_CHARGE, PlanTerms, Terms};
use super::subscription::{Subscription, SubscriptionState};
use crate::UnknownText;
use crate::id::PlanId;
use crate::money::{Kopecks, OutOfRange};
use crate::russian::seats as seats_ru;

/// What a line of a quote charges or credits.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// A whole period.
    Period,
    /// The rest of the current period on other terms: the difference to the present terms.
    Difference,
    /// A difference below the bank's minimum payment, which is not charged.
    Waiver,
}

/// Rounding of a line's amount.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Price times seats, without a remainder.
    Exact,
    /// A share by days, rounded once to the nearest kopeck, halves up.
    HalfUp,
}

/// A line of a quote and of its invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteLine {
    /// Subject.
    pub kind: LineKind,
    /// Text in Russian, for people and receipts.
    pub title: String,
    /// Days that the line covers.
    pub period: Period,
    /// Number of seats after the change.
    pub seats: u32,
    /// Amount; negative for a waiver.
    pub amount: Kopecks,
    /// Rounding of the amount.
    pub rounding: Rounding,
}

/// Effect of applying a quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A period begins on the day of the payment.
    Start(Terms, Period),
    /// The terms of the current period change as soon as the total is paid; at once if it is zero.
    Now(Terms),
    /// The change waits for the next period.
    NextPeriod(PendingChange),
    /// A change that waits is withdrawn: the present terms were asked for.
    Withdraw(PendingChange),
    /// The next period is paid.
    Renew(Terms, Period),
}

/// The price of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Lines, which sum to the total.
    pub lines: Vec<QuoteLine>,
    /// Amount to pay now; zero if nothing is to be paid.
    pub total: Kopecks,
    /// Effect of applying the quote.
    pub effect: Effect,
}

/// Why there is no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The plan does not sell this number of seats.
    #[error("the plan has {min} to {max} seats")]
    Seats {
        /// Minimum.
        min: u32,
        /// Maximum.
        max: u32,
    },
    /// The plan has no price for this length.
    #[error("the plan is not sold for {0} months at a time")]
    Length(PeriodLength),
    /// The present terms were asked for, and no change of them is pending.
    #[error("nothing would change")]
    NothingChanges,
    /// A subscription has to be bought first.
    #[error("there is no active subscription")]
    NotActive,
    /// A subscription is already active.
    #[error("there is an active subscription: change it")]
    AlreadyActive,
    /// The next period has to be paid first.
    #[error("the invoice of the next period has to be paid first")]
    PaymentOverdue,
    /// The subscription ends with its period.
    #[error("the subscription ends with its period: revoke the cancellation first")]
    Cancels,
    /// The subscription was not renewed for more than its grace: a person decides.
    #[error("the subscription is under review at Flysk")]
    UnderReview,
    /// The next period is already paid.
    #[error("the next period is already paid: changes are possible when it has begun")]
    NextPeriodPaid,
    /// The amount cannot be charged in one payment.
    #[error("the amount is above what one payment can charge")]
    Amount(#[from] OutOfRange),
}

/// A plan that a change refers to: its version and terms.
pub type PlanVersion<'a> = (PlanId, &'a PlanTerms);

/// Prices a change on a day.
///
/// `own` is the version of the plan that the subscription has; `wanted` is the one that a start or a change of the
/// plan asks for; `pending` are the changes that wait for the next period.
pub fn quote(
    subscription: &Subscription,
    change: Change,
    own: Option<PlanVersion<'_>>,
    wanted: Option<PlanVersion<'_>>,
    pending: &[PendingChange],
    today: NaiveDate,
) -> Result<Quote, QuoteError> {
    if let Change::Start { seats, length, .. } = change {
        let wanted = wanted.ok_or(QuoteError::NotActive)?;
        return start(subscription, wanted, seats, length, today);
    }
    let (Some(own), Some(terms), Some(period)) = (own, subscription.terms, subscription.period) else {
        return Err(QuoteError::NotActive);
    };
    match subscription.state {
        SubscriptionState::Active => {}
        state if state.awaits_renewal() => return Err(QuoteError::PaymentOverdue),
        _ => return Err(QuoteError::NotActive),
    }
    if subscription.prepaid.is_some() {
        return Err(QuoteError::NextPeriodPaid);
    }
    if subscription.needs_person {
        return Err(QuoteError::UnderReview);
    }
    let now = Current { subscription, terms, period, today };
    match change {
        Change::Start { .. } => Err(QuoteError::AlreadyActive),
        Change::Seats(seats) => now.seats(seats, own, pending),
        Change::Plan(_) => now.plan(wanted.ok_or(QuoteError::NothingChanges)?, pending),
        Change::Length(length) => now.length(length, own, pending),
        Change::Renew => now.renew(own, wanted, pending),
    }
}

fn start(
    subscription: &Subscription,
    (plan, version): PlanVersion<'_>,
    seats: u32,
    length: PeriodLength,
    today: NaiveDate,
) -> Result<Quote, QuoteError> {
    if !subscription.state.can_start() {
        return Err(QuoteError::AlreadyActive);
    }
    check_seats(version, seats)?;
    let seat_price = *version.prices.get(&length).ok_or(QuoteError::Length(length))?;
    let terms = Terms { plan, seat_price, seats, length };
    let period = AnchorDay::of(today).period_from(today, length)?;
    let line = period_line(&version.title, terms, period)?;
    Ok(Quote { total: line.amount, lines: vec![line], effect: Effect::Start(terms, period) })
}

fn check_seats(version: &PlanTerms, seats: u32) -> Result<(), QuoteError> {
    if version.allows_seats(seats) {
        return Ok(());
    }
    let max = version.max_seats.unwrap_or(super::plan::MAX_SEATS);
    Err(QuoteError::Seats { min: version.min_seats, max })
}

/// The line of a whole period, of a quote or of a renewal's invoice.
pub fn period_line(title: &str, terms: Terms, period: Period) -> Result<QuoteLine, OutOfRange> {
    Ok(QuoteLine {
        kind: LineKind::Period,
        title: format!("Тариф «{title}», {}, {period}", seats_ru(terms.seats)),
        period,
        seats: terms.seats,
        amount: terms.total()?,
        rounding: Rounding::Exact,
    })
}

/// An active subscription on a day.
struct Current<'a> {
    subscription: &'a Subscription,
    terms: Terms,
    period: Period,
    today: NaiveDate,
}

impl Current<'_> {
    fn seats(
        &self,
        seats: u32,
        own: PlanVersion<'_>,
        pending: &[PendingChange],
    ) -> Result<Quote, QuoteError> {
        check_seats(own.1, seats)?;
        let waiting = pending.iter().find(|change| matches!(change, PendingChange::Seats(_)));
        match seats.cmp(&self.terms.seats) {
            std::cmp::Ordering::Greater => self.at_once(Terms { seats, ..self.terms }, &own.1.title),
            std::cmp::Ordering::Less => self.next_period(PendingChange::Seats(seats), waiting),
            std::cmp::Ordering::Equal => withdraw(waiting),
        }
    }

    fn plan(&self, wanted: PlanVersion<'_>, pending: &[PendingChange]) -> Result<Quote, QuoteError> {
        let waiting = pending.iter().find(|change| matches!(change, PendingChange::Plan(_)));
        let (plan, version) = wanted;
        if plan == self.terms.plan {
            return withdraw(waiting);
        }
        let length = self.terms.length;
        let seat_price = *version.prices.get(&length).ok_or(QuoteError::Length(length))?;
        let seats = self.terms.seats.max(version.min_seats);
        check_seats(version, seats)?;
        let terms = Terms { plan, seat_price, seats, length };
        if terms.total()? > self.terms.total()? {
            self.at_once(terms, &version.title)
        } else {
            self.next_period(PendingChange::Plan(plan), waiting)
        }
    }

    fn length(
        &self,
        length: PeriodLength,
        own: PlanVersion<'_>,
        pending: &[PendingChange],
    ) -> Result<Quote, QuoteError> {
        let waiting = pending.iter().find(|change| matches!(change, PendingChange::Length(_)));
        if length == self.terms.length {
            return withdraw(waiting);
        }
        let price = *own.1.prices.get(&length).ok_or(QuoteError::Length(length))?;
        Terms { seat_price: price, length, ..self.terms }.total()?;
        self.next_period(PendingChange::Length(length), waiting)
    }

    fn renew(
        &self,
        own: PlanVersion<'_>,
        next: Option<PlanVersion<'_>>,
        pending: &[PendingChange],
    ) -> Result<Quote, QuoteError> {
        if self.subscription.cancels {
            return Err(QuoteError::Cancels);
        }
        let terms = NextTerms::resolve(self.terms, pending, own.1, next.map(|(_, terms)| terms)).terms;
        let anchor = self.subscription.anchor.unwrap_or_else(|| AnchorDay::of(self.period.until));
        let period = anchor.period_from(self.period.until, terms.length)?;
        // A period that is over is not sold.
        if self.today >= period.until {
            return Err(QuoteError::UnderReview);
        }
        let title =
            next.filter(|(plan, _)| *plan == terms.plan).map_or(&own.1.title, |(_, plan)| &plan.title);
        let line = period_line(title, terms, period)?;
        Ok(Quote { total: line.amount, lines: vec![line], effect: Effect::Renew(terms, period) })
    }

    /// A change at once, for the difference in the rest of the period: one line, rounded once.
    ///
    /// The difference is between the full values of both terms, so a second change in the same period is not computed
    /// from an earlier surcharge.
    fn at_once(&self, terms: Terms, title: &str) -> Result<Quote, QuoteError> {
        let rest = Period::new(self.today.max(self.period.from), self.period.until)
            .map_err(|_| QuoteError::NotActive)?;
        let whole = terms.total()?.checked_sub(self.terms.total()?)?;
        let amount = whole.prorate_half_up(rest.days(), self.priced_days()?)?;
        if amount > MAX_INVOICE {
            return Err(OutOfRange.into());
        }
        // The number of all seats beside the price of some would read as the price of all.
        let (seats, before) = (seats_ru(terms.seats), self.terms.seats);
        let seats = if terms.seats == before { seats } else { format!("{seats} вместо {before}") };
        let difference = QuoteLine {
            kind: LineKind::Difference,
            title: format!("Доплата до конца периода: тариф «{title}», {seats}, {rest}"),
            period: rest,
            seats: terms.seats,
            amount,
            rounding: Rounding::HalfUp,
        };
        let mut lines = vec![difference];
        if amount < MIN_CHARGE && !amount.is_zero() {
            let waiver = QuoteLine {
                kind: LineKind::Waiver,
                title: "Меньше минимального платежа банка: бесплатно".to_owned(),
                amount: amount.checked_neg()?,
                rounding: Rounding::Exact,
                ..lines[0].clone()
            };
            lines.push(waiver);
        }
        let total = Kopecks::total(lines.iter().map(|line| line.amount))?;
        Ok(Quote { lines, total, effect: Effect::Now(terms) })
    }

    /// Days that the price of the terms is for: those of the period as it is. A granted one may be shorter than any that is sold; it
    /// counts as one that is.
    fn priced_days(&self) -> Result<i64, OutOfRange> {
        let days = self.period.days();
        if !self.subscription.is_granted {
            return Ok(days);
        }
        let from = self.period.from;
        Ok(AnchorDay::of(from).period_from(from, self.terms.length)?.days().max(days))
    }

    fn next_period(
        &self,
        change: PendingChange,
        waiting: Option<&PendingChange>,
    ) -> Result<Quote, QuoteError> {
        if self.subscription.cancels {
            return Err(QuoteError::Cancels);
        }
        if waiting == Some(&change) {
            return Err(QuoteError::NothingChanges);
        }
        Ok(Quote { lines: Vec::new(), total: Kopecks::ZERO, effect: Effect::NextPeriod(change) })
    }
}

/// Asking for the present terms withdraws the change that waits.
fn withdraw(waiting: Option<&PendingChange>) -> Result<Quote, QuoteError> {
    let waiting = waiting.copied().ok_or(QuoteError::NothingChanges)?;
    Ok(Quote { lines: Vec::new(), total: Kopecks::ZERO, effect: Effect::Withdraw(waiting) })
}

#[cfg(test)]
mod tests;
