//! `ANY /v1/amocrm/{path}`: proxy to the amoCRM API of an account, for vendors' backends.
//!
//! A request here waits for amoCRM, because its caller needs the result (`docs/architecture.md` lists all such requests).
//! The gateway adds the account's access token, so the backend never handles it. amoCRM's status and body are returned
//! unchanged, with `X-Flysk-Answer: amocrm`. Errors of Flysk are problems, with `X-Flysk-Answer: flysk`. Bodies are streamed
//! in both directions: `docs/decisions/0016-stream-gateway-bodies.md`.

mod path;
mod rate_limit;
mod request_body;
mod webhooks;

use std::time::Duration;

use flysk_clients::amocrm::{ProxyError, ProxyRequest, ProxyResponse};
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_store::platform::installs::Install;
use flysk_store::platform::widgets::Widget;
use flysk_tokens::{AccessToken, Freshness, TokenRequester};
use poem::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use poem::web::Data;
use poem::{Body, Request, Response, RouteMethod, get, handler};

use super::access::find_access;
use super::pauth::{MIN_RENEWAL_AGE, must_have_access, vault_problem};
use crate::auth::backend_of;
use crate::cache::InstallAccess;
use crate::deps::Deps;
use crate::openapi::{Operation, Schema};
use crate::problem::{Problem, ProblemCode};
use request_body::ProxyBody;

/// Request header with the account id.
const ACCOUNT_HEADER: &str = "x-account-id";
/// Response header that distinguishes amoCRM's answers from Flysk's own.
const ANSWER_HEADER: HeaderName = HeaderName::from_static("x-flysk-answer");
/// Minimum remaining lifetime of a token, so that it does not expire during the request.
const MIN_TOKEN_LIFETIME: Duration = Duration::from_mins(1);
/// The same for a request with a streamed body, which cannot be sent again.
const MIN_STREAMED_TOKEN_LIFETIME: Duration = Duration::from_mins(15);
/// Delay before the retry after a 429 without `Retry-After`.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);
/// Longest delay that the gateway waits itself; a 429 with a longer `Retry-After` is returned to the caller.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3);

/// Request headers that are forwarded. `X-Context-User-ID` lets an administrator's token act with a user's rights.
const FORWARDED_REQUEST_HEADERS: [&str; 5] =
    ["content-type", "accept", "if-modified-since", "x-context-user-id", "accept-language"];
/// Response headers that are returned to the caller.
const FORWARDED_RESPONSE_HEADERS: [&str; 5] =
    ["content-type", "last-modified", "etag", "retry-after", "content-language"];

/// Methods of amoCRM's API, with the operation ids of the OpenAPI document.
const METHODS: [(&str, &str); 5] = [
    ("get", "getAmocrm"),
    ("post", "postAmocrm"),
    ("put", "putAmocrm"),
    ("patch", "patchAmocrm"),
    ("delete", "deleteAmocrm"),
];

/// Codes of Flysk's own errors, by status in the order of `operation.json`.
const PROBLEMS: [ProblemCode; 11] = [
    ProblemCode::BadRequest,
    ProblemCode::Unauthorized,
    ProblemCode::NotInstalled,
    ProblemCode::InstallInactive,
    ProblemCode::ReconnectRequired,
    ProblemCode::TooLarge,
    ProblemCode::TooManyRequests,
    ProblemCode::Internal,
    ProblemCode::UpstreamUnavailable,
    ProblemCode::Unavailable,
    ProblemCode::TokenRenewed,
];

/// The proxy for each of [`METHODS`].
pub(crate) fn routes() -> RouteMethod {
    get(proxy).post(proxy).put(proxy).patch(proxy).delete(proxy)
}

/// amoCRM's own error body in the OpenAPI document.
pub(crate) const SCHEMAS: [Schema; 1] =
    [Schema { name: "AmocrmError", described: include_str!("gateway/amocrm_error.json") }];

/// The gateway's operations for the OpenAPI document.
pub(crate) fn operations() -> [Operation; 5] {
    const RESPONSES: &str = "\"responses\":";
    const BODY: &str = "\"requestBody\":{\"description\":\"Body for amoCRM, forwarded unchanged.\",\"content\":\
        {\"application/json\":{\"schema\":{},\"example\":[{\"note_type\":\"common\",\"params\":{\"text\":\"Заметка\"}}]}}},";
    const ANSWER_HEADERS: &str = r#"{"X-Flysk-Answer":{"description":"Origin: `amocrm` or `flysk`.","required":false,
        "schema":{"type":"string","enum":["amocrm","flysk"]}}}"#;
    // The key lists the codes of Flysk: see `ProblemCode::marker`.
    const PROBLEM: &str = r##"{"application/problem+json":{"schema":{"anyOf":[{"$ref":"#/components/schemas/Problem"},
        {"$ref":"#/components/schemas/AmocrmError"}],"enum":CODES}},"text/html":{"schema":{"type":"string"}}}"##;
    let described = include_str!("gateway/operation.json");
    let mut described = described.replace("\"WHOSE\"", ANSWER_HEADERS);
    for status in [400, 401, 403, 413, 429, 500, 502, 503] {
        let codes: Vec<String> =
            PROBLEMS.iter().filter(|code| code.status() == status).map(|code| code.marker()).collect();
        let content = PROBLEM.replace("CODES", &serde_json::json!(codes).to_string());
        described = described.replacen("\"PROBLEM\"", &content, 1);
    }
    METHODS.map(|(method, name)| {
        let described = described.replace("METHOD", name);
        let described = match method {
            "get" => described,
            _ => described.replacen(RESPONSES, &format!("{BODY}{RESPONSES}"), 1),
        };
        Operation { path: "/v1/amocrm/api/v4/{path}", method, described }
    })
}

