//! Registering widgets and changing their secrets.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::signature;
use flysk_store::platform::widgets::{self, NewWidget, Sealed, Widget};
use flysk_store::platform::{former_credentials, project_tokens};
use flysk_store::{Conn, StoreError};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use flysk_crypto::{Keyring, KeyringError, aad};
use flysk_domain::{Clock, random_bytes};

/// Maximum number of former event secrets that are valid at once.
pub const MAX_FORMER_SECRETS: usize = 4;

/// Prefix of project tokens, recognisable for people and secret scanners.
const PROJECT_TOKEN_PREFIX: &str = "fpt_";
/// Path of the API that receives authorization codes.
const CALLBACK_PATH: &str = "/oauth/amocrm/callback";

/// The widget to register.
#[derive(Debug)]
pub struct Registration {
    /// Unique code.
    pub code: String,
    /// Name for users.
    pub name: String,
    /// CRM of the widget.
    pub crm: Crm,
    /// The integration's client id.
    pub client_uuid: String,
    /// The integration's secret key.
    pub client_secret: SecretString,
    /// Redirect URI, exactly as in the integration's settings.
    pub redirect_uri: String,
}

/// Reason for rejecting a registration.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// Invalid code; it is part of URLs.
    #[error("the code must have 2 to 64 characters of a-z, 0-9 and `-`, and start with a letter")]
    Code,
    /// Invalid client id; the format is that of amoCRM.
    #[error("the client id must be a hyphenated UUID")]
    ClientUuid,
    /// Empty secret key; anybody could forge tokens for it.
    #[error("the secret key is empty")]
    ClientSecret,
    /// Invalid redirect URI; amoCRM compares it exactly.
    #[error(
        "the redirect URI must be the http or https URL of Flysk with the path /oauth/amocrm/callback or \
         /oauth/amocrm/callback/<code of the widget>, without a slash, a query or a fragment at the end"
    )]
    RedirectUri,
    /// Another widget has it.
    #[error("another widget has this code")]
    CodeTaken,
    /// The integration is already registered.
    #[error("another widget has this client id")]
    ClientTaken,
    /// Each valid secret is one more signature in the header of every event.
    #[error(
        "{MAX_FORMER_SECRETS} former event secrets are still valid; the next of them ends at {until}: rotate again after it, or revoke them"
    )]
    TooManySecrets {
        /// The earliest end.
        until: DateTime<Utc>,
    },
    /// A secret cannot be encrypted.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
    /// Database error.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RegistrationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Duplicate { key } if key == "widgets_code" => Self::CodeTaken,
            StoreError::Duplicate { key } if key == "widgets_client_uuid" => Self::ClientTaken,
            error => Self::Store(error),
        }
    }
}

/// New secrets, shown only once.
#[derive(Debug)]
pub struct Issued {
    /// Row of `widgets`.
    pub id: WidgetId,
    /// Project token: the backend's `X-Project-Token`, also sent with events.
    pub project_token: SecretString,
    /// Key that signs events.
    pub event_secret: SecretString,
}

/// Registers widgets and changes their secrets.
pub struct WidgetRegistry<'a> {
    keyring: &'a Keyring,
    clock: &'a dyn Clock,
}

impl std::fmt::Debug for WidgetRegistry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WidgetRegistry").finish_non_exhaustive()
    }
}

impl<'a> WidgetRegistry<'a> {
    /// `keyring` encrypts the secrets.
    pub fn new(keyring: &'a Keyring, clock: &'a dyn Clock) -> Self {
        Self { keyring, clock }
    }

    /// Registers a widget and issues its secrets.
    pub async fn register(
        &self,
        conn: &mut Conn,
        registration: &Registration,
    ) -> Result<Issued, RegistrationError> {
        validate(registration)?;
        let id = WidgetId::generate(self.clock);
        let issued = Issued {
            id,
            project_token: fresh_token(self.clock),
            event_secret: fresh_event_secret(self.clock),
        };
        let row = NewWidget {
            id,
            code: &registration.code,
            name: &registration.name,
            crm: registration.crm,
            client_uuid: &registration.client_uuid.to_ascii_lowercase(),
            client_secret_sealed: &self.seal(&registration.client_secret, &aad::client_secret(id))?,
            redirect_uri: &registration.redirect_uri,
            project_token_sealed: &self.seal(&issued.project_token, &aad::project_token(id))?,
            project_token_hash: &self.blind_index(&issued.project_token),
            event_secret_sealed: &self.seal(&issued.event_secret, &aad::event_secret(id))?,
        };
        widgets::insert(conn, &row, self.clock.now()).await?;
        Ok(issued)
    }

