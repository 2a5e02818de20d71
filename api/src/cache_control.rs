//! `Cache-Control: no-store` on all responses, unless a handler sets another value.
//!
//! Nearly all responses contain data of one account, and some contain credentials. Source: RFC 9111, 5.2.2.5.

use poem::http::{HeaderValue, header};
use poem::{Response, Result};

use crate::problem;

/// Adds `Cache-Control: no-store` to a response without this header.
pub(crate) async fn no_store(answered: Result<Response>) -> Result<Response> {
    let mut response = answered.unwrap_or_else(problem::from_poem_error);
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    Ok(response)
}
