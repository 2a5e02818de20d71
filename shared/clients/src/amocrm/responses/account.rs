//! Response about an account.

use flysk_domain::id::{AccountId, UserId};
use flysk_domain::serde_lenient;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::DatetimeSettings;

/// An account in amoCRM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Id of the account, which never changes.
    pub id: AccountId,
    /// Display name of the account.
    pub name: String,
    /// First label of the account's current host.
    pub subdomain: String,
    /// User of the token.
    pub current_user_id: Option<UserId>,
    /// Whether this is a developer's technical account.
    pub is_technical: bool,
    /// Offset of the account's time from UTC, minutes; `None` if amoCRM does not tell it.
    pub utc_offset_minutes: Option<i16>,
}

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let body = AccountBody::deserialize(from)?;
        Ok(Self {
            id: AccountId(body.id),
            name: body.name.unwrap_or_default(),
            subdomain: body.subdomain.unwrap_or_default(),
            current_user_id: body.current_user_id.map(UserId),
            is_technical: body.is_technical_account,
            utc_offset_minutes: DatetimeSettings::offset_of_embedded(&body.embedded),
        })
    }
}

#[derive(Deserialize)]
struct AccountBody {
    #[serde(deserialize_with = "serde_lenient::required_u64")]
    id: u64,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    subdomain: Option<String>,
    #[serde(default, deserialize_with = "serde_lenient::optional_u64")]
    current_user_id: Option<u64>,
    #[serde(default, deserialize_with = "serde_lenient::truth")]
    is_technical_account: bool,
    #[serde(rename = "_embedded", default)]
    embedded: Value,
}
