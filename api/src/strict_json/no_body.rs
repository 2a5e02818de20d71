//! Operations without a request body.

use std::collections::BTreeMap;

use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::error::ParseRequestPayloadError;
use serde::de::IgnoredAny;

/// The body of an operation that accepts none: absent, or `null`, `{}` or `[]` for clients that always send a body. Fields are
/// rejected instead of ignored: a caller that sends an amount with a release must not assume a partial release.
pub(crate) struct NoBody;

impl<'a> FromRequest<'a> for NoBody {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let bytes = Vec::<u8>::from_request(request, body).await?;
        let bytes = bytes.trim_ascii();
        let is_empty = bytes.is_empty()
            || serde_json::from_slice::<Option<BTreeMap<String, IgnoredAny>>>(bytes)
                .is_ok_and(|fields| fields.is_none_or(|fields| fields.is_empty()))
            // PHP serializes an empty array as `[]`, also if an object is meant.
            || serde_json::from_slice::<Vec<IgnoredAny>>(bytes).is_ok_and(|items| items.is_empty());
        if is_empty {
            return Ok(Self);
        }
        let reason = "the operation accepts no body: send none, null or an empty object".to_owned();
        Err(ParseRequestPayloadError { reason }.into())
    }
}