    /// Issues a new project token. The current one stays valid until `former_until`, or is revoked at once; earlier ones
    /// stay valid until the end that was stated for them.
    ///
    /// Events carry the new token only after the backend has authenticated with it, or when no other is valid any more.
    pub async fn rotate_project_token(
        &self,
        conn: &mut Conn,
        widget: &Widget,
        former_until: Option<DateTime<Utc>>,
    ) -> Result<SecretString, RegistrationError> {
        let token = fresh_token(self.clock);
        let sealed = self.seal(&token, &aad::project_token(widget.id))?;
        let (hash, now) = (self.blind_index(&token), self.clock.now());
        project_tokens::rotate(conn, widget.id, &sealed, &hash, former_until, now).await?;
        Ok(token)
    }

    /// Replaces the event secret. Events are signed with the current one, too, until `former_until`.
    ///
    /// # Errors
    ///
    /// [`RegistrationError::TooManySecrets`] if [`MAX_FORMER_SECRETS`] former ones are valid.
    pub async fn rotate_event_secret(
        &self,
        conn: &mut Conn,
        widget: &Widget,
        former_until: Option<DateTime<Utc>>,
    ) -> Result<SecretString, RegistrationError> {
        let (secret, now) = (fresh_event_secret(self.clock), self.clock.now());
        let sealed = self.seal(&secret, &aad::event_secret(widget.id))?;
        let changed = Sealed { event_secret: Some(&sealed), ..Sealed::from_widget(widget) };
        self.write_sealed(conn, widget, &changed).await?;
        if let (Some(until), Some(former)) = (former_until, &widget.event_secret_sealed) {
            let valid = former_credentials::list_secrets(conn, widget.id, now).await?;
            if valid.len() >= MAX_FORMER_SECRETS
                && let Some(until) = valid.iter().map(|secret| secret.valid_until).min()
            {
                return Err(RegistrationError::TooManySecrets { until });
            }
            former_credentials::keep_secret(conn, widget.id, former, until, now).await?;
        }
        Ok(secret)
    }

    /// Stores the integration's new secret key after it was regenerated in amoCRM.
    pub async fn change_client_secret(
        &self,
        conn: &mut Conn,
        widget: &Widget,
        secret: &SecretString,
    ) -> Result<(), RegistrationError> {
        if secret.expose_secret().is_empty() {
            return Err(RegistrationError::ClientSecret);
        }
        let sealed = self.seal(secret, &aad::client_secret(widget.id))?;
        let changed = Sealed { client_secret: &sealed, ..Sealed::from_widget(widget) };
        self.write_sealed(conn, widget, &changed).await
    }

    async fn write_sealed(
        &self,
        conn: &mut Conn,
        read: &Widget,
        sealed: &Sealed<'_>,
    ) -> Result<(), RegistrationError> {
        if widgets::replace_secrets(conn, read, sealed, self.clock.now()).await? {
            return Ok(());
        }
        Err(StoreError::WrongState { what: "widget" }.into())
    }

    fn seal(&self, secret: &SecretString, aad: &str) -> Result<String, RegistrationError> {
        Ok(self.keyring.seal(secret, aad)?)
    }

    fn blind_index(&self, token: &SecretString) -> String {
        self.keyring.blind_index(token.expose_secret()).to_string()
    }
}

