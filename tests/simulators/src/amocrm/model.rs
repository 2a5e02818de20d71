//! The things of amoCRM: integrations, accounts, users, entities, notes, hooks.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which of the two separate companies an account or integration belongs to.
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
    /// The domain its accounts live under.
    pub fn domain(self) -> &'static str {
        match self {
            Self::Amocrm => "amocrm.ru",
            Self::Kommo => "kommo.com",
        }
    }

    /// The shared host of the `api_domain` claim.
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
    /// Key of token requests, widget tokens and the disconnect hook.
    pub client_secret: String,
    /// Where codes go; compared byte for byte.
    pub redirect_uri: String,
    /// Called when an account disables the integration.
    #[serde(default)]
    pub disconnect_url: Option<String>,
    /// Code of its widget.
    #[serde(default = "widget_code")]
    pub code: String,
    /// What its tokens may do.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// amoCRM or Kommo.
    #[serde(default)]
    pub platform: Platform,
    /// The one account the OAuth page offers (a private or unmoderated integration).
    #[serde(default)]
    pub only_account: Option<u64>,
}

fn widget_code() -> String {
    "flysense".to_owned()
}

fn scopes() -> Vec<String> {
    ["crm", "files", "notifications"].map(str::to_owned).to_vec()
}

/// A tariff; webhooks need `extended` or `professional`.
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

/// A customer of amoCRM.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Never changes.
    pub id: u64,
    /// First label of its host; may change.
    pub subdomain: String,
    /// Name shown to people.
    #[serde(default)]
    pub name: String,
    /// amoCRM or Kommo.
    #[serde(default)]
    pub platform: Platform,
    /// Tariff.
    #[serde(default)]
    pub plan: Plan,
    /// Who works there.
    pub users: Vec<User>,
    /// Every request is answered with nginx's 403 page.
    #[serde(default)]
    pub blocked: bool,
    /// Since when it has not been paid: writes fail at once, reads 30 days later.
    #[serde(default)]
    pub unpaid_since: Option<DateTime<Utc>>,
    /// Subdomains it once had; they are answered with 404.
    #[serde(default)]
    pub former_subdomains: Vec<String>,
}

impl Account {
    /// `demo.amocrm.ru`.
    pub fn host(&self) -> String {
        format!("{}.{}", self.subdomain, self.platform.domain())
    }

    /// One of its users.
    pub fn user(&self, id: u64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }
}

/// A user of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Its id.
    pub id: u64,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its mail address.
    #[serde(default)]
    pub email: String,
    /// Administrators may install, read users and manage hooks.
    #[serde(default)]
    pub is_admin: bool,
    /// Whether it may log in.
    #[serde(default = "yes")]
    pub is_active: bool,
    /// A user without a paid seat.
    #[serde(default)]
    pub is_free: bool,
}

fn yes() -> bool {
    true
}

/// What a note can hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityType {
    /// A deal.
    Leads,
    /// A person.
    Contacts,
    /// A firm.
    Companies,
    /// A regular buyer.
    Customers,
}

impl EntityType {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Leads, Self::Contacts, Self::Companies, Self::Customers];

    /// As paths and hook groups spell it.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Contacts => "contacts",
            Self::Companies => "companies",
            Self::Customers => "customers",
        }
    }

    /// As events, hook names and the answer of `POST /calls` spell it.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Leads => "lead",
            Self::Contacts => "contact",
            Self::Companies => "company",
            Self::Customers => "customer",
        }
    }

    /// `element_type` of hooks.
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
    /// What it is.
    pub entity_type: EntityType,
    /// Its id, unique among its type.
    pub id: u64,
    /// Telephone numbers (contacts and companies).
    #[serde(default)]
    pub phones: Vec<String>,
    /// Contacts and companies that a lead or customer belongs to.
    #[serde(default)]
    pub of: Vec<u64>,
    /// A closed lead attracts no calls.
    #[serde(default)]
    pub closed: bool,
    /// Who is responsible.
    #[serde(default)]
    pub responsible_user_id: u64,
}

/// A note on an entity; calls are notes.
#[derive(Debug, Clone, Serialize)]
pub struct Note {
    /// Its id, unique in the account.
    pub id: u64,
    /// What it hangs on.
    pub entity_id: u64,
    #[serde(skip)]
    pub(crate) entity_type: EntityType,
    /// Who made it.
    pub created_by: u64,
    /// Who changed it last.
    pub updated_by: u64,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Who is responsible.
    pub responsible_user_id: u64,
    /// Always 0 here.
    pub group_id: u64,
    /// `call_in`, `common`, …
    pub note_type: String,
    /// Depends on the type.
    pub params: Value,
    /// Whose it is.
    pub account_id: u64,
}

/// A call in the account's event list.
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

/// A subscription to hooks.
#[derive(Debug, Clone, Serialize)]
pub struct Hook {
    /// Its id.
    pub id: u64,
    /// Where deliveries go; the key of a subscription.
    pub destination: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Whose it is.
    pub account_id: u64,
    /// Who made it.
    pub created_by: u64,
    /// Order in the list.
    pub sort: i64,
    /// Switched off after too many invalid answers.
    pub disabled: bool,
    /// Names of events.
    pub settings: Vec<String>,
    /// Moments of invalid answers of the last two hours.
    #[serde(skip)]
    pub(crate) invalid: VecDeque<DateTime<Utc>>,
}
