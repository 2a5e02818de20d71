//! Authorization: API keys and IAM tokens of service accounts, and their scopes.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::status::{Code, Status};

/// Authentication scheme in `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `Api-Key <key>` (any case).
    ApiKey,
    /// `Bearer <IAM token>`.
    Iam,
}

/// A service account's key or token, with its roles and scopes.
#[derive(Clone)]
pub struct Credential {
    /// Authentication scheme.
    pub scheme: Scheme,
    /// The key or token.
    pub secret: String,
    /// Has `yc.ai.speechkitStt.execute`.
    pub recognition: bool,
    /// Has `yc.ai.languageModels.execute`.
    pub language_models: bool,
}

impl Credential {
    /// An API key with all scopes.
    pub fn api_key(secret: impl Into<String>) -> Self {
        Self { scheme: Scheme::ApiKey, secret: secret.into(), recognition: true, language_models: true }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Credential")
            .field("scheme", &self.scheme)
            .field("recognition", &self.recognition)
            .field("language_models", &self.language_models)
            .finish_non_exhaustive()
    }
}

/// Scope required by a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Recognition,
    LanguageModels,
}

/// Authenticates a call: 401 for unknown credentials, 403 without the required scope.
pub(crate) fn authorize<'a>(
    known: &'a [Credential],
    headers: &HeaderMap,
    scope: Scope,
) -> Result<&'a Credential, Status> {
    let unauthenticated = |message: &str| Status::new(Code::Unauthenticated, message);
    let header =
        headers.get(AUTHORIZATION).ok_or_else(|| unauthenticated("no credentials in the request"))?;
    let (scheme, secret) = header
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .ok_or_else(|| unauthenticated("malformed Authorization header"))?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "api-key" => Scheme::ApiKey,
        "bearer" => Scheme::Iam,
        _ => return Err(unauthenticated("unknown authorization scheme")),
    };
    let caller = known
        .iter()
        .find(|credential| credential.scheme == scheme && credential.secret == secret.trim())
        .ok_or_else(|| unauthenticated("unknown api key or iam token"))?;
    let allowed = match scope {
        Scope::Recognition => caller.recognition,
        Scope::LanguageModels => caller.language_models,
    };
    if allowed { Ok(caller) } else { Err(Status::new(Code::PermissionDenied, "Permission denied")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_for(value: Option<&str>) -> Option<Code> {
        let deaf = Credential { recognition: false, ..Credential::api_key("llm-only") };
        let iam = Credential { scheme: Scheme::Iam, ..Credential::api_key("token") };
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        authorize(&[Credential::api_key("good"), deaf, iam], &headers, Scope::Recognition)
            .err()
            .map(|status| status.code)
    }

    #[test]
    fn a_known_key_or_token_passes_under_its_own_scheme_only() {
        assert_eq!(code_for(Some("Api-Key good")), None);
        assert_eq!(code_for(Some("api-key good")), None);
        assert_eq!(code_for(Some("Bearer token")), None);
        for wrong in [None, Some("good"), Some("Bearer good"), Some("Api-Key token"), Some("Basic good")] {
            assert_eq!(code_for(wrong), Some(Code::Unauthenticated), "{wrong:?}");
        }
        assert_eq!(code_for(Some("Api-Key llm-only")), Some(Code::PermissionDenied));
    }
}