fn validate(registration: &Registration) -> Result<(), RegistrationError> {
    let code = registration.code.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    if !(2..=64).contains(&code.len()) || !code[0].is_ascii_lowercase() || !code.iter().all(plain) {
        return Err(RegistrationError::Code);
    }
    let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let uuid = registration.client_uuid.as_bytes();
    let is_uuid =
        uuid.iter().enumerate().all(|(at, b)| if hyphen(at) { *b == b'-' } else { b.is_ascii_hexdigit() });
    if uuid.len() != 36 || !is_uuid {
        return Err(RegistrationError::ClientUuid);
    }
    if registration.client_secret.expose_secret().is_empty() {
        return Err(RegistrationError::ClientSecret);
    }
    check_redirect_uri(&registration.redirect_uri, &registration.code)
}

/// Checks that the API answers under the redirect URI of the widget `code`. amoCRM sends an authorization code once and
/// ignores the answer, so a code that is sent to another path is lost.
pub fn check_redirect_uri(text: &str, code: &str) -> Result<(), RegistrationError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let is_served = |url: &Url| {
        let rest = url.path().strip_prefix(CALLBACK_PATH);
        let own = |rest: &str| rest.is_empty() || rest.strip_prefix('/') == Some(code);
        rest.is_some_and(own) && url.query().is_none() && url.fragment().is_none()
    };
    url.filter(is_served).map(drop).ok_or(RegistrationError::RedirectUri)
}

/// 256 random bits.
fn fresh_token(clock: &dyn Clock) -> SecretString {
    let mut text = PROJECT_TOKEN_PREFIX.to_owned();
    for byte in random_bytes::<32>(clock) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

fn fresh_event_secret(clock: &dyn Clock) -> SecretString {
    signature::secret_from(random_bytes(clock)).into()
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemClock;

    use super::*;

    fn registration() -> Registration {
        Registration {
            code: "flysense".to_owned(),
            name: "FlySense".to_owned(),
            crm: Crm::Amocrm,
            client_uuid: "11111111-2222-4333-8444-555555555555".to_owned(),
            client_secret: "not-a-real-secret".to_owned().into(),
            redirect_uri: "https://app.example.com/oauth/amocrm/callback".to_owned(),
        }
    }

    #[test]
    fn what_cannot_work_is_refused_at_once() {
        assert!(validate(&registration()).is_ok());
        for code in ["", "x", "Fly", "9fly", "fly_sense", "fly sense", &"a".repeat(65)] {
            assert!(matches!(
                validate(&Registration { code: code.to_owned(), ..registration() }),
                Err(RegistrationError::Code)
            ));
        }
        for uuid in ["", "11111111222243338444555555555555", "11111111-2222-4333-8444-55555555555g"] {
            let wrong = Registration { client_uuid: uuid.to_owned(), ..registration() };
            assert!(matches!(validate(&wrong), Err(RegistrationError::ClientUuid)));
        }
        let empty = Registration { client_secret: String::new().into(), ..registration() };
        assert!(matches!(validate(&empty), Err(RegistrationError::ClientSecret)));
    }

    #[test]
    fn a_redirect_uri_that_the_api_does_not_answer_is_refused() {
        let origin = "https://app.example.com";
        for path in ["/oauth/amocrm/callback", "/oauth/amocrm/callback/flysense"] {
            assert!(check_redirect_uri(&format!("{origin}{path}"), "flysense").is_ok(), "{path}");
        }
        for path in [
            "",
            "/",
            "/oauth/amocrm/callback/",
            "/oauth/amocrm/callback/flysense/",
            "/oauth/amocrm/callbak",
            "/oauth/amocrm/callback/another",
            "/oauth/amocrm/callbackflysense",
            "/oauth/amocrm/callback?x=1",
            "/oauth/amocrm/callback#x",
        ] {
            assert!(check_redirect_uri(&format!("{origin}{path}"), "flysense").is_err(), "{path}");
        }
        for uri in
            ["", "app.example.com/oauth/amocrm/callback", "ftp://app.example.com/oauth/amocrm/callback"]
        {
            assert!(check_redirect_uri(uri, "flysense").is_err(), "{uri}");
        }
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (first, second) = (fresh_token(&SystemClock), fresh_token(&SystemClock));
        assert_eq!(first.expose_secret().len(), PROJECT_TOKEN_PREFIX.len() + 64);
        assert_ne!(first.expose_secret(), second.expose_secret());
    }
}
