//! What we send.

use flysk_domain::id::EntityId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

/// Our integration, as amoCRM knows it.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The integration's UUID.
    pub client_id: String,
    /// The integration's secret key.
    pub client_secret: SecretString,
    /// Byte for byte as in the integration's settings.
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

/// Which secret is traded in.
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

/// Optional parts of an account's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountDetail {
    /// The time zone, needed to read the local times in web hooks.
    DatetimeSettings,
    /// The address of the account's file service; needs the files scope.
    DriveUrl,
    /// Group names of users.
    UsersGroups,
}

impl AccountDetail {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DatetimeSettings => "datetime_settings",
            Self::DriveUrl => "drive_url",
            Self::UsersGroups => "users_groups",
        }
    }
}

/// The kinds of entity that carry notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityType {
    /// A deal.
    Leads,
    /// A person.
    Contacts,
    /// An organisation.
    Companies,
    /// A customer of the repeat-sales feature.
    Customers,
}

impl EntityType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Leads, Self::Contacts, Self::Companies, Self::Customers];

    /// As in paths: `leads`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Contacts => "contacts",
            Self::Companies => "companies",
            Self::Customers => "customers",
        }
    }

    /// As in events and in answers about calls: `lead`.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Leads => "lead",
            Self::Contacts => "contact",
            Self::Companies => "company",
            Self::Customers => "customer",
        }
    }

    /// Reads either form.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == name || kind.singular() == name)
    }
}

/// The events we subscribe to. Call notes land on any of the four kinds of entity.
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
    pub const ALL: [Self; 4] = [Self::Lead, Self::Contact, Self::Company, Self::Customer];

    /// amoCRM's name: `note_lead`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "note_lead",
            Self::Contact => "note_contact",
            Self::Company => "note_company",
            Self::Customer => "note_customer",
        }
    }
}

/// The body that creates or updates a subscription.
#[derive(Serialize)]
pub(super) struct Subscription<'a> {
    pub(super) destination: &'a str,
    pub(super) settings: Vec<&'static str>,
    pub(super) sort: u32,
}

/// The body that ends a subscription.
#[derive(Serialize)]
pub(super) struct Destination<'a> {
    pub(super) destination: &'a str,
}

/// A note that a widget leaves in an entity's feed.
#[derive(Debug, Clone)]
pub struct ServiceNote {
    /// Where.
    pub entity_type: EntityType,
    /// On which one.
    pub entity_id: EntityId,
    /// Who speaks: the widget's name.
    pub service: String,
    /// At most 20,000 characters.
    pub text: String,
    /// A long text that the feed folds.
    pub extended: bool,
}

/// A service note as amoCRM takes it; the call takes a list of them.
#[derive(Serialize)]
pub(super) struct NoteBody<'a> {
    entity_id: EntityId,
    note_type: &'static str,
    params: NoteParams<'a>,
}

#[derive(Serialize)]
struct NoteParams<'a> {
    service: &'a str,
    text: &'a str,
}

impl<'a> From<&'a ServiceNote> for NoteBody<'a> {
    fn from(note: &'a ServiceNote) -> Self {
        Self {
            entity_id: note.entity_id,
            note_type: if note.extended { "extended_service_message" } else { "service_message" },
            params: NoteParams { service: &note.service, text: &note.text },
        }
    }
}
