//! Request bodies and parameters of amoCRM's API.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// Credentials of an integration in amoCRM.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// UUID of the integration.
    pub client_id: String,
    /// Secret key of the integration.
    pub client_secret: SecretString,
    /// Redirect URI, byte for byte as in the integration's settings.
    pub redirect_uri: String,
}

/// The body of a token request.
#[derive(Serialize)]
pub(super) struct TokenRequest<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    #[serde(flatten)]
    grant: GrantBody<'a>,
    redirect_uri: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "grant_type", rename_all = "snake_case")]
pub(super) enum GrantBody<'a> {
    AuthorizationCode { code: &'a str },
    RefreshToken { refresh_token: &'a str },
}

impl<'a> TokenRequest<'a> {
    pub(super) fn new(credentials: &'a Credentials, grant: GrantBody<'a>) -> Self {
        Self {
            client_id: &credentials.client_id,
            client_secret: credentials.client_secret.expose_secret(),
            grant,
            redirect_uri: &credentials.redirect_uri,
        }
    }
}

/// The events we subscribe to. Call notes land on any of the four kinds of entity.
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[strum(prefix = "note_", serialize_all = "snake_case")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoteEvent {
    /// A note was added to a lead.
    Lead,
    /// A note was added to a contact.
    Contact,
    /// A note was added to a company.
    Company,
    /// A note was added to a customer.
    Customer,
}

impl NoteEvent {
    /// All of them.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
}

/// Body that creates or updates a subscription.
#[derive(Serialize)]
pub(super) struct Subscription<'a> {
    pub(super) destination: &'a str,
    pub(super) settings: Vec<&'static str>,
    pub(super) sort: u32,
}

/// Body that deletes a subscription.
#[derive(Serialize)]
pub(super) struct Destination<'a> {
    pub(super) destination: &'a str,
}
