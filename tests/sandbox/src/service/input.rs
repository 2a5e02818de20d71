//! Bodies of the control API: JSON, read strictly.

use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Result};
use serde::de::DeserializeOwned;

use super::json_fault;
use super::problem::Problem;

/// A body. An empty one counts as an object without fields.
pub(super) struct Input<T>(pub(super) T);

impl<'a, T: DeserializeOwned> FromRequest<'a> for Input<T> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let bytes = Vec::<u8>::from_request(request, body).await?;
        let text = if bytes.trim_ascii().is_empty() {
            b"{}".as_slice()
        } else if is_json(request.content_type()) {
            bytes.as_slice()
        } else {
            return Err(Problem {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                code: "unsupported_media_type",
                detail: "send JSON with Content-Type: application/json".to_owned(),
            }
            .into());
        };
        json_fault::read(text).map(Self).map_err(|fault| Problem::invalid(fault).into())
    }
}

fn is_json(content_type: Option<&str>) -> bool {
    let media_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use poem::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Wanted {
        next: Option<u32>,
    }

    async fn read(content_type: &str, body: &'static str) -> std::result::Result<Wanted, u16> {
        let request = Request::builder().content_type(content_type).finish();
        let read = Input::<Wanted>::from_request(&request, &mut RequestBody::new(Body::from(body))).await;
        read.map(|input| input.0).map_err(|error| error.status().as_u16())
    }

    #[tokio::test]
    async fn a_body_is_json_without_unknown_fields_or_empty() {
        assert_eq!(read("application/json", r#"{"next": 2}"#).await, Ok(Wanted { next: Some(2) }));
        assert_eq!(read("application/json; charset=utf-8", "").await, Ok(Wanted::default()));
        assert_eq!(read("text/plain", " ").await, Ok(Wanted::default()));
        assert_eq!(read("application/json", r#"{"nxt": 2}"#).await, Err(400));
        assert_eq!(read("application/x-www-form-urlencoded", "next=2").await, Err(415));
    }
}