/// Forwards a request to amoCRM and returns its response, or a problem.
#[handler]
async fn proxy(deps: Data<&Deps>, trace: Data<&Trace>, request: &Request, body: Body) -> Response {
    match forward_request(&deps, &trace, request, body).await {
        Ok(response) => response,
        Err(problem) => {
            let mut response = problem.response();
            response.headers_mut().insert(ANSWER_HEADER, HeaderValue::from_static("flysk"));
            response
        }
    }
}

/// A request to the API of one account.
struct Call<'a> {
    deps: &'a Deps,
    trace: &'a Trace,
    install: Install,
    host: AccountHost,
    requester: TokenRequester,
}

async fn forward_request(
    deps: &Deps,
    trace: &Trace,
    request: &Request,
    body: Body,
) -> Result<Response, Problem> {
    let widget = backend_of(request).await?;
    let bad = |why: &str| Problem::new(ProblemCode::BadRequest, why);
    let account = request.header(ACCOUNT_HEADER).and_then(|text| text.parse().ok()).map(AccountId);
    let account = account.ok_or_else(|| bad("the X-Account-Id header must contain an account id"))?;
    let path_and_query = path::validate_path(request.uri().path(), request.uri().query())
        .ok_or_else(|| bad("only paths below /api/v4/ are forwarded"))?;
    let destination = webhooks::shown_destination(request.method(), &path_and_query)?;
    let forward = ProxyRequest {
        method: request.method().clone(),
        path_and_query,
        headers: pick_headers(request.headers(), &FORWARDED_REQUEST_HEADERS),
    };
    let mut call = Call::prepare(deps, trace, &widget, account, &forward).await?;
    rate_limit::ensure_not_blocked(deps, &call.install).await?;
    let amocrm = &deps.config.amocrm;
    let proxy_body = ProxyBody::read(request, body, amocrm.max_body_bytes, amocrm.timeout).await?;
    let answer = call.forward_with_retries(&forward, proxy_body).await?;
    proxy_response(deps, &call.install, answer, destination.as_deref()).await
}

impl<'a> Call<'a> {
    async fn prepare(
        deps: &'a Deps,
        trace: &'a Trace,
        widget: &Widget,
        account: AccountId,
        forward: &ProxyRequest,
    ) -> Result<Self, Problem> {
        let InstallAccess { install, host, .. } = find_access(deps, widget, account).await?;
        must_have_access(&install)?;
        let host = deps.vault.host(widget.crm, &host).map_err(vault_problem)?;
        let path = forward.path_and_query.split('?').next().unwrap_or_default();
        let requester = TokenRequester {
            name: format!("gateway:{}", widget.code),
            purpose: format!("{} {path}", forward.method),
        };
        Ok(Self { deps, trace, install, host, requester })
    }

    /// Sends the request. If the account was renamed, sends it again to the new host; if amoCRM rejects the token, sends it
    /// again with a fresh one. A consumed body cannot be sent again: the caller gets a 502 or 503 and must repeat the request.
    async fn forward_with_retries(
        &mut self,
        forward: &ProxyRequest,
        mut proxy_body: ProxyBody,
    ) -> Result<ProxyResponse, Problem> {
        let min_lifetime =
            if proxy_body.is_streamed() { MIN_STREAMED_TOKEN_LIFETIME } else { MIN_TOKEN_LIFETIME };
        let mut token = self.token(Freshness::ValidFor(min_lifetime)).await?;
        let mut answer = self.send(&token, forward, &mut proxy_body).await?;
        if may_be_renamed(&answer) && self.update_host().await? {
            drop(answer);
            if proxy_body.is_consumed() {
                let why = "the account was renamed and the request was not executed: repeat it";
                return Err(Problem::new(ProblemCode::UpstreamUnavailable, why).retry_after(1));
            }
            answer = self.send(&token, forward, &mut proxy_body).await?;
        }
        if answer.needs_fresh_token() && token.issued_at + MIN_RENEWAL_AGE <= self.deps.clock().now() {
            drop(answer);
            token = self.token(Freshness::NotGeneration(token.generation)).await?;
            self.update_host().await?;
            if proxy_body.is_consumed() {
                let why =
                    "amoCRM rejected the access token and did not execute the request; the token is renewed";
                return Err(Problem::new(ProblemCode::TokenRenewed, why).retry_after(1));
            }
            answer = self.send(&token, forward, &mut proxy_body).await?;
        }
        if answer.needs_fresh_token() && (answer.is_html() || answer.status() != StatusCode::UNAUTHORIZED) {
            let why = "amoCRM returned an HTML page instead of an API response";
            return Err(Problem::new(ProblemCode::UpstreamUnavailable, why));
        }
        Ok(answer)
    }

