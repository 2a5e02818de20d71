//! Fields for the seats of users, which are part of a widget's billing settings.
//!
//! The form shows them apart from the JSON of the other settings, and each has one place: the JSON of the form must not contain
//! them.

use serde_json::{Map, Value};

use crate::http::{Fault, Pairs};
use crate::view::Field;

/// Names of the fields, and of the settings below `subscriptions`.
const PER_USER: &str = "seats_per_user";
const IDLE_DAYS: &str = "seat_idle_days";
const PER_USER_LABEL: &str = "Места занимают пользователи";
const IDLE_DAYS_LABEL: &str = "Место свободно после стольких дней без входа";
const SUBSCRIPTIONS: &str = "subscriptions";

fn settings_of(billing: Option<&Value>) -> Option<&Map<String, Value>> {
    billing?.get(SUBSCRIPTIONS)?.as_object()
}

/// The fields with the stored values.
pub(super) fn fields(billing: Option<&Value>) -> [Field; 2] {
    let settings = settings_of(billing);
    let stored = |name: &str| settings.and_then(|settings| settings.get(name));
    let per_user = stored(PER_USER).and_then(Value::as_bool).unwrap_or_default();
    let days = stored(IDLE_DAYS).and_then(Value::as_u64);
    [
        Field::check(PER_USER, PER_USER_LABEL).value(if per_user { "yes" } else { "" }),
        Field::number(IDLE_DAYS, IDLE_DAYS_LABEL)
            .value(days.map(|days| days.to_string()).unwrap_or_default())
            .hint("От 1 до 366; пусто: место остаётся за пользователем"),
    ]
}

/// The billing settings without those that have fields; `None` if nothing is left.
pub(super) fn without_fields(billing: &Value) -> Option<Value> {
    let mut rest = billing.clone();
    let root = rest.as_object_mut()?;
    if let Some(settings) = root.get_mut(SUBSCRIPTIONS).and_then(Value::as_object_mut) {
        settings.remove(PER_USER);
        settings.remove(IDLE_DAYS);
        if settings.is_empty() {
            root.remove(SUBSCRIPTIONS);
        }
    }
    (!root.is_empty()).then_some(rest)
}

/// The billing settings of a form: its JSON, and its fields for seats.
pub(super) fn with_fields(form: &Pairs, typed: Option<Value>) -> Result<Option<Value>, Fault> {
    if settings_of(typed.as_ref())
        .is_some_and(|settings| settings.contains_key(PER_USER) || settings.contains_key(IDLE_DAYS))
    {
        return Err(Fault::refused(format!(
            "Биллинг: места настраивают поля «{PER_USER_LABEL}» и «{IDLE_DAYS_LABEL}», уберите их из JSON."
        )));
    }
    let days: Option<u32> = form.parsed(IDLE_DAYS, IDLE_DAYS_LABEL)?;
    let per_user = form.is_set(PER_USER);
    if !per_user && days.is_none() {
        return Ok(typed);
    }
    let mut billing = typed.unwrap_or_else(|| Value::Object(Map::new()));
    let root = billing.as_object_mut();
    let settings = root.and_then(|root| {
        root.entry(SUBSCRIPTIONS).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
    });
    // Settings of another shape are refused by the check that follows.
    if let Some(settings) = settings {
        settings.insert(PER_USER.to_owned(), Value::Bool(per_user));
        settings.extend(days.map(|days| (IDLE_DAYS.to_owned(), Value::from(days))));
    }
    Ok(Some(billing))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn seats_have_fields_and_the_rest_stays_json() {
        let stored = json!({
            "flycoins": {"low_balance_micro": 1},
            "subscriptions": {"grace_days": 3, "seats_per_user": true, "seat_idle_days": 30},
        });
        let rest = without_fields(&stored).unwrap();
        assert_eq!(rest, json!({"flycoins": {"low_balance_micro": 1}, "subscriptions": {"grace_days": 3}}));
        let form = Pairs::parse(b"seats_per_user=yes&seat_idle_days=30");
        assert_eq!(with_fields(&form, Some(rest)).unwrap(), Some(stored.clone()));
        assert!(fields(Some(&stored)).iter().all(Field::is_checked), "both fields have values");
        assert_eq!(without_fields(&json!({"subscriptions": {"seats_per_user": false}})), None);
    }

    #[test]
    fn without_seats_of_users_nothing_is_written() {
        let form = Pairs::parse(b"seats_per_user=&seat_idle_days=");
        assert_eq!(with_fields(&form, None).unwrap(), None);
        let other = json!({"subscriptions": {"grace_days": 3}});
        assert_eq!(with_fields(&form, Some(other.clone())).unwrap(), Some(other));
        let per_user = with_fields(&Pairs::parse(b"seats_per_user=yes"), None).unwrap();
        assert_eq!(per_user, Some(json!({"subscriptions": {"seats_per_user": true}})));
    }

    #[test]
    fn a_setting_has_one_place() {
        let form = Pairs::parse(b"seats_per_user=yes");
        for typed in [
            json!({"subscriptions": {"seats_per_user": false}}),
            json!({"subscriptions": {"seat_idle_days": 3}}),
        ] {
            assert!(with_fields(&form, Some(typed)).is_err());
        }
        assert!(with_fields(&Pairs::parse(b"seat_idle_days=x"), None).is_err());
        // Of another shape: told by the check of billing settings.
        assert_eq!(with_fields(&form, Some(json!([1]))).unwrap(), Some(json!([1])));
    }
}
