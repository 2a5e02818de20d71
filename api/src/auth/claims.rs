//! Claims of amoCRM's one-time tokens.

use serde::{Deserialize, Deserializer};

/// The claims that are verified or used.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: Audience,
    pub(super) exp: NumericDate,
    #[serde(default)]
    pub(super) nbf: Option<NumericDate>,
    #[serde(deserialize_with = "number")]
    pub(super) account_id: u64,
    #[serde(deserialize_with = "number")]
    pub(super) user_id: u64,
    pub(super) client_uuid: String,
    #[serde(default)]
    pub(super) is_admin: Option<bool>,
}

/// One audience or a list. Source: RFC 7519, section 4.1.3.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    /// Whether the token is meant for this audience; a slash at the end of the token's audience is ignored.
    pub(super) fn contains(&self, audience: &str) -> bool {
        let is_ours = |one: &String| one.trim_end_matches('/') == audience;
        match self {
            Self::One(one) => is_ours(one),
            Self::Several(all) => all.iter().any(is_ours),
        }
    }
}

/// Seconds since 1970, which may have a fraction. Source: RFC 7519, section 2, `NumericDate`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct NumericDate(f64);

impl NumericDate {
    /// Milliseconds since 1970, rounded down. Values out of range become the nearest one in range.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of a float saturates, which is what is wanted"
    )]
    pub(super) fn unix_ms(self) -> i64 {
        (self.0 * 1_000.0).floor() as i64
    }
}

/// Deserializes an id, which amoCRM sends as a number or as a string.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://flysk.example.test";

    fn claims(exp: &str, aud: &str) -> Result<Claims, serde_json::Error> {
        serde_json::from_str(&format!(
            r#"{{"iss": "https://demo.amocrm.ru", "aud": {aud}, "exp": {exp}, "account_id": "31234567", "user_id": 501,
                "client_uuid": "11111111-2222-4333-8444-555555555555"}}"#
        ))
    }

    #[test]
    fn times_may_have_a_fraction_and_the_audience_may_be_a_list() {
        let one = claims("1790001800.25", r#""https://flysk.example.test/""#).unwrap();
        assert_eq!((one.exp.unix_ms(), one.account_id), (1_790_001_800_250, 31_234_567));
        assert!(one.aud.contains(OURS));
        let several =
            claims("1790001800", r#"["https://other.example", "https://flysk.example.test"]"#).unwrap();
        assert!(several.aud.contains(OURS) && several.exp.unix_ms() == 1_790_001_800_000);
        for other in ["[]", r#"["https://flysk.example.test.evil.example"]"#, r#""""#] {
            assert!(!claims("1", other).unwrap().aud.contains(OURS), "{other}");
        }
        assert!(claims("1", "7").is_err() && claims(r#""soon""#, r#""x""#).is_err());
        assert_eq!(claims("1e300", r#""x""#).unwrap().exp.unix_ms(), i64::MAX);
    }
}
