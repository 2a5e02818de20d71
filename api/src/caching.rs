//! What caches may keep of our answers: nothing, unless an answer says otherwise.
//!
//! Nearly all of them hold what belongs to one account, and some a credential. Source: RFC 9111, 5.2.2.5.

use poem::http::{HeaderValue, header};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};

/// Says `Cache-Control: no-store` for whoever says nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoStore;

impl<E: Endpoint> Middleware<E> for NoStore {
    type Output = WithNoStore<E>;

    fn transform(&self, inner: E) -> WithNoStore<E> {
        WithNoStore { inner }
    }
}

/// See [`NoStore`].
pub(crate) struct WithNoStore<E> {
    inner: E,
}

impl<E: Endpoint> Endpoint for WithNoStore<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let mut response = match self.inner.call(request).await {
            Ok(response) => response.into_response(),
            Err(error) => crate::problem::of_poem(error),
        };
        let headers = response.headers_mut();
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        Ok(response)
    }
}
