//! Registering widgets and changing their secrets.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::signature;
use flysk_store::platform::widgets::{self, NewWidget, Sealed, Widget};
use flysk_store::{Conn, StoreError};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::{Vault, VaultError, places};

/// What project tokens begin with, so that people and scanners know one when they see it.
pub const PROJECT_TOKEN_PREFIX: &str = "fpt_";

/// A widget to be registered.
#[derive(Debug)]
pub struct Registration {
    /// Unique short name.
    pub code: String,
    /// For people.
    pub name: String,
    /// Where it lives.
    pub crm: Crm,
    /// The integration's client id.
    pub client_uuid: String,
    /// The integration's secret key.
    pub client_secret: SecretString,
    /// Byte for byte as in the integration's settings.
    pub redirect_uri: String,
}

/// Why a widget cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The short name goes into addresses.
    #[error("the code is 2 to 64 of a-z, 0-9 and `-`, and begins with a letter")]
    Code,
    /// As amoCRM shows it.
    #[error("the client id is a UUID in its hyphenated form")]
    ClientUuid,
    /// An empty key would verify anybody's tokens.
    #[error("the secret key is empty")]
    ClientSecret,
    /// Compared byte for byte by amoCRM.
    #[error("the redirect URI is an http or https address")]
    RedirectUri,
    /// The name is taken.
    #[error("another widget has this code")]
    CodeTaken,
    /// The integration is registered.
    #[error("another widget has this client id")]
    ClientTaken,
    /// The vault or the database.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<StoreError> for RegistrationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken { key } if key == "widgets_code" => Self::CodeTaken,
            StoreError::Taken { key } if key == "widgets_client_uuid" => Self::ClientTaken,
            error => Self::Vault(error.into()),
        }
    }
}

/// Secrets that are shown once.
#[derive(Debug)]
pub struct Issued {
    /// The widget.
    pub id: WidgetId,
    /// What its backend sends as `X-Project-Token`, and gets with events.
    pub project_token: SecretString,
    /// What events are signed with.
    pub event_secret: SecretString,
}

impl Vault {
    /// Registers a widget and issues its secrets.
    pub async fn register(
        &self,
        conn: &mut Conn,
        wanted: &Registration,
    ) -> Result<Issued, RegistrationError> {
        check(wanted)?;
        let id = WidgetId::generate(self.clock());
        let issued = Issued { id, project_token: fresh_token(), event_secret: fresh_event_secret() };
        let row = NewWidget {
            id,
            code: &wanted.code,
            name: &wanted.name,
            crm: wanted.crm,
            client_uuid: &wanted.client_uuid.to_ascii_lowercase(),
            client_secret_sealed: &self.seal(&wanted.client_secret, &places::client_secret(id))?,
            redirect_uri: &wanted.redirect_uri,
            project_token_sealed: &self.seal(&issued.project_token, &places::project_token(id))?,
            project_token_hash: &self.lookup(&issued.project_token),
            event_secret_sealed: &self.seal(&issued.event_secret, &places::event_secret(id))?,
        };
        widgets::insert(conn, &row, self.clock().now()).await?;
        Ok(issued)
    }

    /// Issues another project token; the present one is valid until `former_until`, if at all.
    pub async fn rotate_project_token(
        &self,
        conn: &mut Conn,
        widget: &Widget,
        former_until: Option<DateTime<Utc>>,
    ) -> Result<SecretString, VaultError> {
        let token = fresh_token();
        let sealed = self.seal(&token, &places::project_token(widget.id))?;
        let (hash, now) = (self.lookup(&token), self.clock().now());
        widgets::rotate_token(conn, widget.id, &sealed, &hash, former_until, now).await?;
        Ok(token)
    }

    /// Replaces the key that signs events.
    pub async fn rotate_event_secret(
        &self,
        conn: &mut Conn,
        widget: &Widget,
    ) -> Result<SecretString, VaultError> {
        let secret = fresh_event_secret();
        let sealed = self.seal(&secret, &places::event_secret(widget.id))?;
        let changed = Sealed { event_secret: Some(&sealed), ..Sealed::of(widget) };
        self.write_sealed(conn, widget, &changed).await?;
        Ok(secret)
    }

