//! A user of an account.

use std::fmt;

use flysk_domain::id::UserId;
use flysk_domain::serde_lenient;
use serde::Deserialize;

/// A user, as far as we ask.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Whether the user is an administrator of the account.
    pub is_admin: bool,
    /// Name. Personal data: not shown by `Debug`.
    pub name: Option<String>,
    /// E-mail address of the profile. Personal data: not shown by `Debug`.
    pub email: Option<String>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("is_admin", &self.is_admin).finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for User {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let body = UserBody::deserialize(from)?;
        Ok(Self { is_admin: body.rights.is_admin, name: body.name, email: body.email })
    }
}

/// A user of the account: name, and whether the user may log in.
#[derive(Clone, PartialEq, Eq)]
pub struct UserState {
    /// amoCRM's number of the user.
    pub id: UserId,
    /// Whether the user may log in; `true` if amoCRM does not tell.
    pub is_active: bool,
    /// Name, as the account writes it; empty if amoCRM does not tell. Personal data: not shown by `Debug`.
    pub name: String,
}

impl fmt::Debug for UserState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserState")
            .field("id", &self.id)
            .field("is_active", &self.is_active)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for UserState {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let body = UserStateBody::deserialize(from)?;
        let is_active = body.rights.is_none_or(|rights| rights.is_active);
        Ok(Self { id: UserId(body.id), is_active, name: body.name.unwrap_or_default() })
    }
}

#[derive(Deserialize)]
struct UserStateBody {
    id: u64,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    name: Option<String>,
    #[serde(default)]
    rights: Option<Activity>,
}

#[derive(Deserialize)]
struct Activity {
    #[serde(default = "yes", deserialize_with = "serde_lenient::truth")]
    is_active: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct UserBody {
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    email: Option<String>,
    rights: Rights,
}

#[derive(Deserialize)]
struct Rights {
    #[serde(default, deserialize_with = "serde_lenient::truth")]
    is_admin: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_user_is_active_unless_amocrm_says_otherwise() {
        let is_active = |rights: serde_json::Value| {
            let state: UserState = serde_json::from_value(json!({ "id": 7, "rights": rights })).unwrap();
            assert_eq!(state.id, UserId(7));
            state.is_active
        };
        assert!(!is_active(json!({ "is_active": false })));
        for rights in [json!({ "is_active": true }), json!({}), json!(null)] {
            assert!(is_active(rights.clone()), "{rights}");
        }
    }
}
