//! A user of an account.

use std::fmt;

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
