//! Bank cards with chosen outcomes.

use flysk_simulators::tbank::{Ending, OwnCard, TEST_CARDS};
use poem::handler;
use poem::web::{Data, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bank_words::CardOutcome;
use super::control::ControlData;
use super::input::Input;
use super::problem::Problem;
use super::scene::Scene;

/// Charges whose outcomes can be chosen one by one.
const MAX_CHARGES: usize = 100;

/// A card as it is told.
#[derive(Debug, Serialize)]
pub(super) struct CardState {
    pub(super) number: String,
    pub(super) title: String,
    /// Outcome of a payment on the form.
    form: CardOutcome,
    /// Outcomes of the first charges after it was saved.
    charges: Vec<CardOutcome>,
    /// Outcome of every later charge.
    then: CardOutcome,
}

impl From<OwnCard> for CardState {
    fn from(card: OwnCard) -> Self {
        Self {
            number: card.number,
            title: card.title,
            form: CardOutcome::of(card.form),
            charges: card.charges.into_iter().map(CardOutcome::of).collect(),
            then: CardOutcome::of(card.charge),
        }
    }
}

/// All cards and other means of payment: the bank's own, then those that were added.
pub(super) fn cards_of(scene: &Scene) -> Vec<CardState> {
    let test_cards = TEST_CARDS.iter().map(|card| CardState {
        number: card.number.to_owned(),
        title: card.title.to_owned(),
        form: CardOutcome::of(card.form),
        charges: Vec::new(),
        then: CardOutcome::of(card.charge),
    });
    test_cards.chain(scene.sandbox.bank.state.own_cards().into_iter().map(CardState::from)).collect()
}

#[handler]
pub(super) fn list(Data(control): ControlData<'_>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "items": cards_of(&*control.scene()?) })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCard {
    pub(super) title: Option<String>,
    #[serde(default = "paid")]
    pub(super) form: CardOutcome,
    #[serde(default)]
    pub(super) charges: Vec<CardOutcome>,
    /// By default the last of `charges`, or else [`charges_of`] the outcome on the form.
    pub(super) then: Option<CardOutcome>,
}

fn paid() -> CardOutcome {
    CardOutcome::Paid
}

/// Adds a card; it is used by its number.
#[handler]
pub(super) fn add(
    Data(control): ControlData<'_>,
    Input(wanted): Input<NewCard>,
) -> Result<Json<CardState>, Problem> {
    Ok(Json(add_card(&*control.scene()?, wanted)?))
}

pub(super) fn add_card(scene: &Scene, wanted: NewCard) -> Result<CardState, Problem> {
    if wanted.charges.len() > MAX_CHARGES {
        return Err(Problem::invalid(format!("`charges` has at most {MAX_CHARGES} outcomes")));
    }
    let then = wanted.then.or(wanted.charges.last().copied()).unwrap_or_else(|| charges_of(wanted.form));
    let mut of_charges = wanted.charges.iter().copied().chain([then]);
    if of_charges.any(|outcome| outcome == CardOutcome::ThreeDSecure) {
        return Err(Problem::invalid(
            "`three_d_secure` is for `form`: nobody is asked when a saved card is charged",
        ));
    }
    let title = wanted.title.unwrap_or_else(|| title_of(wanted.form, &wanted.charges, then));
    let charges: Vec<Ending> = wanted.charges.iter().map(|outcome| outcome.ending()).collect();
    Ok(scene.sandbox.bank.state.add_card(&title, wanted.form.ending(), charges, then.ending()).into())
}

/// The outcome of charges if only that on the form was chosen: the same. Nobody is asked for 3-D Secure then, so a card that fails
/// it is declined.
fn charges_of(form: CardOutcome) -> CardOutcome {
    if form == CardOutcome::ThreeDSecure { CardOutcome::Declined } else { form }
}

/// A title that tells the card from others: its outcome on the form, and those of charges if they differ.
fn title_of(form: CardOutcome, charges: &[CardOutcome], then: CardOutcome) -> String {
    let mut of_charges: Vec<&str> = charges.iter().chain([&then]).map(|outcome| outcome.title()).collect();
    of_charges.dedup();
    if of_charges.iter().all(|title| *title == form.title()) {
        return form.title().to_owned();
    }
    format!("{}; списания: {}", form.title(), of_charges.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_charges_that_end_otherwise_than_the_form() {
        let (paid, poor) = (CardOutcome::Paid, CardOutcome::InsufficientFunds);
        assert_eq!(title_of(paid, &[], paid), "успешная оплата");
        assert_eq!(title_of(paid, &[paid], paid), "успешная оплата");
        let told = "успешная оплата; списания: недостаточно средств, успешная оплата";
        assert_eq!(title_of(paid, &[poor], paid), told);
    }
}
