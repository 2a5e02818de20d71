//! Data model of amoCRM: integrations, accounts, users, entities, notes, hooks.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Platform of an account or integration; the two are separate companies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// amocrm.ru.
    #[default]
    Amocrm,
    /// kommo.com.
    Kommo,
}

impl Platform {
    /// Domain of the accounts.
    pub fn domain(self) -> &'static str {
        match self {
            Self::Amocrm => "amocrm.ru",
            Self::Kommo => "kommo.com",
        }
    }

    /// Shared host in the `api_domain` claim.
    pub fn api_domain(self) -> &'static str {
        match self {
            Self::Amocrm => "api-b.amocrm.ru",
            Self::Kommo => "api-c.kommo.com",
        }
    }

    /// The `platform` parameter of redirects.
    pub fn number(self) -> &'static str {
        match self {
            Self::Amocrm => "1",
            Self::Kommo => "2",
        }
    }
}

/// An OAuth client registered with amoCRM.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Integration {
    /// UUID, `client_id` in OAuth.
    pub client_id: String,
    /// Secret of token requests, and key of widget tokens and the disconnect hook.
    pub client_secret: String,
    /// Redirect URI of authorization codes; compared byte for byte.
    pub redirect_uri: String,
    /// URL called when an account disables the integration.
    #[serde(default)]
    pub disconnect_url: Option<String>,
    /// Code of the integration's widget.
    #[serde(default = "widget_code")]
    pub code: String,
    /// Scopes of its tokens.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// amoCRM or Kommo.
    #[serde(default)]
    pub platform: Platform,
    /// The only account that the OAuth page offers (for a private or unmoderated integration).
    #[serde(default)]
    pub only_account: Option<u64>,
}

fn widget_code() -> String {
    "flysense".to_owned()
}

fn scopes() -> Vec<String> {
    ["crm", "files", "notifications"].map(str::to_owned).to_vec()
}

/// A tariff. Webhooks need `extended` or `professional`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// No webhooks.
    Basic,
    /// With webhooks.
    #[default]
    Extended,
    /// With webhooks.
    Professional,
}

/// A company's amoCRM, at a host of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Account id; never changes.
    pub id: u64,
    /// First label of the host; may change.
    pub subdomain: String,
    /// Display name.
    #[serde(default)]
    pub name: String,
    /// amoCRM or Kommo.
    #[serde(default)]
    pub platform: Platform,
    /// Tariff.
    #[serde(default)]
    pub plan: Plan,
    /// Administrators and others; removed users are missing.
    pub users: Vec<User>,
    /// Every request gets nginx's 403 page.
    #[serde(default)]
    pub blocked: bool,
    /// Time since when the account is unpaid: writes fail at once, reads after 30 days.
    #[serde(default)]
    pub unpaid_since: Option<DateTime<Utc>>,
    /// Former subdomains; they return 404.
    #[serde(default)]
    pub former_subdomains: Vec<String>,
}

impl Account {
    /// Host of the account, such as `demo.amocrm.ru`.
    pub fn host(&self) -> String {
        format!("{}.{}", self.subdomain, self.platform.domain())
    }

    /// `None` if the account has no such user.
    pub fn user(&self, id: u64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }
}

/// Somebody who can log in to an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// amoCRM's number of the user.
    pub id: u64,
    /// As pages and the API show it.
    #[serde(default)]
    pub name: String,
    /// E-mail address.
    #[serde(default)]
    pub email: String,
    /// Administrators may install, read users and manage hooks.
    #[serde(default)]
    pub is_admin: bool,
    /// Whether the user may log in.
    #[serde(default = "yes")]
    pub is_active: bool,
    /// A user without a paid seat.
    #[serde(default)]
    pub is_free: bool,
}

fn yes() -> bool {
    true
}

/// Type of an entity that notes are attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityType {
    /// `leads` in paths.
    Leads,
    /// `contacts` in paths.
    Contacts,
    /// `companies` in paths.
    Companies,
    /// `customers` in paths.
    Customers,
}

impl EntityType {
    /// In the order of declaration.
    pub const ALL: [Self; 4] = [Self::Leads, Self::Contacts, Self::Companies, Self::Customers];

    /// Name in paths and hook groups.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Contacts => "contacts",
            Self::Companies => "companies",
            Self::Customers => "customers",
        }
    }

    /// Name in events, hook names and the response of `POST /calls`.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Leads => "lead",
            Self::Contacts => "contact",
            Self::Companies => "company",
            Self::Customers => "customer",
        }
    }

    /// `element_type` in hooks.
    pub fn number(self) -> u8 {
        match self {
            Self::Contacts => 1,
            Self::Leads => 2,
            Self::Companies => 3,
            Self::Customers => 12,
        }
    }
}

/// A lead, contact, company or customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entity {
    /// Decides the path of the API and the events.
    pub entity_type: EntityType,
    /// Entity id, unique within its type.
    pub id: u64,
    /// Telephone numbers (contacts and companies).
    #[serde(default)]
    pub phones: Vec<String>,
    /// Contacts and companies of a lead or customer.
    #[serde(default)]
    pub of: Vec<u64>,
    /// Closed leads get no calls.
    #[serde(default)]
    pub closed: bool,
    /// User to whom notes and hooks attribute the card.
    #[serde(default)]
    pub responsible_user_id: u64,
}

/// A note on an entity. Calls are notes.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// Note id, unique within the account.
    pub id: u64,
    /// Card that contains the note.
    pub entity_id: u64,
    #[serde(skip)]
    pub(crate) entity_type: EntityType,
    /// Id of the author.
    pub created_by: u64,
    /// Id of the user who made the last change.
    pub updated_by: u64,
    /// Creation time, Unix seconds.
    pub created_at: i64,
    /// Time of the last change, Unix seconds.
    pub updated_at: i64,
    /// User to whom the API attributes the note.
    pub responsible_user_id: u64,
    /// Always 0 here.
    pub group_id: u64,
    /// `call_in`, `common`, …
    pub note_type: String,
    /// Parameters; their shape depends on the type.
    pub params: Value,
    /// Account of the card.
    pub account_id: u64,
}

/// An event of a call, as in `/events`.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) entity_type: EntityType,
    pub(crate) entity_id: u64,
    pub(crate) created_by: u64,
    pub(crate) created_at: i64,
    pub(crate) note_id: u64,
}

/// A webhook subscription.
#[derive(Debug, Clone, Serialize)]
pub struct Hook {
    /// Assigned at the first subscription.
    pub id: u64,
    /// Destination URL; the key of a subscription.
    pub destination: String,
    /// Creation time, Unix seconds.
    pub created_at: i64,
    /// Time of the last change, Unix seconds.
    pub updated_at: i64,
    /// Account whose events are sent.
    pub account_id: u64,
    /// Id of the user who created it.
    pub created_by: u64,
    /// Position in lists.
    pub sort: i64,
    /// Disabled after too many invalid responses.
    pub disabled: bool,
    /// Names of the subscribed events.
    pub settings: Vec<String>,
    /// Times of invalid responses within the last 2 h.
    #[serde(skip)]
    pub(crate) invalid: VecDeque<DateTime<Utc>>,
}
