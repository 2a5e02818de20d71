//! Claims of access tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flysk_domain::id::{AccountId, UserId};
use flysk_domain::serde_lenient;
use serde_json::Value;

/// Claims of an access token, as far as they can be read.
///
/// amoCRM publishes no key to verify them. So read them only from a token that the token endpoint returned over TLS,
/// and confirm the account with [`AmoCrm::account`](super::AmoCrm::account).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessClaims {
    /// `None` if the token does not name it.
    pub account_id: Option<AccountId>,
    /// The user who granted access.
    pub user_id: Option<UserId>,
    /// The host that returns an account's current domain; tokens issued before August 2024 have none.
    pub api_domain: Option<String>,
    /// `amocrm.ru` or `kommo.com`.
    pub base_domain: Option<String>,
    /// Scopes: `crm`, `files`, …
    pub scopes: Vec<String>,
}

impl AccessClaims {
    /// Reads the payload of a JWT. Claims are empty if they are missing or the token is not a JWT.
    pub fn read(access_token: &str) -> Self {
        let Some(claims) = payload(access_token) else { return Self::default() };
        let number = |name: &str| claims.get(name).and_then(serde_lenient::value_to_u64);
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let scopes = claims.get("scopes").and_then(Value::as_array);
        Self {
            account_id: number("account_id").map(AccountId),
            user_id: number("sub").map(UserId),
            api_domain: text("api_domain"),
            base_domain: text("base_domain"),
            scopes: scopes.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }
}

fn payload(token: &str) -> Option<Value> {
    let part = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn claims_are_read_whether_ids_are_numbers_or_texts() {
        let expected = AccessClaims {
            account_id: Some(AccountId(12_345_678)),
            user_id: Some(UserId(501)),
            api_domain: Some("api-b.amocrm.ru".into()),
            base_domain: Some("amocrm.ru".into()),
            scopes: vec!["crm".into(), "files".into()],
        };
        for claims in [
            r#"{"account_id":12345678,"sub":"501","api_domain":"api-b.amocrm.ru","base_domain":"amocrm.ru","scopes":["crm","files"]}"#,
            r#"{"account_id":"12345678","sub":501,"api_domain":"api-b.amocrm.ru","base_domain":"amocrm.ru","scopes":["crm",7,"files"],"new":{}}"#,
        ] {
            assert_eq!(AccessClaims::read(&token(claims)), expected, "{claims}");
        }
    }

    #[test]
    fn whatever_is_no_jwt_has_no_claims() {
        for text in
            ["", "opaque", "a.b", "a.%%%.c", &token("[]"), &token("{\"account_id\":-1,\"scopes\":\"crm\"}")]
        {
            assert_eq!(AccessClaims::read(text), AccessClaims::default(), "{text}");
        }
    }
}
