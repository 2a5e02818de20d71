//! Saved cards of a payer.

use flysk_domain::serde_lenient;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::TBank;
use super::error::TBankError;
use super::requests::InvalidRequest;
use super::responses::{number, secret};
use crate::http::Idempotency;

/// A card that a payer saved, as `GetCardList` returns it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SavedCard {
    /// T-Bank's id of the card. It is not the id for charges.
    #[serde(deserialize_with = "number")]
    pub card_id: String,
    /// Whether it can still be used.
    pub status: SavedCardStatus,
    /// Masked card number.
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    pub pan: Option<String>,
    /// Expiry of the card, `MMYY`.
    #[serde(rename = "ExpDate", default, deserialize_with = "serde_lenient::optional_text")]
    pub expires: Option<String>,
    /// Id for charges. The bank's example misspells the name.
    #[serde(default, alias = "RebillId'", deserialize_with = "secret")]
    pub rebill_id: Option<SecretString>,
}

/// Whether a saved card can be charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SavedCardStatus {
    /// It can be charged.
    #[serde(rename = "A")]
    Active,
    /// Removed, or a status that we do not know.
    #[serde(rename = "D", other)]
    Removed,
}

/// Body of requests about a payer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CustomerQuery<'a> {
    customer_key: &'a str,
}

/// Body of `RemoveCard`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CardQuery<'a> {
    customer_key: &'a str,
    card_id: &'a str,
}

/// Code of "unknown payer".
const NO_SUCH_CUSTOMER: &str = "503";
/// Code of "unknown card".
const NO_SUCH_CARD: &str = "107";

impl TBank {
    /// Lists the saved cards of a payer, removed ones included; empty for an unknown payer. Safe to repeat.
    pub async fn cards(&self, customer_key: &str) -> Result<Vec<SavedCard>, TBankError> {
        check(customer_key)?;
        match self.call_list("GetCardList", &CustomerQuery { customer_key }).await {
            Err(TBankError::Refused(refusal)) if refusal.code == NO_SUCH_CUSTOMER => Ok(Vec::new()),
            other => other,
        }
    }

    /// Removes a saved card. Safe to repeat; removing an unknown card succeeds. The bank does not say whether the
    /// card's id for charges dies with it, so nobody may use that id afterwards.
    pub async fn remove_card(&self, customer_key: &str, card_id: &str) -> Result<(), TBankError> {
        check(customer_key)?;
        let request = CardQuery { customer_key, card_id };
        match self.call::<serde::de::IgnoredAny>("RemoveCard", &request, Idempotency::Safe).await {
            Err(TBankError::Refused(refusal))
                if matches!(refusal.code.as_str(), NO_SUCH_CARD | NO_SUCH_CUSTOMER) =>
            {
                Ok(())
            }
            other => other.map(drop),
        }
    }
}

fn check(customer_key: &str) -> Result<(), InvalidRequest> {
    if (1..=36).contains(&customer_key.chars().count()) {
        Ok(())
    } else {
        Err(InvalidRequest::Field("CustomerKey"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_read_with_the_misspelt_name_of_the_banks_example() {
        let body = r#"[{"CardId": 881900, "Pan": "518223******0036", "Status": "D", "RebillId'": "6155312073",
                        "CardType": 0, "ExpDate": "1122"},
                       {"CardId": "2", "Pan": "220138******0013", "Status": "A", "RebillId": 7}]"#;
        let cards: Vec<SavedCard> = serde_json::from_str(body).unwrap();
        assert_eq!((&*cards[0].card_id, cards[0].status), ("881900", SavedCardStatus::Removed));
        assert_eq!(cards[1].status, SavedCardStatus::Active);
        assert!(cards.iter().all(|card| card.rebill_id.is_some()));
    }
}