    /// Checks whether the account was renamed. If so, the call uses the new host from now on.
    async fn update_host(&mut self) -> Result<bool, Problem> {
        let moved = self.deps.vault.renamed_from(self.install.id, &self.host).await.map_err(vault_problem)?;
        Ok(moved.map(|host| self.host = host).is_some())
    }

    async fn token(&self, freshness: Freshness) -> Result<AccessToken, Problem> {
        self.deps
            .vault
            .access_token(self.install.id, freshness, &self.requester, self.trace)
            .await
            .map_err(vault_problem)
    }

    /// Sends the request, and once more after a 429 if the body allows it: amoCRM does not execute a request that gets a 429.
    async fn send(
        &self,
        token: &AccessToken,
        forward: &ProxyRequest,
        proxy_body: &mut ProxyBody,
    ) -> Result<ProxyResponse, Problem> {
        let answer = self.send_once(token, forward, proxy_body).await?;
        if answer.status() != StatusCode::TOO_MANY_REQUESTS || proxy_body.is_consumed() {
            return Ok(answer);
        }
        let asked =
            answer.retry_after().and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let pause = asked.unwrap_or(DEFAULT_RETRY_AFTER);
        if pause > MAX_RETRY_AFTER {
            return Ok(answer);
        }
        drop(answer);
        tokio::time::sleep(pause).await;
        self.send_once(token, forward, proxy_body).await
    }

    async fn send_once(
        &self,
        token: &AccessToken,
        forward: &ProxyRequest,
        proxy_body: &mut ProxyBody,
    ) -> Result<ProxyResponse, Problem> {
        rate_limit::acquire(self.deps, &self.install, self.trace).await?;
        let payload = proxy_body.payload();
        let sent = self.deps.amocrm.forward(&self.host, &token.secret, forward, payload).await;
        sent.map_err(|error| proxy_body.problem().unwrap_or_else(|| upstream_error(&error)))
    }
}

/// The account may have been renamed. amoCRM's own library checks the host after 401 and 404; a former host may also
/// redirect.
fn may_be_renamed(answer: &ProxyResponse) -> bool {
    answer.needs_fresh_token() || answer.status() == StatusCode::NOT_FOUND
}

fn upstream_error(error: &ProxyError) -> Problem {
    tracing::warn!(%error, "no response from amoCRM");
    let detail = if error.may_have_arrived() {
        "amoCRM did not answer; the request may have been executed"
    } else {
        "amoCRM cannot be reached; the request was not executed"
    };
    Problem::new(ProblemCode::UpstreamUnavailable, detail)
}

/// Converts amoCRM's response. A block is stored in Redis, so that all processes stop calling the account for the install.
///
/// Of a list of webhooks only that of `destination` is returned.
async fn proxy_response(
    deps: &Deps,
    install: &Install,
    answer: ProxyResponse,
    destination: Option<&str>,
) -> Result<Response, Problem> {
    if answer.is_block() {
        tracing::error!(alert = "amocrm_block", account.id = %install.account_id, install.id = %install.id, "amoCRM blocks this address");
        rate_limit::block(deps, install).await;
        return Err(rate_limit::blocked_problem());
    }
    let mut headers = pick_headers(answer.headers(), &FORWARDED_RESPONSE_HEADERS);
    headers.insert(ANSWER_HEADER, HeaderValue::from_static("amocrm"));
    if answer.status() == StatusCode::TOO_MANY_REQUESTS && answer.retry_after().is_none() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    let mut response = Response::builder().status(answer.status()).finish();
    if let Some(id) = answer.headers().get("x-request-id") {
        response.headers_mut().insert("x-amocrm-request-id", id.clone());
    }
    response.headers_mut().extend(headers);
    response.set_body(match destination.filter(|_| answer.status().is_success()) {
        Some(destination) => Body::from(webhooks::only(answer, destination).await?),
        None => Body::from_bytes_stream(answer.into_stream()),
    });
    Ok(response)
}

fn pick_headers(headers: &HeaderMap, names: &[&'static str]) -> HeaderMap {
    let pick = |name: &'static str| Some((HeaderName::from_static(name), headers.get(name)?.clone()));
    names.iter().filter_map(|name| pick(name)).collect()
}
