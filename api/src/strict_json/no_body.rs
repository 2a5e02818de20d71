//! Operations that take no body.

use std::collections::BTreeMap;

use poem::{FromRequest, Request, RequestBody, Result};
use poem_openapi::error::ParseRequestPayloadError;
use serde::de::IgnoredAny;

/// The body of an operation that takes none: absent, or `null`, `{}` or `[]` for clients that always send one. A field in it
/// would be ignored, so it is refused: whoever sends an amount with a release has to learn that all is released.
pub(crate) struct NoBody;

impl<'a> FromRequest<'a> for NoBody {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let bytes = Vec::<u8>::from_request(request, body).await?;
        let bytes = bytes.trim_ascii();
        let is_empty = bytes.is_empty()
            || serde_json::from_slice::<Option<BTreeMap<String, IgnoredAny>>>(bytes)
                .is_ok_and(|fields| fields.is_none_or(|fields| fields.is_empty()))
            // An empty array of PHP is both.
            || serde_json::from_slice::<Vec<IgnoredAny>>(bytes).is_ok_and(|items| items.is_empty());
        if is_empty {
            return Ok(Self);
        }
        let reason = "the operation takes no body: send none, null or an empty object".to_owned();
        Err(ParseRequestPayloadError { reason }.into())
    }
}
