//! A user of an account.

use serde::Deserialize;

use crate::lenient;

/// A user, as far as we ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::amocrm) struct User {
    /// Administers the account.
    pub(in crate::amocrm) is_admin: bool,
}

impl<'de> Deserialize<'de> for User {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self { is_admin: Body::deserialize(from)?.rights.is_admin })
    }
}

#[derive(Deserialize)]
struct Body {
    rights: Rights,
}

#[derive(Deserialize)]
struct Rights {
    #[serde(default, deserialize_with = "lenient::truth")]
    is_admin: bool,
}
