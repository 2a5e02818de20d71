//! Health checks.

use flysk_store::check_database;
use poem::Response;
use poem::http::StatusCode;

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
