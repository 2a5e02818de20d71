//! A link opens its page in one browser only, because it may be forwarded, logged or seen in a history.
//!
//! The first browser gets a cookie, with which it may open the link again. Uses are stored in Redis as long as links live. While
//! Redis does not answer, links are not bound to a browser: payers are let in.

use std::fmt::Display;
use std::time::Duration;

use flysk_queue::RedisKeys;
use poem::Request;
use poem::http::header;

use crate::deps::Deps;

/// Name of the cookie that identifies a browser, and its lifetime in seconds.
const COOKIE_NAME: &str = "flysk_browser";
const COOKIE_TTL_S: u64 = 4 * 60 * 60;
/// Length of its value, in hexadecimal digits.
const VALUE_LEN: usize = 64;
/// Longest wait for Redis.
const REDIS_TIMEOUT: Duration = Duration::from_millis(500);

/// Claims a link for the browser of `request`; the cookie to set, or `None` if another browser has opened the link.
pub(super) async fn claim(deps: &Deps, ticket: &str, ttl_s: u64, request: &Request) -> Option<String> {
    let browser = browser_of(request)
        .unwrap_or_else(|| format!("{:032x}{:032x}", deps.clock().random_u128(), deps.clock().random_u128()));
    let keys = RedisKeys::new(deps.config.redis.prefix.clone());
    let key =
        keys.key(&format!("billing_link:{}", deps.keyring.blind_index(&format!("billing_link\n{ticket}"))));
    // What is stored identifies a browser to this link only.
    let value = deps.keyring.blind_index(&format!("billing_browser\n{browser}\n{ticket}")).to_string();
    let is_ours = match tokio::time::timeout(REDIS_TIMEOUT, store(deps, &key, &value, ttl_s)).await {
        Ok(Ok(is_ours)) => is_ours,
        Ok(Err(error)) => let_in(&error),
        Err(error) => let_in(&error),
    };
    let secure = if deps.config.http.public_url.scheme() == "https" { "; Secure" } else { "" };
    is_ours.then(|| {
        format!(
            "{COOKIE_NAME}={browser}; Path=/billing; Max-Age={COOKIE_TTL_S}; HttpOnly; SameSite=Lax{secure}"
        )
    })
}

/// Stores who opens a link; whether it is this browser's.
async fn store(deps: &Deps, key: &str, value: &str, ttl_s: u64) -> redis::RedisResult<bool> {
    let mut redis = deps.redis.clone();
    let set = redis::cmd("SET").arg(key).arg(value).arg("NX").arg("EX").arg(ttl_s).to_owned();
    let first: Option<String> = set.query_async(&mut redis).await?;
    if first.is_some() {
        return Ok(true);
    }
    let owner: Option<String> = redis::cmd("GET").arg(key).query_async(&mut redis).await?;
    Ok(owner.is_some_and(|owner| owner == value))
}

fn let_in(error: &dyn Display) -> bool {
    tracing::warn!(%error, "a billing link is not bound to a browser: no Redis");
    true
}

fn browser_of(request: &Request) -> Option<String> {
    let prefix = format!("{COOKIE_NAME}=");
    let cookies = request.header(header::COOKIE)?;
    let value = cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(&prefix))?;
    let is_ours = value.len() == VALUE_LEN && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_ours.then(|| value.to_owned())
}
