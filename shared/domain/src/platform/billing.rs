//! What a widget's use costs and gives, as its vendor set it at registration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ledger::Service;
use crate::money::MicroCoins;

/// More than anybody gives away: a million Flycoins.
pub const LARGEST_BONUS: MicroCoins = MicroCoins(1_000_000 * MicroCoins::PER_UNIT);
/// Five years: times of rows are bound as MySQL's TIMESTAMP, which ends in 2038.
pub const LONGEST_BONUS_DAYS: u32 = 1_825;

/// A widget's billing settings. Whatever is left out has its usual value; what is not known is refused, so
/// that a misspelt name does not go unnoticed.
///
/// ```json
/// {"flycoins": {"welcome_bonus": {"amount_micro": 100000000, "lives_days": 30},
///               "forecast_service": "flysense.recognition"}}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BillingSettings {
    /// Payment by use.
    pub flycoins: FlycoinSettings,
}

/// How a widget uses Flycoins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlycoinSettings {
    /// What an account is given once ever, at the widget's first activation in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub welcome_bonus: Option<WelcomeBonus>,
    /// The service whose price tells how long a balance lasts; one that is paid by the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast_service: Option<Service>,
}

/// Coins for a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WelcomeBonus {
    /// How many, in millionths of a Flycoin.
    pub amount_micro: MicroCoins,
    /// How long they can be spent; without end if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lives_days: Option<u32>,
}

/// The settings are not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBilling {
    /// Not of this shape.
    #[error("billing settings cannot be read: {0}")]
    Shape(String),
    /// Nothing, or more than anybody gives away.
    #[error(
        "flycoins.welcome_bonus.amount_micro is 1 to {LARGEST_BONUS} Flycoins in millionths; leave welcome_bonus out to give none"
    )]
    BonusAmount,
    /// Not a time anybody waits for.
    #[error(
        "flycoins.welcome_bonus.lives_days is 1 to {LONGEST_BONUS_DAYS}; leave it out for coins that do not expire"
    )]
    BonusDays,
    /// Somebody else's.
    #[error("flycoins.forecast_service is `{service}`: a widget's services begin with its code, `{code}.`")]
    ForeignService {
        /// What was named.
        service: Service,
        /// The widget.
        code: String,
    },
}

impl BillingSettings {
    /// Reads and checks the settings of the widget `code`.
    pub fn read(value: &Value, code: &str) -> Result<Self, InvalidBilling> {
        // A list would pass for a struct whose fields may all be left out.
        if !value.is_object() {
            return Err(InvalidBilling::Shape("an object is expected".to_owned()));
        }
        let settings: Self = serde_json::from_value(value.clone())
            .map_err(|error| InvalidBilling::Shape(error.to_string()))?;
        settings.check(code).map(|()| settings)
    }

    fn check(&self, code: &str) -> Result<(), InvalidBilling> {
        if let Some(WelcomeBonus { amount_micro, lives_days }) = self.flycoins.welcome_bonus {
            if !amount_micro.is_positive() || amount_micro > LARGEST_BONUS {
                return Err(InvalidBilling::BonusAmount);
            }
            if lives_days.is_some_and(|days| !(1..=LONGEST_BONUS_DAYS).contains(&days)) {
                return Err(InvalidBilling::BonusDays);
            }
        }
        match &self.flycoins.forecast_service {
            Some(service) if !service.is_of(code) => {
                Err(InvalidBilling::ForeignService { service: service.clone(), code: code.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_survive_their_json_and_may_be_left_out() {
        let json = json!({"flycoins": {
            "welcome_bonus": {"amount_micro": 100_000_000, "lives_days": 30},
            "forecast_service": "flysense.recognition",
        }});
        let settings = BillingSettings::read(&json, "flysense").unwrap();
        let bonus = WelcomeBonus { amount_micro: MicroCoins(100_000_000), lives_days: Some(30) };
        assert_eq!(settings.flycoins.welcome_bonus, Some(bonus));
        assert_eq!(serde_json::to_value(&settings).unwrap(), json);
        assert_eq!(BillingSettings::read(&json!({}), "flysense"), Ok(BillingSettings::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let bonus = |bonus: Value| json!({"flycoins": {"welcome_bonus": bonus}});
        for (wrong, named) in [
            (json!([]), "cannot be read"),
            (json!({"flycoin": {}}), "unknown field `flycoin`"),
            (bonus(json!({"amount": 1})), "unknown field `amount`"),
            (bonus(json!({"amount_micro": 1.5})), "floating point `1.5`"),
            (bonus(json!({"amount_micro": 0})), "amount_micro is 1 to"),
            (bonus(json!({"amount_micro": 1_000_000_000_001_i64})), "amount_micro is 1 to"),
            (bonus(json!({"amount_micro": 1, "lives_days": 0})), "lives_days is 1 to 1825"),
            (json!({"flycoins": {"forecast_service": "acme.notes"}}), "begin with its code, `flysense.`"),
            (json!({"flycoins": {"forecast_service": "Acme"}}), "lower-case"),
        ] {
            let error = BillingSettings::read(&wrong, "flysense").unwrap_err().to_string();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }
}
