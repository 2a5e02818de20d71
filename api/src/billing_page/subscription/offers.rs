//! Plans on offer with their calculator, and the forms that change a subscription.

use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{MAX_SEATS, PeriodLength, PlanTerms, SubscriptionState};
use flysk_domain::russian::roubles;
use flysk_services::subscriptions::SubscriptionDetails;
use flysk_store::platform::subscriptions::Plan;

use super::form::QuoteForm;

/// A plan with the fields of its calculator.
#[derive(Debug)]
pub(super) struct Offer {
    /// Id of the version.
    pub(super) plan: String,
    pub(super) title: String,
    /// Minimum number of seats.
    pub(super) min_seats: u32,
    /// Maximum number of seats.
    pub(super) max_seats: u32,
    /// Whether the vendor has set the maximum.
    pub(super) is_limited: bool,
    /// Number of seats in the field.
    pub(super) seats: String,
    /// Lengths with their prices.
    pub(super) lengths: Vec<LengthChoice>,
}

/// A length of the period with its price.
#[derive(Debug)]
pub(super) struct LengthChoice {
    /// Number of months.
    pub(super) months: u32,
    /// `3 месяца`.
    pub(super) label: &'static str,
    /// Price of a seat for all these months.
    pub(super) price: String,
    /// Saving against payment by the month.
    pub(super) saving: Option<String>,
    /// Whether it is chosen.
    pub(super) checked: bool,
}

impl Offer {
    /// Formats a plan, with the values of a form that was sent.
    pub(super) fn of(plan: &Plan, typed: Option<&QuoteForm>) -> Self {
        let id = plan.id.to_string();
        let typed = typed.filter(|form| form.is_about(&id));
        let seats = typed.map_or_else(|| plan.terms.min_seats.to_string(), QuoteForm::typed_seats);
        Self::with(plan, seats, typed.and_then(QuoteForm::chosen_months))
    }

    /// Formats a plan with a number of seats and a chosen length; the shortest one if none is chosen.
    pub(super) fn with(plan: &Plan, seats: String, months: Option<u32>) -> Self {
        let terms = &plan.terms;
        let chosen = months.or_else(|| terms.prices.keys().next().map(|length| length.months()));
        Self {
            plan: plan.id.to_string(),
            title: terms.title.clone(),
            min_seats: terms.min_seats,
            max_seats: terms.max_seats.unwrap_or(MAX_SEATS),
            is_limited: terms.max_seats.is_some(),
            seats,
            lengths: lengths(terms, |length| Some(length.months()) == chosen),
        }
    }
}

fn lengths(terms: &PlanTerms, is_checked: impl Fn(PeriodLength) -> bool) -> Vec<LengthChoice> {
    let month = terms.prices.get(&PeriodLength::Month).copied();
    let choice = |(length, price): (&PeriodLength, &Kopecks)| LengthChoice {
        months: length.months(),
        label: length.label_ru(),
        price: roubles(*price),
        saving: month.and_then(|month| saving(month, *length, *price)),
        checked: is_checked(*length),
    };
    terms.prices.iter().map(choice).collect()
}

/// Whole per cents saved against paying by the month; `None` if that is less than one.
fn saving(month: Kopecks, length: PeriodLength, price: Kopecks) -> Option<String> {
    let by_month = month.0.checked_mul(length.months().into())?;
    let saved = by_month.checked_sub(price.0)?.checked_mul(100)? / by_month;
    (saved > 0).then(|| format!("выгода {saved}\u{a0}%"))
}

/// Another plan that can be chosen.
#[derive(Debug)]
pub(super) struct PlanChoice {
    /// Id of the version.
    pub(super) id: String,
    /// Title with the price of a seat for the present length.
    pub(super) label: String,
}

/// The forms that change an active subscription.
#[derive(Debug)]
pub(super) struct ChangeForms {
    /// Present number of seats, or what was typed.
    pub(super) seats: String,
    /// Minimum number of seats.
    pub(super) min_seats: u32,
    /// Maximum number of seats.
    pub(super) max_seats: u32,
    /// Other plans that are sold for the present length.
    pub(super) plans: Vec<PlanChoice>,
    /// Other lengths of the present plan.
    pub(super) lengths: Vec<LengthChoice>,
    /// Whether the next period can be paid now.
    pub(super) can_renew: bool,
}

impl ChangeForms {
    /// The forms for a subscription that may be changed; `None` for any other.
    pub(super) fn of(
        details: &SubscriptionDetails,
        on_offer: &[Plan],
        typed: Option<&QuoteForm>,
    ) -> Option<Self> {
        let subscription = &details.row.subscription;
        let (terms, own) = (subscription.terms?, details.plan.as_ref()?);
        let blocked = subscription.prepaid.is_some() || subscription.needs_person;
        if subscription.state != SubscriptionState::Active || blocked {
            return None;
        }
        let other = |plan: &Plan| -> Option<PlanChoice> {
            let price = plan.terms.prices.get(&terms.length)?;
            let label = format!("{}: {} за место", plan.terms.title, roubles(*price));
            (plan.id != own.id).then(|| PlanChoice { id: plan.id.to_string(), label })
        };
        let mut lengths = lengths(&own.terms, |_| false);
        lengths.retain(|choice| choice.months != terms.length.months());
        if subscription.cancels {
            lengths.clear();
        }
        let seats = typed.map(QuoteForm::typed_seats).filter(|typed| !typed.is_empty());
        Some(Self {
            seats: seats.unwrap_or_else(|| terms.seats.to_string()),
            min_seats: own.terms.min_seats,
            max_seats: own.terms.max_seats.unwrap_or(MAX_SEATS),
            plans: on_offer.iter().filter_map(other).collect(),
            lengths,
            can_renew: !subscription.cancels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saving_is_told_in_whole_per_cents() {
        let of = |month, length, price| saving(Kopecks(month), length, Kopecks(price));
        assert_eq!(of(99_000, PeriodLength::Year, 990_000).as_deref(), Some("выгода 16\u{a0}%"));
        assert_eq!(of(99_000, PeriodLength::Month, 99_000), None);
        assert_eq!(of(99_000, PeriodLength::Quarter, 300_000), None, "dearer than by the month");
        assert_eq!(of(1, PeriodLength::Year, 12), None);
    }
}
