//! JWTs of amoCRM: access tokens (RS256) and one-time tokens of widgets (HS256).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use super::grants::Grant;
use super::model::{Account, Integration, User};

/// Lifetime of an access token, seconds (amoCRM docs, oauth/step-by-step).
pub const ACCESS_TOKEN_TTL_S: i64 = 86_400;

/// Lifetime of a widget's one-time token, seconds (amoCRM docs, oauth/disposable-tokens).
pub const WIDGET_TOKEN_TTL_S: i64 = 1_800;

/// Signing key of access tokens. Its public key is not published.
#[derive(Debug)]
pub(crate) struct SigningKey(KeyPair);

/// RSA failed. With a generated key and no outside input, this means a broken machine.
#[derive(Debug, thiserror::Error)]
#[error("the simulator cannot make or use an RSA key")]
pub struct SigningFailed;

impl SigningKey {
    pub(crate) fn generate() -> Result<Self, SigningFailed> {
        KeyPair::generate(KeySize::Rsa2048).map(Self).map_err(|_| SigningFailed)
    }

    /// A signed access token with the claims of real ones.
    pub(crate) fn access_token(
        &self,
        grant: &Grant,
        integration: &Integration,
        now: DateTime<Utc>,
    ) -> Result<String, SigningFailed> {
        let now_s = now.timestamp();
        let claims = json!({
            "aud": grant.client_id,
            "jti": uuid::Uuid::new_v4().to_string(),
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + ACCESS_TOKEN_TTL_S,
            "sub": grant.user_id.to_string(),
            "account_id": grant.account_id,
            "base_domain": integration.platform.domain(),
            "api_domain": integration.platform.api_domain(),
            "scopes": integration.scopes,
        });
        let signed = unsigned(&json!({"typ": "JWT", "alg": "RS256"}), &claims);
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| SigningFailed)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Deviations of a widget token from the usual shape.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WidgetTokenShape {
    /// Without the claims that the documentation does not list: `subdomain`, `is_admin`.
    pub bare: bool,
    /// `account_id` and `user_id` as numeric strings.
    pub ids_as_text: bool,
    /// Seconds added to `iat`, `nbf` and `exp`.
    pub shift_s: i64,
}

/// A widget's one-time token for a user, signed with the integration's secret.
pub(crate) fn widget_token(
    integration: &Integration,
    account: &Account,
    user: &User,
    shape: &WidgetTokenShape,
    now: DateTime<Utc>,
) -> String {
    let issued = now + Duration::seconds(shape.shift_s);
    let id = |number: u64| if shape.ids_as_text { json!(number.to_string()) } else { json!(number) };
    let mut claims = json!({
        "iss": format!("https://{}", account.host()),
        "aud": audience(&integration.redirect_uri),
        "jti": uuid::Uuid::new_v4().to_string(),
        "iat": issued.timestamp(),
        "nbf": issued.timestamp(),
        "exp": issued.timestamp() + WIDGET_TOKEN_TTL_S,
        "account_id": id(account.id),
        "user_id": id(user.id),
        "client_uuid": integration.client_id,
    });
    if !shape.bare {
        claims["subdomain"] = json!(account.subdomain);
        claims["is_admin"] = json!(user.is_admin);
    }
    let signed = unsigned(&json!({"typ": "JWT", "alg": "HS256"}), &claims);
    let tag = hmac_sha256(&integration.client_secret, &signed);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Scheme and host of the redirect URI, without port.
fn audience(redirect_uri: &str) -> String {
    match Url::parse(redirect_uri) {
        Ok(url) => format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
        Err(_) => redirect_uri.to_owned(),
    }
}

/// Signature of the disconnect hook: HMAC-SHA256 of `client_id|account_id`, lower-case hex.
///
/// Source: amoCRM docs, oauth/step-by-step.
pub fn disconnect_signature(client_id: &str, client_secret: &str, account_id: u64) -> String {
    hex::encode(hmac_sha256(client_secret, &format!("{client_id}|{account_id}")))
}

fn hmac_sha256(key: &str, message: &str) -> Vec<u8> {
    // HMAC accepts keys of any length, so there is no error.
    Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disconnect_signature_matches_the_known_vector() {
        let signature =
            disconnect_signature("11111111-2222-4333-8444-555555555555", "not-a-real-secret", 12_345_678);
        assert_eq!(signature, "9e6053f2bd3709730b206b2bf1d8ac4892cd16a9813d12cff19dab5f1c397452");
    }

    #[test]
    fn the_audience_has_no_port_and_no_path() {
        assert_eq!(audience("https://app.example.com:8443/amo/callback"), "https://app.example.com");
    }
}