    /// Takes over the integration's secret key after it was regenerated in amoCRM.
    pub async fn change_client_secret(
        &self,
        conn: &mut Conn,
        widget: &Widget,
        secret: &SecretString,
    ) -> Result<(), RegistrationError> {
        if secret.expose_secret().is_empty() {
            return Err(RegistrationError::ClientSecret);
        }
        let sealed = self.seal(secret, &places::client_secret(widget.id))?;
        let changed = Sealed { client_secret: &sealed, ..Sealed::of(widget) };
        Ok(self.write_sealed(conn, widget, &changed).await?)
    }

    async fn write_sealed(
        &self,
        conn: &mut Conn,
        read: &Widget,
        sealed: &Sealed<'_>,
    ) -> Result<(), VaultError> {
        if widgets::replace_secrets(conn, read, sealed, self.clock().now()).await? {
            return Ok(());
        }
        Err(StoreError::Stale { what: "widget" }.into())
    }

    pub(crate) fn seal(&self, secret: &SecretString, place: &str) -> Result<String, VaultError> {
        Ok(self.keyring.seal(secret, place)?)
    }

    pub(crate) fn lookup(&self, token: &SecretString) -> String {
        self.keyring.lookup_hash(token.expose_secret()).to_string()
    }
}

fn check(wanted: &Registration) -> Result<(), RegistrationError> {
    let code = wanted.code.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    if !(2..=64).contains(&code.len()) || !code[0].is_ascii_lowercase() || !code.iter().all(plain) {
        return Err(RegistrationError::Code);
    }
    let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let uuid = wanted.client_uuid.as_bytes();
    let is_uuid =
        uuid.iter().enumerate().all(|(at, b)| if hyphen(at) { *b == b'-' } else { b.is_ascii_hexdigit() });
    if uuid.len() != 36 || !is_uuid {
        return Err(RegistrationError::ClientUuid);
    }
    if wanted.client_secret.expose_secret().is_empty() {
        return Err(RegistrationError::ClientSecret);
    }
    check_redirect_uri(&wanted.redirect_uri)
}

/// Whether amoCRM could send anybody there.
pub fn check_redirect_uri(text: &str) -> Result<(), RegistrationError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.filter(|url| url.has_host() && url.fragment().is_none())
        .map(drop)
        .ok_or(RegistrationError::RedirectUri)
}

/// 256 bits of chance.
fn fresh_token() -> SecretString {
    let random: [u8; 32] = rand::random();
    let mut text = PROJECT_TOKEN_PREFIX.to_owned();
    for byte in random {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

fn fresh_event_secret() -> SecretString {
    signature::secret_from(rand::random()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Registration {
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
        assert!(check(&wanted()).is_ok());
        for code in ["", "x", "Fly", "9fly", "fly_sense", "fly sense", &"a".repeat(65)] {
            assert!(matches!(
                check(&Registration { code: code.to_owned(), ..wanted() }),
                Err(RegistrationError::Code)
            ));
        }
        for uuid in ["", "11111111222243338444555555555555", "11111111-2222-4333-8444-55555555555g"] {
            let wrong = Registration { client_uuid: uuid.to_owned(), ..wanted() };
            assert!(matches!(check(&wrong), Err(RegistrationError::ClientUuid)));
        }
        let empty = Registration { client_secret: String::new().into(), ..wanted() };
        assert!(matches!(check(&empty), Err(RegistrationError::ClientSecret)));
        for uri in ["", "app.example.com", "ftp://app.example.com/", "https://app.example.com/#x"] {
            assert!(check_redirect_uri(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (first, second) = (fresh_token(), fresh_token());
        assert_eq!(first.expose_secret().len(), PROJECT_TOKEN_PREFIX.len() + 64);
        assert_ne!(first.expose_secret(), second.expose_secret());
    }
}
