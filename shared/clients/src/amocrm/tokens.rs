//! Exchanges codes and refresh tokens for token pairs. Source: amoCRM docs, oauth/step-by-step.

use std::time::Duration;

use flysk_domain::platform::host::AccountHost;
use flysk_domain::platform::token::{Grant, TokenAnswer, classify};
use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::claims::AccessClaims;
use super::error::{AmoError, TokenError};
use super::requests::{Credentials, GrantBody, TokenRequest};
use super::responses::{CurrentDomain, TokenBody, TokenPair};
use super::{AmoCrm, send};
use crate::http::{Idempotency, json_of, read_json, request_id, retry_after};

const TOKEN_PATH: &str = "/oauth2/access_token";
const DOMAIN_PATH: &str = "/oauth2/account/current/subdomain";
/// Assumed lifetime if the response has none: long enough to use the token, short enough for an early renewal.
const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);
const MAX_HINT_CHARS: usize = 200;

impl AmoCrm {
    /// Exchanges an authorization code for the first token pair. The code works once.
    pub async fn exchange_code(
        &self,
        host: &AccountHost,
        credentials: &Credentials,
        code: &SecretString,
    ) -> Result<TokenPair, TokenError> {
        let grant = GrantBody::AuthorizationCode { code: code.expose_secret() };
        self.request_tokens(host, Grant::Code, &TokenRequest::new(credentials, grant)).await
    }

    /// Exchanges a refresh token for the next token pair. The refresh token works once.
    ///
    /// The caller must hold the renewal lease, must have stored its intent, and must store the new pair before anything
    /// else.
    pub async fn refresh(
        &self,
        host: &AccountHost,
        credentials: &Credentials,
        refresh_token: &SecretString,
    ) -> Result<TokenPair, TokenError> {
        let grant = GrantBody::RefreshToken { refresh_token: refresh_token.expose_secret() };
        self.request_tokens(host, Grant::Refresh, &TokenRequest::new(credentials, grant)).await
    }

    /// Reads the account's current host from `api_domain` (a claim of its access tokens).
    ///
    /// Does not use up the refresh token. Source: amoCRM docs, oauth/account-subdomain-info.
    pub async fn current_subdomain(
        &self,
        api_domain: &AccountHost,
        refresh_token: &SecretString,
    ) -> Result<CurrentDomain, AmoError> {
        let mut request = self.request(Method::GET, api_domain, DOMAIN_PATH, &[]).timeout(self.token_timeout);
        if let Ok(mut value) = http::HeaderValue::from_str(refresh_token.expose_secret()) {
            value.set_sensitive(true);
            request = request.header("x-refresh-token", value);
        }
        send::send(request, Idempotency::Safe).await?.json()
    }

    async fn request_tokens(
        &self,
        host: &AccountHost,
        grant: Grant,
        body: &TokenRequest<'_>,
    ) -> Result<TokenPair, TokenError> {
        let request =
            self.request(Method::POST, host, TOKEN_PATH, &[]).timeout(self.token_timeout).json(body);
        let raw = send::send_raw(request).await?;
        if raw.status.is_success() {
            return Ok(token_pair_from(read_json(&raw.body)?));
        }
        let json = json_of(&raw.body).filter(Value::is_object);
        let hint = json.as_ref().and_then(|body| body.get("hint")).and_then(Value::as_str);
        let answer = TokenAnswer { grant, status: raw.status.as_u16(), is_json: json.is_some(), hint };
        Err(TokenError::Rejected {
            failure: classify(answer),
            status: raw.status.as_u16(),
            hint: hint.map(|hint| hint.chars().take(MAX_HINT_CHARS).collect()),
            after: retry_after(&raw.headers),
            request_id: request_id(&raw.headers),
        })
    }
}

fn token_pair_from(body: TokenBody) -> TokenPair {
    let expires_in = body.expires_in.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    TokenPair {
        claims: AccessClaims::read(body.access_token.expose_secret()),
        access_token: body.access_token,
        refresh_token: body.refresh_token,
        expires_in: expires_in.unwrap_or(DEFAULT_LIFETIME),
    }
}
