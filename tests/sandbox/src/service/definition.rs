//! The widget of a sandbox: what a vendor sells, and the accounts that have it.

use std::collections::BTreeMap;
use std::fmt;

use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::subscriptions::PeriodLength;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::json_fault;

/// Id and subdomain of the first account.
const FIRST_ACCOUNT: (u64, &str) = (31_234_567, "demo");
/// Id of the first user; the others follow.
const FIRST_USER: u64 = 501;

/// A widget with its prices, plans and accounts. Omitted fields have the values of `my-widget`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct WidgetDefinition {
    pub(super) code: String,
    pub(super) name: String,
    /// Client id of its integration in the simulated amoCRM.
    pub(super) client_id: String,
    /// Secret key of the integration; it signs one-time tokens of the page.
    pub(super) client_secret: String,
    pub(super) uses_flycoins: bool,
    pub(super) uses_subscriptions: bool,
    pub(super) trial_days: u16,
    pub(super) starts_switched_off: bool,
    /// Billing settings, as for `flysk-worker widget:update --billing`.
    pub(super) billing: Value,
    /// Kinds of events: `all`, `usual`, or a list such as `install,activate`.
    pub(super) events: String,
    /// Seconds between attempts to deliver an event; none: the usual ones.
    pub(super) delivery_delays: Option<Vec<u32>>,
    /// JSON Schema of the settings of installs.
    pub(super) settings_schema: Option<Value>,
    /// Priced services; none: `<code>.request` at 2.5 Flycoins.
    pub(super) services: Option<Vec<ServiceDefinition>>,
    pub(super) packages: Vec<PackageDefinition>,
    pub(super) plans: Vec<PlanDefinition>,
    pub(super) accounts: Vec<AccountDefinition>,
}

/// A service with its price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceDefinition {
    /// `<code of the widget>.<service>`.
    pub(super) code: String,
    /// Price of a piece.
    #[serde(default)]
    pub(super) per_piece_micro: Option<MicroCoins>,
    /// Price of a minute.
    #[serde(default)]
    pub(super) per_minute_micro: Option<MicroCoins>,
    /// Minimum duration of a service by the minute.
    #[serde(default)]
    pub(super) at_least_s: u64,
}

/// A package of Flycoins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackageDefinition {
    pub(super) code: String,
    pub(super) title: String,
    pub(super) price_kopecks: Kopecks,
    /// Purchased coins; none: one for each rouble.
    #[serde(default)]
    pub(super) coins_micro: Option<MicroCoins>,
    #[serde(default)]
    pub(super) bonus_micro: MicroCoins,
    #[serde(default)]
    pub(super) bonus_days: Option<u32>,
}

/// A plan of a subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanDefinition {
    pub(super) code: String,
    pub(super) title: String,
    /// Price of a seat for a number of months.
    pub(super) seat_kopecks: BTreeMap<PeriodLength, Kopecks>,
    #[serde(default = "one")]
    pub(super) min_seats: u32,
    #[serde(default)]
    pub(super) max_seats: Option<u32>,
    #[serde(default = "no_features")]
    pub(super) features: Value,
}

/// An account of the simulated amoCRM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountDefinition {
    pub(super) id: u64,
    pub(super) subdomain: String,
    #[serde(default)]
    pub(super) name: String,
    pub(super) users: Vec<UserDefinition>,
    /// Whether the widget is installed at the start.
    #[serde(default = "yes")]
    pub(super) installed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserDefinition {
    pub(super) id: u64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) is_admin: bool,
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

fn no_features() -> Value {
    json!({})
}

impl Default for WidgetDefinition {
    fn default() -> Self {
        let (id, subdomain) = FIRST_ACCOUNT;
        Self {
            code: "my-widget".to_owned(),
            name: "My widget".to_owned(),
            client_id: "22222222-3333-4444-8555-666666666666".to_owned(),
            client_secret: "simulated-vendor-secret".to_owned(),
            uses_flycoins: true,
            uses_subscriptions: true,
            trial_days: 14,
            starts_switched_off: false,
            billing: json!({ "flycoins": {
                "welcome_bonus": { "amount_micro": 100_000_000 }, "low_balance_micro": 50_000_000,
            } }),
            events: "all".to_owned(),
            delivery_delays: None,
            settings_schema: None,
            services: None,
            packages: vec![PackageDefinition {
                code: "start".to_owned(),
                title: "Стартовый".to_owned(),
                price_kopecks: Kopecks(50_000),
                coins_micro: None,
                bonus_micro: MicroCoins::ZERO,
                bonus_days: None,
            }],
            plans: vec![PlanDefinition {
                code: "pro".to_owned(),
                title: "Про".to_owned(),
                seat_kopecks: BTreeMap::from([
                    (PeriodLength::Month, Kopecks(49_900)),
                    (PeriodLength::Year, Kopecks(499_000)),
                ]),
                min_seats: 1,
                max_seats: Some(100),
                features: no_features(),
            }],
            accounts: vec![AccountDefinition {
                id,
                subdomain: subdomain.to_owned(),
                name: "Демонстрация".to_owned(),
                users: usual_users(FIRST_USER),
                installed: true,
            }],
        }
    }
}

