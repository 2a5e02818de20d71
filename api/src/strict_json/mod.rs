//! Strict parsing of request bodies: nothing is ignored, guessed or converted.
//!
//! poem-openapi's own `Json` ignores unknown fields, uses the last of duplicate keys, and converts numbers and booleans to
//! strings. A misspelt field would then count as absent. Here a body is validated by its schema first. Errors contain the
//! location as a JSON pointer (RFC 6901). The rules:
//!
//! - unknown fields and duplicate keys are rejected, at any depth;
//! - a string must be a JSON string, a boolean must be `true` or `false`;
//! - an integer is a JSON number without fraction and exponent, in the range of its format: `1.0`, `1e2` and `"1"` are rejected;
//! - null means that an optional field without a default is absent;
//! - a text, a number of items or an integer beyond a limit of the schema is rejected with the limit;
//! - free JSON ([`FreeJson`]) keeps every digit of its numbers.

mod exact;
mod fault;
mod limits;
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
use schema::BodySchema;

use crate::problem::plain_body_reason;

/// A JSON body that is parsed by the rules of this module. All operations with a body use this type.
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

/// Parses a body. The error describes what is wrong and where.
fn read<T: ParseFromJSON>(bytes: &[u8]) -> Result<T, String> {
    let text = syntax::check(bytes).map_err(|fault| fault.to_string())?;
    let value = schema_of::<T>().read(text).map_err(|fault| fault.to_string())?;
    T::parse_from_json(Some(value)).map_err(|error| plain_body_reason(error.message()))
}

/// The schema of a type, cached per process.
fn schema_of<T: ParseFromJSON>() -> Arc<BodySchema> {
    static SCHEMAS: LazyLock<Mutex<HashMap<String, Arc<BodySchema>>>> = LazyLock::new(Mutex::default);
    let name = T::name().into_owned();
    let mut schemas = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(schemas.entry(name).or_insert_with(|| Arc::new(BodySchema::of::<T>())))
}

#[cfg(test)]
mod tests;
