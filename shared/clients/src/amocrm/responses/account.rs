//! The account.

use flysk_domain::id::{AccountId, UserId};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::lenient;

/// An account of amoCRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The stable key.
    pub id: AccountId,
    /// As people call it.
    pub name: String,
    /// Of its host, at present.
    pub subdomain: String,
    /// Whose token was used.
    pub current_user_id: Option<UserId>,
    /// A developer's own account.
    pub is_technical: bool,
    /// `Europe/Moscow`, if asked for.
    pub timezone: Option<String>,
    /// `+03:00`, if asked for.
    pub timezone_offset: Option<String>,
    /// The file service, if asked for.
    pub drive_url: Option<String>,
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let body = Body::deserialize(from)?;
        let zone = |name: &str| -> Option<String> {
            body.embedded.pointer(&format!("/datetime_settings/{name}"))?.as_str().map(str::to_owned)
        };
        let (timezone, timezone_offset) = (zone("timezone"), zone("timezone_offset"));
        Ok(Self {
            id: AccountId(body.id),
            name: body.name.unwrap_or_default(),
            subdomain: body.subdomain.unwrap_or_default(),
            current_user_id: body.current_user_id.map(UserId),
            is_technical: body.is_technical_account,
            timezone,
            timezone_offset,
            drive_url: body.drive_url,
        })
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(deserialize_with = "lenient::required_u64")]
    id: u64,
    #[serde(default, deserialize_with = "lenient::optional_text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_text")]
    subdomain: Option<String>,
    #[serde(default, deserialize_with = "lenient::optional_u64")]
    current_user_id: Option<u64>,
    #[serde(default, deserialize_with = "lenient::truth")]
    is_technical_account: bool,
    #[serde(default, deserialize_with = "lenient::optional_text")]
    drive_url: Option<String>,
    #[serde(default, rename = "_embedded")]
    embedded: Value,
}
