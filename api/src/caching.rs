//! What caches may keep of our answers: nothing, unless an answer says otherwise.
//!
//! Nearly all of them hold what belongs to one account, and some a credential. Source: RFC 9111, 5.2.2.5.

use poem::http::{HeaderValue, header};
use poem::{Response, Result};

use crate::problem;

/// Says `Cache-Control: no-store` for whoever says nothing.
pub(crate) async fn no_store(answered: Result<Response>) -> Result<Response> {
    let mut response = answered.unwrap_or_else(problem::of_poem);
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    Ok(response)
}
