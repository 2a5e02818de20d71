//! Cards beside the test cards: a scenario chooses what happens to each payment with them.

use super::TBank;
use super::model::{BankState, Ending, OwnCard, Source, TEST_CARDS};
use crate::lock::locked;

/// Number of the first card; the others follow. No issuer has this range.
const FIRST_NUMBER: u64 = 2_299_000_000_000_000;

/// What a payer pays with: a test card or an own one.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) number: String,
    pub(super) source: Source,
    pub(super) form: Ending,
    pub(super) charges: Vec<Ending>,
    pub(super) charge: Ending,
}

impl BankState {
    /// The card, or another means of payment, with this number.
    pub(super) fn means(&self, number: &str) -> Option<Means> {
        let test = TEST_CARDS.iter().find(|card| card.number == number).map(|card| Means {
            number: card.number.to_owned(),
            source: card.source,
            form: card.form,
            charges: Vec::new(),
            charge: card.charge,
        });
        test.or_else(|| {
            self.cards.iter().find(|card| card.number == number).map(|card| Means {
                number: card.number.clone(),
                source: Source::Card,
                form: card.form,
                charges: card.charges.clone(),
                charge: card.charge,
            })
        })
    }
}

impl TBank {
    /// Adds a card with these results; returns it with its number.
    pub fn add_card(&self, title: &str, form: Ending, charges: Vec<Ending>, charge: Ending) -> OwnCard {
        let mut bank_state = locked(&self.inner.bank_state);
        let number = (FIRST_NUMBER + bank_state.cards.len() as u64).to_string();
        let card = OwnCard { number, title: title.to_owned(), form, charges, charge };
        bank_state.cards.push(card.clone());
        card
    }

    /// Cards that were added, oldest first.
    pub fn own_cards(&self) -> Vec<OwnCard> {
        locked(&self.inner.bank_state).cards.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_found_by_its_number_among_the_test_cards_and_the_own_ones() {
        let mut bank_state = BankState::default();
        bank_state.cards.push(OwnCard {
            number: "2299000000000000".to_owned(),
            title: "вторая попытка".to_owned(),
            form: Ending::Paid,
            charges: vec![Ending::Declined(1051)],
            charge: Ending::Paid,
        });
        let own = bank_state.means("2299000000000000").unwrap();
        assert_eq!((own.charges, own.charge), (vec![Ending::Declined(1051)], Ending::Paid));
        assert_eq!(bank_state.means("2200000000000012").unwrap().form, Ending::Declined(1051));
        assert_eq!(bank_state.means("sbp").unwrap().source, Source::Sbp);
        assert!(bank_state.means("4111111111111111").is_none());
    }
}
