//! Billing settings of a widget, set by its vendor at registration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ledger::Service;
use super::subscriptions::{InvalidSettings, SubscriptionSettings};
use crate::money::MicroCoins;

/// Maximum welcome bonus: a million Flycoins.
pub const MAX_BONUS: MicroCoins = MicroCoins(1_000_000 * MicroCoins::PER_UNIT);
/// Maximum lifetime of a bonus, in days (five years): times are bound as MySQL's TIMESTAMP, which ends in 2038.
pub const MAX_BONUS_DAYS: u32 = 1_825;

/// A widget's billing settings. Omitted fields have default values; unknown fields are refused, so that a
/// misspelt name is noticed.
///
/// ```json
/// {"flycoins": {"welcome_bonus": {"amount_micro": 100000000, "lives_days": 30},
///               "forecast_service": "flysense.recognition", "low_balance_micro": 50000000}}
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BillingSettings {
    /// Settings of payment by use.
    pub flycoins: FlycoinSettings,
    /// Settings of payment by the period.
    #[serde(skip_serializing_if = "SubscriptionSettings::is_default")]
    pub subscriptions: SubscriptionSettings,
}

/// Flycoin settings of a widget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlycoinSettings {
    /// Coins granted once per account, at the widget's first activation in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub welcome_bonus: Option<WelcomeBonus>,
    /// The per-minute service whose price is used to forecast how long a balance lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forecast_service: Option<Service>,
    /// Balance below which the vendor's backend gets `flycoins.balance_low`, micro-Flycoins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_balance_micro: Option<MicroCoins>,
}

/// Coins that an account gets once from a widget, when its wallet is opened while the widget is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WelcomeBonus {
    /// Amount, micro-Flycoins.
    pub amount_micro: MicroCoins,
    /// Lifetime in days; `None` if the coins never expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lives_days: Option<u32>,
}

/// The billing settings are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBilling {
    /// The JSON does not have the expected structure.
    #[error("billing settings cannot be read: {0}")]
    Shape(String),
    /// The welcome bonus is below 1 or above [`MAX_BONUS`].
    #[error(
        "flycoins.welcome_bonus.amount_micro is 1 to {MAX_BONUS} Flycoins in millionths; leave welcome_bonus out to give none"
    )]
    BonusAmount,
    /// The bonus lifetime is below 1 or above [`MAX_BONUS_DAYS`].
    #[error(
        "flycoins.welcome_bonus.lives_days is 1 to {MAX_BONUS_DAYS}; leave it out for coins that do not expire"
    )]
    BonusDays,
    /// Settings of subscriptions.
    #[error(transparent)]
    Subscriptions(#[from] InvalidSettings),
    /// The low balance is below 1 or above [`MAX_BONUS`].
    #[error(
        "flycoins.low_balance_micro is 1 to {MAX_BONUS} Flycoins in millionths; leave it out to hear of no low balance"
    )]
    LowBalance,
    /// The forecast service belongs to another widget.
    #[error("flycoins.forecast_service is `{service}`: a widget's services begin with its code, `{code}.`")]
    ForeignService {
        /// The service given.
        service: Service,
        /// Code of the widget.
        code: String,
    },
}

impl BillingSettings {
    /// Parses and validates the settings of the widget `code`.
    pub fn read(value: &Value, code: &str) -> Result<Self, InvalidBilling> {
        // Serde would accept an array for a struct whose fields are all optional.
        if !value.is_object() {
            return Err(InvalidBilling::Shape("an object is expected".to_owned()));
        }
        let settings: Self = serde_json::from_value(value.clone())
            .map_err(|error| InvalidBilling::Shape(error.to_string()))?;
        settings.check(code).map(|()| settings)
    }

    fn check(&self, code: &str) -> Result<(), InvalidBilling> {
        self.subscriptions.check()?;
        if let Some(WelcomeBonus { amount_micro, lives_days }) = self.flycoins.welcome_bonus {
            if !amount_micro.is_positive() || amount_micro > MAX_BONUS {
                return Err(InvalidBilling::BonusAmount);
            }
            if lives_days.is_some_and(|days| !(1..=MAX_BONUS_DAYS).contains(&days)) {
                return Err(InvalidBilling::BonusDays);
            }
        }
        if self.flycoins.low_balance_micro.is_some_and(|low| !low.is_positive() || low > MAX_BONUS) {
            return Err(InvalidBilling::LowBalance);
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
            "low_balance_micro": 50_000_000,
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
            (json!({"flycoins": {"low_balance_micro": 0}}), "low_balance_micro is 1 to"),
            (json!({"flycoins": {"forecast_service": "acme.notes"}}), "begin with its code, `flysense.`"),
            (json!({"flycoins": {"forecast_service": "Acme"}}), "lower-case"),
            (json!({"subscriptions": {"grace": 3}}), "unknown field `grace`"),
            (json!({"subscriptions": {"grace_days": 61}}), "grace_days is 0 to 60"),
            (json!({"subscriptions": {"charge_days": [1]}}), "charge_days are"),
        ] {
            let error = BillingSettings::read(&wrong, "flysense").unwrap_err().to_string();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }
}
