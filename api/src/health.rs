//! `/healthz`: the process answers. `/readyz`: it can do its work.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, Response, handler};
use serde_json::json;

use crate::deps::Deps;

/// A dependency that does not answer in this time is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers.
#[handler]
pub(crate) fn healthz() -> &'static str {
    "ok"
}

/// Without MySQL nothing can be accepted; without Redis everything is, a moment later.
#[handler]
pub(crate) async fn readyz(deps: Data<&Deps>) -> Response {
    let mysql = tokio::time::timeout(PATIENCE, sqlx::query("SELECT 1").execute(deps.outbox.pool())).await;
    let mysql = matches!(mysql, Ok(Ok(_)));
    let mut redis = deps.redis.clone();
    let ping = tokio::time::timeout(PATIENCE, redis::cmd("PING").query_async::<String>(&mut redis)).await;
    let redis = matches!(ping, Ok(Ok(_)));
    let status = if mysql { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |up| if up { "up" } else { "down" };
    Json(json!({ "mysql": word(mysql), "redis": word(redis) })).with_status(status).into_response()
}
