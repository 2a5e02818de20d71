//! Pages that panel and portal both need, for everybody: health checks, styles and scripts.

use flysk_store::check_database;
use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};

use crate::assets;
use crate::http::respond::with_headers;
use crate::http::{Fault, Guest};

/// `GET /healthz`: the process answers.
pub(crate) async fn alive(_guest: Guest) -> Result<Response, Fault> {
    std::future::ready(Ok(Response::builder().status(StatusCode::OK).body("ok"))).await
}

/// `GET /readyz`: the database answers.
pub(crate) async fn ready(guest: Guest) -> Result<Response, Fault> {
    check_database(&guest.deps.reads).await?;
    Ok(Response::builder().status(StatusCode::OK).body("ready"))
}

/// `GET /assets/:id`: a style or a script. Browsers may keep it.
pub(crate) async fn asset(guest: Guest) -> Result<Response, Fault> {
    let name: String = guest.request.id()?;
    let (content_type, contents) = assets::find(&name).ok_or(Fault::NotFound)?;
    let mut response = with_headers(Response::builder().content_type(content_type).body(contents));
    let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    std::future::ready(Ok(response)).await
}
