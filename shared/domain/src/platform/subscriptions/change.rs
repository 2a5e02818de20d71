//! Changes of a subscription: those at once, and those that wait for the next period, each kind by itself.

use serde::{Deserialize, Serialize};

use super::calendar::PeriodLength;
use super::plan::{PlanTerms, Terms};
use crate::UnknownText;
use crate::id::PlanId;

/// A change that a customer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Buy a first period, or a new one after an end.
    Start {
        /// Version of the plan.
        plan: PlanId,
        /// Number of seats.
        seats: u32,
        /// Length of the period.
        length: PeriodLength,
    },
    /// Another number of seats.
    Seats(u32),
    /// Another plan, in the version on offer; seats are raised to its minimum.
    Plan(PlanId),
    /// Another length, from the next period on.
    Length(PeriodLength),
    /// Pay the next period now.
    Renew,
}

/// Kind of a change that a customer asks for.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// Buy a first period, or a new one after an end.
    Start,
    /// Another number of seats.
    Seats,
    /// Another plan.
    Plan,
    /// Another length of the period.
    Length,
    /// Pay the next period now.
    Renew,
}

impl Change {
    /// Code of the change, without its values.
    pub const fn kind(&self) -> ChangeKind {
        match self {
            Self::Start { .. } => ChangeKind::Start,
            Self::Seats(_) => ChangeKind::Seats,
            Self::Plan(_) => ChangeKind::Plan,
            Self::Length(_) => ChangeKind::Length,
            Self::Renew => ChangeKind::Renew,
        }
    }
}

/// Kind of a change that waits for the next period.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PendingKind {
    /// Another plan of the widget.
    Plan,
    /// Of the number of seats.
    Seats,
    /// Of the length of the period.
    Length,
}

/// A change that waits for the next period. A subscription has at most one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PendingChange {
    /// Version of the next plan.
    Plan(PlanId),
    /// Next number of seats.
    Seats(u32),
    /// Next length.
    Length(PeriodLength),
}

impl PendingChange {
    /// Code of the change, without its value.
    pub const fn kind(&self) -> PendingKind {
        match self {
            Self::Plan(_) => PendingKind::Plan,
            Self::Seats(_) => PendingKind::Seats,
            Self::Length(_) => PendingKind::Length,
        }
    }
}

/// A pending change that could not be applied: the subscription continues without it, and an operator is notified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable(pub PendingKind);

/// Terms of the next period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextTerms {
    /// Terms after the pending changes that are still possible.
    pub terms: Terms,
    /// Changes that are not possible any more.
    pub unavailable: Vec<Unavailable>,
}

impl NextTerms {
    /// Applies pending changes to the current terms.
    ///
    /// `own` are the terms of the current version of the plan; `next` those of the version of a pending change of the
    /// plan, if it is still on offer. The price of a kept version is kept.
    pub fn resolve(
        current: Terms,
        pending: &[PendingChange],
        own: &PlanTerms,
        next: Option<&PlanTerms>,
    ) -> Self {
        let mut unavailable = Vec::new();
        let mut plan = (current.plan, own);
        let mut length = current.length;
        let mut seats = current.seats;
        for change in pending {
            match (change, next) {
                (PendingChange::Plan(id), Some(terms)) => plan = (*id, terms),
                (PendingChange::Plan(_), None) => unavailable.push(Unavailable(PendingKind::Plan)),
                (PendingChange::Seats(wanted), _) => seats = *wanted,
                (PendingChange::Length(wanted), _) => length = *wanted,
            }
        }
        if length != current.length && !plan.1.prices.contains_key(&length) {
            unavailable.push(Unavailable(PendingKind::Length));
            length = current.length;
        }
        if plan.0 != current.plan && !plan.1.prices.contains_key(&length) {
            unavailable.push(Unavailable(PendingKind::Plan));
            plan = (current.plan, own);
        }
        let unchanged = plan.0 == current.plan && length == current.length;
        let price = if unchanged { None } else { plan.1.prices.get(&length).copied() };
        let most = plan.1.max_seats.unwrap_or(super::plan::MAX_SEATS).max(plan.1.min_seats);
        let terms = Terms {
            plan: plan.0,
            seat_price: price.unwrap_or(current.seat_price),
            seats: seats.clamp(plan.1.min_seats, most),
            length,
        };
        Self { terms, unavailable }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::super::plan::Currency;
    use super::*;
    use crate::SystemClock;
    use crate::money::Kopecks;

    fn plan(prices: &[(PeriodLength, i64)], min_seats: u32) -> PlanTerms {
        PlanTerms {
            title: "План".to_owned(),
            prices: prices
                .iter()
                .map(|(length, price)| (*length, Kopecks(*price)))
                .collect::<BTreeMap<_, _>>(),
            min_seats,
            max_seats: None,
            currency: Currency::Rub,
            features: json!({}),
        }
    }

    fn current() -> Terms {
        let plan = PlanId::generate(&SystemClock);
        // A price of an older version, which the catalogue does not have any more.
        Terms { plan, seat_price: Kopecks(777), seats: 5, length: PeriodLength::Month }
    }

    #[test]
    fn every_kind_is_applied_by_itself_and_the_price_is_kept() {
        let own = plan(&[(PeriodLength::Month, 1_000), (PeriodLength::Year, 9_000)], 1);
        let current = current();
        let next = NextTerms::resolve(current, &[PendingChange::Seats(3)], &own, None);
        assert_eq!(next.terms, Terms { seats: 3, ..current });
        let next = NextTerms::resolve(
            current,
            &[PendingChange::Seats(3), PendingChange::Length(PeriodLength::Year)],
            &own,
            None,
        );
        assert_eq!(
            next.terms,
            Terms { seats: 3, length: PeriodLength::Year, seat_price: Kopecks(9_000), ..current }
        );
        let other = PlanId::generate(&SystemClock);
        let cheaper = plan(&[(PeriodLength::Month, 500)], 4);
        let changes = [PendingChange::Plan(other), PendingChange::Seats(2)];
        let next = NextTerms::resolve(current, &changes, &own, Some(&cheaper));
        assert_eq!(next.terms, Terms { plan: other, seat_price: Kopecks(500), seats: 4, ..current });
        assert!(next.unavailable.is_empty());
    }

    #[test]
    fn what_is_not_sold_any_more_is_reported_and_the_old_terms_go_on() {
        let own = plan(&[(PeriodLength::Month, 1_000)], 1);
        let current = current();
        let other = PlanId::generate(&SystemClock);
        let next = NextTerms::resolve(current, &[PendingChange::Plan(other)], &own, None);
        assert_eq!((next.terms, next.unavailable), (current, vec![Unavailable(PendingKind::Plan)]));
        let yearly = plan(&[(PeriodLength::Year, 9_000)], 1);
        let next = NextTerms::resolve(current, &[PendingChange::Plan(other)], &own, Some(&yearly));
        assert_eq!((next.terms, next.unavailable), (current, vec![Unavailable(PendingKind::Plan)]));
        let next = NextTerms::resolve(current, &[PendingChange::Length(PeriodLength::Year)], &own, None);
        assert_eq!((next.terms, next.unavailable), (current, vec![Unavailable(PendingKind::Length)]));
    }
}
