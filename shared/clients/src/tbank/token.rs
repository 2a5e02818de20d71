//! `Token`: the signature of requests and notifications.
//!
//! The token covers the root-level scalars of a body exactly as sent. So it is computed from the bytes, not from a typed
//! model: `19200` and `"19200"` are equal, `1.10` and `1.1` are not, and unknown fields are signed too.
//! Source: T-Bank docs, eacq/token and eacq/notification.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const TOKEN_FIELD: &str = "Token";
const PASSWORD_FIELD: &str = "Password";

/// The body is not a JSON object with unique fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON object with unique fields")]
pub struct Unsignable;

/// The token of a JSON body in lower-case hex; a field `Token` is ignored.
pub fn sign(body: &[u8], password: &SecretString) -> Result<String, Unsignable> {
    Ok(RootScalars::read(body)?.token(password))
}

/// The signed part of a body: name and text of each root-level scalar, sorted by the bytes of the name.
pub(super) struct RootScalars {
    signed: BTreeMap<String, String>,
    token: Option<String>,
}

impl RootScalars {
    /// Refuses duplicate fields, because it is ambiguous which of them was signed.
    pub(super) fn read(body: &[u8]) -> Result<Self, Unsignable> {
        let mut from = serde_json::Deserializer::from_slice(body);
        let fields = from.deserialize_map(UniqueFields).map_err(|_| Unsignable)?;
        from.end().map_err(|_| Unsignable)?;
        let mut scalars = Self { signed: BTreeMap::new(), token: None };
        for (name, value) in fields {
            let Some(text) = scalar(value.get())? else { continue };
            match name.as_str() {
                TOKEN_FIELD => scalars.token = Some(text),
                _ => drop(scalars.signed.insert(name, text)),
            }
        }
        Ok(scalars)
    }

    /// SHA-256 of the concatenated values, sorted by name, including the password as field `Password`.
    pub(super) fn token(&self, password: &SecretString) -> String {
        let mut hash = Sha256::new();
        let mut password = Some(password.expose_secret());
        for (name, text) in &self.signed {
            if name.as_str() >= PASSWORD_FIELD
                && let Some(password) = password.take()
            {
                hash.update(password);
            }
            // A field `Password` of the body must not replace the secret.
            if name != PASSWORD_FIELD {
                hash.update(text);
            }
        }
        if let Some(password) = password {
            hash.update(password);
        }
        hex::encode(hash.finalize())
    }

    /// Whether the body has the correct token; compares in constant time.
    pub(super) fn is_signed_with(&self, password: &SecretString) -> bool {
        let Some(token) = &self.token else { return false };
        self.token(password).as_bytes().ct_eq(token.to_ascii_lowercase().as_bytes()).into()
    }
}

/// The signed text of a value: the content of a string, or a number or boolean as written; `None` for `null`, objects and
/// arrays.
fn scalar(raw: &str) -> Result<Option<String>, Unsignable> {
    match raw.as_bytes().first() {
        Some(b'{' | b'[' | b'n') => Ok(None),
        Some(b'"') => serde_json::from_str(raw).map(Some).map_err(|_| Unsignable),
        _ => Ok(Some(raw.to_owned())),
    }
}

struct UniqueFields;

impl<'de> Visitor<'de> for UniqueFields {
    type Value = BTreeMap<String, Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with unique fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = from.next_entry::<String, Box<RawValue>>()? {
            if fields.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate field"));
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests;
