//! `/healthz`: liveness of the process. `/readyz`: readiness to accept requests.

use std::time::Duration;

use flysk_queue::{RedisKeys, check_redis};
use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, Response, handler};
use serde_json::json;

use crate::deps::Deps;

/// A dependency that does not respond within this time is down.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Always responds `ok`.
#[handler]
pub(crate) fn healthz() -> &'static str {
    "ok"
}

/// Responds 503 if MySQL reads no table or is read-only. Without a Redis that takes writes, requests are accepted and jobs start
/// later.
#[handler]
pub(crate) async fn readyz(deps: Data<&Deps>) -> Response {
    let mysql = tokio::time::timeout(CHECK_TIMEOUT, flysk_store::check_primary(deps.outbox.pool())).await;
    let mysql = matches!(mysql, Ok(Ok(())));
    let mut redis = deps.redis.clone();
    let keys = RedisKeys::new(deps.config.redis.prefix.clone());
    let written = tokio::time::timeout(CHECK_TIMEOUT, check_redis(&mut redis, &keys)).await;
    let redis = matches!(written, Ok(Ok(())));
    let status = if mysql { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |up| if up { "up" } else { "down" };
    Json(json!({ "mysql": word(mysql), "redis": word(redis) })).with_status(status).into_response()
}
