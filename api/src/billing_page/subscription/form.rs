//! Forms of the page, and what they ask for. Their CSRF tokens keep them from having a derived `Debug`.

use flysk_domain::platform::subscriptions::{Change, ChangeKind, PeriodLength};
use poem::web::Form;
use serde::Deserialize;

use crate::problem::{Problem, ProblemCode};

/// The fields of a form. A form with unknown, missing or repeated fields is not ours.
pub(super) fn fields<T>(sent: poem::Result<Form<T>>) -> Result<T, Problem> {
    let Form(fields) = sent.map_err(|_| Problem::new(ProblemCode::BadRequest, "malformed form"))?;
    Ok(fields)
}

/// A form with a button only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Button {
    /// CSRF token.
    pub(super) token: String,
}

/// A change to be priced.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuoteForm {
    /// CSRF token.
    pub(super) token: String,
    change: String,
    #[serde(default)]
    plan: String,
    #[serde(default)]
    seats: String,
    #[serde(default)]
    months: String,
}

impl QuoteForm {
    /// The change, or what to correct, in Russian.
    pub(super) fn change(&self) -> Result<Change, &'static str> {
        let kind: ChangeKind = self.change.parse().map_err(|_| "Выберите, что изменить.")?;
        let plan = || self.plan.parse().map_err(|_| "Выберите тариф.");
        Ok(match kind {
            ChangeKind::Start => {
                Change::Start { plan: plan()?, seats: self.seats()?, length: self.length()? }
            }
            ChangeKind::Seats => Change::Seats(self.seats()?),
            ChangeKind::Plan => Change::Plan(plan()?),
            ChangeKind::Length => Change::Length(self.length()?),
            ChangeKind::Renew => Change::Renew,
        })
    }

    fn seats(&self) -> Result<u32, &'static str> {
        let seats = self.seats.trim().parse().ok().filter(|seats| *seats > 0);
        seats.ok_or("Введите число мест: целое, не меньше 1.")
    }

    fn length(&self) -> Result<PeriodLength, &'static str> {
        let months = self.months.parse::<u32>().ok();
        months.and_then(|months| months.try_into().ok()).ok_or("Выберите срок.")
    }

    /// The typed number of seats, cut to the length of the field.
    pub(super) fn typed_seats(&self) -> String {
        self.seats.chars().take(10).collect()
    }

    /// Whether the form is about this plan.
    pub(super) fn is_about(&self, plan: &str) -> bool {
        self.plan == plan
    }

    /// The chosen length.
    pub(super) fn chosen_months(&self) -> Option<u32> {
        self.months.parse().ok()
    }
}

/// A payment of an invoice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PayForm {
    /// CSRF token.
    pub(super) token: String,
    /// E-mail address of the receipt.
    pub(super) email: String,
    /// Version of the offer that was shown.
    pub(super) offer: String,
    /// Present if the payer ticked the box beside the offer.
    #[serde(default)]
    pub(super) consent: Option<String>,
}