/// An administrator and an ordinary user with ids from `first` on.
pub(super) fn usual_users(first: u64) -> Vec<UserDefinition> {
    [(first, "Анна", true), (first + 1, "Борис", false)]
        .map(|(id, name, is_admin)| UserDefinition { id, name: name.to_owned(), is_admin })
        .to_vec()
}

impl WidgetDefinition {
    /// Reads the widget of a file, whose name errors begin with.
    ///
    /// # Errors
    ///
    /// The text is not that of a widget, or has a service of another one.
    pub(super) fn read(text: &[u8], file: impl fmt::Display) -> Result<Self, String> {
        let widget: Self = json_fault::read(text).map_err(|fault| fault.in_file(&file))?;
        match widget.find_foreign_service() {
            None => Ok(widget),
            Some(service) => Err(format!(
                "{file}: `{service}` is no service of this widget: its services begin with `{}.`",
                widget.code
            )),
        }
    }

    fn find_foreign_service(&self) -> Option<String> {
        let is_own = |code: &str| code.strip_prefix(&self.code).is_some_and(|rest| rest.starts_with('.'));
        self.services().into_iter().map(|service| service.code).find(|code| !is_own(code))
    }

    /// The priced services.
    pub(super) fn services(&self) -> Vec<ServiceDefinition> {
        self.services.clone().unwrap_or_else(|| {
            vec![ServiceDefinition {
                code: format!("{}.request", self.code),
                per_piece_micro: Some(MicroCoins(2_500_000)),
                per_minute_micro: None,
                at_least_s: 0,
            }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_may_leave_out_what_it_does_not_change() {
        let text =
            r#"{"code": "acme", "plans": [{"code": "one", "title": "Один", "seat_kopecks": {"1": 100000}}]}"#;
        let read: WidgetDefinition = serde_json::from_str(text).unwrap();
        assert_eq!(read.services()[0].code, "acme.request");
        assert_eq!(read.plans[0].seat_kopecks[&PeriodLength::Month], Kopecks(100_000));
        assert_eq!((read.plans[0].min_seats, read.accounts[0].users.len()), (1, 2));
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<WidgetDefinition>(&written).unwrap(), read);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_with_its_place() {
        let told = |text: &str| WidgetDefinition::read(text.as_bytes(), "widget.json").unwrap_err();
        let fraction = told("{\n  \"trial_days\": 2.5\n}");
        assert!(
            fraction.starts_with("widget.json:2:19: `/trial_days`: invalid type: floating point"),
            "{fraction}"
        );
        let list = told(r#"{"events": ["install"]}"#);
        assert!(list.ends_with("`/events`: invalid type: sequence, expected a string"), "{list}");
        let length = told(r#"{"plans": [{"code": "p", "title": "P", "seat_kopecks": {"2": 1}}]}"#);
        assert!(length.ends_with("`/plans/0/seat_kopecks/2`: a period has 1, 3, 6 or 12 months"), "{length}");
    }

    #[test]
    fn a_service_begins_with_the_code_of_the_widget() {
        let read = |text: &str| WidgetDefinition::read(text.as_bytes(), "widget.json");
        let other = read(r#"{"services": [{"code": "other.text", "per_piece_micro": 1}]}"#).unwrap_err();
        let wanted =
            "widget.json: `other.text` is no service of this widget: its services begin with `my-widget.`";
        assert_eq!(other, wanted);
        assert!(
            read(r#"{"code": "my", "services": [{"code": "my-widget.x", "per_piece_micro": 1}]}"#).is_err()
        );
        assert!(read(r#"{"code": "acme"}"#).is_ok(), "without services there is one of the same code");
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        for wrong in [
            r#"{"pakages": []}"#,
            r#"{"plans": [{"code": "p", "title": "P", "seat_kopecks": {"2": 1}}]}"#,
            r#"{"accounts": [{"id": 1, "subdomain": "a", "users": [{"id": 1, "name": "A", "admin": true}]}]}"#,
        ] {
            assert!(serde_json::from_str::<WidgetDefinition>(wrong).is_err(), "{wrong}");
        }
    }
}
