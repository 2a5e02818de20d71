//! Request bodies, read strictly: nothing in them is ignored, guessed or rewritten.
//!
//! poem-openapi's own `Json` ignores fields it does not know, takes the last of two equal keys, and takes numbers and
//! booleans for texts (rewriting them on the way). A misspelt field would then mean "left out". Here a body is held
//! against its schema first, and the fault names its place as a JSON pointer (RFC 6901). The rules:
//!
//! - a field that the schema does not name is refused, and so is a key that stands twice in one object, at any depth;
//! - a text is taken from a JSON string only, a boolean from `true` and `false` only;
//! - a whole number is a JSON number without fraction and exponent, inside the range of its format: `1.0`, `1e2` and `"1"`
//!   are refused;
//! - null stands for a field that is left out, if it may be left out and has no default;
//! - JSON of the caller's own ([`FreeJson`]) is kept with every digit of its numbers.

mod exact;
mod fault;
mod no_body;
mod schema;
mod syntax;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::error::ParseRequestPayloadError;
use poem_openapi::impl_apirequest_for_payload;
use poem_openapi::payload::{Json, ParsePayload, Payload};
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::ParseFromJSON;

pub(crate) use exact::{EXACT_JSON, ExactJson, FreeJson};
pub(crate) use no_body::NoBody;
use schema::Described;

/// A JSON body that is read by the rules of this module. Every operation of ours with a body takes this.
#[derive(Debug)]
pub(crate) struct StrictJson<T>(pub(crate) T);

impl<T: ParseFromJSON> Payload for StrictJson<T> {
    const CONTENT_TYPE: &'static str = Json::<T>::CONTENT_TYPE;

    fn check_content_type(content_type: &str) -> bool {
        Json::<T>::check_content_type(content_type)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: ParseFromJSON> ParsePayload for StrictJson<T> {
    const IS_REQUIRED: bool = T::IS_REQUIRED;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        let bytes = Vec::<u8>::from_request(request, body).await?;
        let value = read(&bytes).map_err(|reason| ParseRequestPayloadError { reason })?;
        Ok(Self(value))
    }
}

impl_apirequest_for_payload!(StrictJson<T>, T: ParseFromJSON);

/// Reads a body, or says what is wrong with it and where.
fn read<T: ParseFromJSON>(bytes: &[u8]) -> Result<T, String> {
    let text = syntax::check(bytes).map_err(|fault| fault.to_string())?;
    let value = described::<T>().read(text).map_err(|fault| fault.to_string())?;
    T::parse_from_json(Some(value)).map_err(poem_openapi::types::ParseError::into_message)
}

/// The schema of a type, written down once per process.
fn described<T: ParseFromJSON>() -> Arc<Described> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Described>>>> = LazyLock::new(Mutex::default);
    let name = T::name().into_owned();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(known.entry(name).or_insert_with(|| Arc::new(Described::of::<T>())))
}

#[cfg(test)]
mod tests;
