//! The `Idempotency-Key` header.

use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::problem::{IDEMPOTENCY_KEY, Problem, ProblemCode};

/// Maximum length of a key, in characters.
const MAX_KEY_LEN: usize = 120;

/// A required `Idempotency-Key`: 1 to 120 visible ASCII characters.
///
/// Written by hand, because poem-openapi's `Header` reports a key with other characters as missing.
#[derive(Debug)]
pub(crate) struct KeyHeader(pub(crate) String);

impl KeyHeader {
    fn read(request: &Request) -> Result<Self, Problem> {
        let Some(value) = request.headers().get(IDEMPOTENCY_KEY) else {
            let detail = format!(
                "the header `{IDEMPOTENCY_KEY}` is missing: 1 to {MAX_KEY_LEN} visible ASCII characters, the same when the request is repeated"
            );
            return Err(Problem::new(ProblemCode::IdempotencyKeyMissing, detail));
        };
        let text = value.to_str().unwrap_or_default();
        if (1..=MAX_KEY_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Self(text.to_owned()));
        }
        let detail = format!(
            "the header `{IDEMPOTENCY_KEY}` has other characters than the allowed ones, or too many: a key has 1 to {MAX_KEY_LEN} \
             visible ASCII characters (Latin letters, digits and punctuation, no spaces)"
        );
        Err(Problem::new(ProblemCode::InvalidRequest, detail))
    }
}

impl<'a> ApiExtractor<'a> for KeyHeader {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = String;
    type ParamRawType = String;

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(MetaSchema {
            min_length: Some(1),
            max_length: Some(MAX_KEY_LEN),
            pattern: Some("^[!-~]+$".to_owned()),
            example: Some("order-1042".into()),
            ..MetaSchema::new("string")
        })))
    }

    fn param_raw_type(&self) -> Option<&String> {
        Some(&self.0)
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<String>,
    ) -> Result<Self> {
        Ok(std::future::ready(Self::read(request)).await?)
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn a_key_of_other_characters_is_not_called_missing() {
        let read = |value: Option<&[u8]>| {
            let mut request = Request::default();
            if let Some(value) = value {
                request.headers_mut().insert(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            }
            KeyHeader::read(&request).map(|key| key.0).map_err(|problem| problem.code)
        };
        assert_eq!(read(Some(b"order-1042")).unwrap(), "order-1042");
        assert_eq!(read(None).unwrap_err(), "idempotency_key_missing");
        for other in ["заказ-1".as_bytes(), b"", b"two words", &[b'x'; 121]] {
            assert_eq!(read(Some(other)).unwrap_err(), "invalid_request", "{other:?}");
        }
    }
}
