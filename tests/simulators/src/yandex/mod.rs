//! Common parts of Yandex Cloud's APIs: authorization, errors, JSON parsing and a language model.

mod access;
pub(crate) mod language_model;
pub(crate) mod proto_json;
mod status;

pub use access::{Credential, Scheme};
pub(crate) use access::{Scope, authorize};
pub use status::{BodyShape, Code};
pub(crate) use status::{Shaper, Status, json_response};
