//! Names and values of a query string or a form.

use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{Datelike as _, NaiveDate};
use flysk_services::vendor_users::TICKET_PARAMETER;
use serde_json::Value;

use crate::fault::Fault;

/// Years of days that the database has.
const YEARS: RangeInclusive<i32> = 1_000..=9_999;
/// Names of fields whose values are never shown again.
const SECRET_FIELDS: [&str; 7] = [
    "password",
    "password_again",
    ONE_TIME_CODE_FIELD,
    "client_secret",
    TERMINAL_PASSWORD_FIELD,
    T_API_TOKEN_FIELD,
    TICKET_PARAMETER,
];
/// Names of fields that a form has besides what the operator wrote.
const TECHNICAL_FIELDS: [&str; 4] = [CSRF_FIELD, PROOF_FIELD, PROOF_PASSKEY_FIELD, PASSKEY_FIELD];
/// Name of the field with a code of the authenticator, in forms of a signed-in operator.
pub(crate) const ONE_TIME_CODE_FIELD: &str = "one_time_code";
/// Name of the field with the password of a vendor's terminal.
pub(crate) const TERMINAL_PASSWORD_FIELD: &str = "terminal_password";
/// Name of the field with a vendor's token of the T-API.
pub(crate) const T_API_TOKEN_FIELD: &str = "t_api_token";
/// Name of the field with the code that renews the proof of a second factor. The gate reads it, pages never do.
pub(crate) const PROOF_FIELD: &str = "proof_code";
/// Name of the field with the answer of a passkey that renews the proof of a second factor. The gate reads it, pages never do.
pub(crate) const PROOF_PASSKEY_FIELD: &str = "proof_passkey";
/// Name of the field with the answer of a passkey that is registered or signs in. It is worth nothing a second time.
pub(crate) const PASSKEY_FIELD: &str = "passkey";
/// Name of the field with the CSRF token.
pub(crate) const CSRF_FIELD: &str = "csrf";

/// Names and values in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Parses `application/x-www-form-urlencoded`.
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// The value of a field, without surrounding white space; `None` if it is absent or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.raw(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The values of a field that occurs any number of times.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field as it was sent.
    pub(crate) fn raw(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field that is compared with an ASCII column. Other characters cannot match, and the database refuses to
    /// compare them: they become `?`.
    pub(crate) fn ascii(&self, name: &str) -> Option<String> {
        self.get(name).map(|text| text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect())
    }

    /// The value of a field that must be there.
    ///
    /// # Errors
    ///
    /// A refusal that names the field by its `label`.
    pub(crate) fn required(&self, name: &str, label: &str) -> Result<&str, Fault> {
        self.get(name).ok_or_else(|| Fault::refused(format!("Заполните поле «{label}».")))
    }

    /// The parsed value of a field; `None` if it is absent or empty.
    ///
    /// # Errors
    ///
    /// A refusal that names the field by its `label`.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str, label: &str) -> Result<Option<T>, Fault> {
        let wrong = |text: &str| Fault::refused(format!("Поле «{label}»: значение «{text}» не подходит."));
        self.get(name).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }

    /// The day of a field; `None` if it is absent or empty.
    ///
    /// # Errors
    ///
    /// A refusal that names the field by its `label`, also of a year that the database does not have, since sqlx panics
    /// if one is bound.
    pub(crate) fn day(&self, name: &str, label: &str) -> Result<Option<NaiveDate>, Fault> {
        let day: Option<NaiveDate> = self.parsed(name, label)?;
        match day {
            Some(day) if !YEARS.contains(&day.year()) => {
                Err(Fault::refused(format!("Поле «{label}»: такого года не бывает.")))
            }
            day => Ok(day),
        }
    }

    /// The JSON of a field; `None` if it is absent or empty.
    ///
    /// # Errors
    ///
    /// A refusal that names the field by its `label`, and the place of the error.
    pub(crate) fn json(&self, name: &str, label: &str) -> Result<Option<Value>, Fault> {
        let parsed = self.get(name).map(serde_json::from_str).transpose();
        parsed.map_err(|error| Fault::not_json(label, &error))
    }

    /// Whether a check box is set.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Values that the operator typed, to be shown again: without secrets.
    pub(crate) fn written(&self) -> Vec<(String, String)> {
        let is_shown = |name: &str| !SECRET_FIELDS.contains(&name) && !TECHNICAL_FIELDS.contains(&name);
        self.0.iter().filter(|(name, _)| is_shown(name)).cloned().collect()
    }

    /// Whether a field holds a secret, so that [`Self::written`] is not the whole form.
    pub(crate) fn has_secret(&self) -> bool {
        self.0.iter().any(|(name, _)| SECRET_FIELDS.contains(&name.as_str()))
    }

    /// The pairs with this value of a field.
    #[must_use]
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let others = self.0.iter().filter(|(key, _)| key != name).cloned();
        Self(others.chain([(name.to_owned(), value.to_owned())]).collect())
    }

    /// The pairs without the fields `names` and without empty values.
    pub(crate) fn without(&self, names: &[&str]) -> Vec<(String, String)> {
        let kept = |(name, value): &&(String, String)| !names.contains(&name.as_str()) && !value.is_empty();
        self.0.iter().filter(kept).cloned().collect()
    }
}

/// A query string of these pairs, with `?` if there are any.
pub(crate) fn query_string(pairs: &[(String, String)]) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    format!("?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_again() {
        let form =
            Pairs::parse(b"reason=%D0%B4%D0%B0&password=x&one_time_code=123456&csrf=t&client_secret=s");
        assert_eq!(form.written(), [("reason".to_owned(), "да".to_owned())]);
        assert!(form.has_secret());
        let package = Pairs::parse(b"code=big&csrf=t");
        assert_eq!(package.written(), [("code".to_owned(), "big".to_owned())]);
        assert!(!package.has_secret());
    }

    #[test]
    fn a_day_is_one_that_the_database_has() {
        let form = Pairs::parse(b"a=2026-11-30&b=%2B99999-01-01&c=0001-01-01&d=soon&e=");
        assert_eq!(form.day("a", "a").unwrap(), NaiveDate::from_ymd_opt(2026, 11, 30));
        assert!(["b", "c", "d"].iter().all(|name| form.day(name, "a").is_err()));
        assert_eq!((form.day("e", "e").unwrap(), form.day("f", "f").unwrap()), (None, None));
    }

    #[test]
    fn a_value_is_replaced_or_added() {
        let form = Pairs::parse(b"roubles=&reason=x");
        assert_eq!(form.with("roubles", "5"), Pairs::parse(b"reason=x&roubles=5"));
        assert_eq!(Pairs::default().with("roubles", "5"), Pairs::parse(b"roubles=5"));
    }

    #[test]
    fn an_empty_field_is_an_absent_one() {
        let form = Pairs::parse(b"a=+&b=7&c=x");
        assert_eq!((form.get("a"), form.parsed::<u32>("b", "b").unwrap()), (None, Some(7)));
        assert!(form.required("a", "Поле").is_err() && form.parsed::<u32>("c", "c").is_err());
        assert!(form.json("a", "a").is_ok_and(|json| json.is_none()) && form.json("c", "c").is_err());
        assert_eq!(query_string(&form.without(&["c"])), "?a=+&b=7");
    }
}
