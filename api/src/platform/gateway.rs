//! `ANY /v1/amocrm/{path}`: a vendor's backend calls the amoCRM API of an account through us.
//!
//! The one place besides PAuth where a request waits for amoCRM, because its caller needs the answer. The
//! account's token is added here and never seen by the backend; amoCRM's status and body are passed on as
//! they are, marked `X-Flysk-Answer: amocrm`, and what we have to say ourselves is a problem as everywhere,
//! marked `X-Flysk-Answer: flysk`. Bodies pass as they come, in both directions: `docs/decisions/0016-bodies-pass-the-gateway.md`.

mod line;
mod path;
mod upload;

use std::time::Duration;

use flysk_clients::amocrm::{Forward, ForwardError, Forwarded};
use flysk_domain::id::AccountId;
use flysk_domain::platform::host::AccountHost;
use flysk_domain::trace::Trace;
use flysk_store::platform::installs::Install;
use flysk_store::platform::widgets::Widget;
use flysk_vault::{Held, Need, Reader};
use poem::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use poem::web::Data;
use poem::{Body, Request, Response, RouteMethod, get, handler};

use super::access::access_to;
use super::pauth::{must_have_access, vault_problem};
use crate::auth::backend_of;
use crate::deps::Deps;
use crate::document::Operation;
use crate::known::Access;
use crate::problem::{Problem, ProblemCode};
use upload::Upload;

/// Names the account a request is about.
const ACCOUNT: &str = "x-account-id";
/// Tells amoCRM's answers from ours.
const ANSWER: HeaderName = HeaderName::from_static("x-flysk-answer");
/// A token that dies while its request is under way is no use.
const AT_LEAST: Duration = Duration::from_mins(1);
/// The same for a body that takes its time and cannot be sent again.
const AT_LEAST_FOR_LONG: Duration = Duration::from_mins(15);
/// A token younger than this is not renewed again: that amoCRM refuses it has another cause.
const FRESH: chrono::TimeDelta = chrono::TimeDelta::minutes(10);
/// After a 429 that names no time.
const PAUSE: Duration = Duration::from_secs(1);
/// Longer than this the caller waits itself.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Request headers that go along. `X-Context-User-ID` lets an administrator's token act with a user's rights.
const SENT_ON: [&str; 5] =
    ["content-type", "accept", "if-modified-since", "x-context-user-id", "accept-language"];
/// Response headers that come back.
const GIVEN_BACK: [&str; 5] = ["content-type", "last-modified", "etag", "retry-after", "content-language"];

/// The methods amoCRM's API has, with the names of their operations.
const METHODS: [(&str, &str); 5] = [
    ("get", "getAmocrm"),
    ("post", "postAmocrm"),
    ("put", "putAmocrm"),
    ("patch", "patchAmocrm"),
    ("delete", "deleteAmocrm"),
];

/// Each of [`METHODS`].
pub(crate) fn routes() -> RouteMethod {
    get(pass).post(pass).put(pass).patch(pass).delete(pass)
}

/// What the document says of them.
pub(crate) fn operations() -> [Operation; 5] {
    const RESPONSES: &str = "\"responses\":";
    const BODY: &str = "\"requestBody\":{\"content\":{\"application/json\":{\"schema\":{}}}},";
    const WHOSE: &str = r#"{"X-Flysk-Answer":{"description":"Whose answer it is: `amocrm` or `flysk`.","required":false,
        "schema":{"type":"string","enum":["amocrm","flysk"]}}}"#;
    const PROBLEM: &str = r##"{"application/problem+json":{"schema":{"anyOf":[{"$ref":"#/components/schemas/Problem"},
        {"type":"object","description":"amoCRM's own."}]}},"*/*":{"schema":{}}}"##;
    let described = include_str!("gateway/operation.json");
    let described = described.replace("\"WHOSE\"", WHOSE).replace("\"PROBLEM\"", PROBLEM);
    METHODS.map(|(method, name)| {
        let described = described.replace("METHOD", name);
        let described = match method {
            "get" => described,
            _ => described.replacen(RESPONSES, &format!("{BODY}{RESPONSES}"), 1),
        };
        Operation { path: "/v1/amocrm/api/v4/{path}", method, described }
    })
}

/// Passes a request through, or says why not.
#[handler]
async fn pass(deps: Data<&Deps>, trace: Data<&Trace>, request: &Request, body: Body) -> Response {
    match answer(&deps, &trace, request, body).await {
        Ok(response) => response,
        Err(problem) => {
            let mut response = problem.response();
            response.headers_mut().insert(ANSWER, HeaderValue::from_static("flysk"));
            if let Some(seconds) = problem.retry_after_s {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    }
}

/// Whose API is called, and as whom.
struct Call<'a> {
    deps: &'a Deps,
    trace: &'a Trace,
    install: Install,
    host: AccountHost,
    reader: Reader,
}

async fn answer(deps: &Deps, trace: &Trace, request: &Request, body: Body) -> Result<Response, Problem> {
    let widget = backend_of(request).await?;
    let bad = |why: &str| Problem::new(ProblemCode::BadRequest, why);
    let account = request.header(ACCOUNT).and_then(|text| text.parse().ok()).map(AccountId);
    let account = account.ok_or_else(|| bad("say which account: X-Account-Id"))?;
    let path_and_query = path::checked(request.uri().path(), request.uri().query())
        .ok_or_else(|| bad("only paths below /api/v4/ are passed on"))?;
    let forward = Forward {
        method: request.method().clone(),
        path_and_query,
        headers: chosen(request.headers(), &SENT_ON),
    };
    let mut call = Call::of(deps, trace, &widget, account, &forward).await?;
    line::is_open(deps, account).await?;
    let amocrm = &deps.config.amocrm;
    let upload = Upload::begin(request, body, amocrm.max_body_bytes, amocrm.timeout).await?;
    given_back(deps, account, call.through(&forward, upload).await?).await
}

impl<'a> Call<'a> {
    async fn of(
        deps: &'a Deps,
        trace: &'a Trace,
        widget: &Widget,
        account: AccountId,
        forward: &Forward,
    ) -> Result<Self, Problem> {
        let Access { install, host, .. } = access_to(deps, widget, account).await?;
        must_have_access(&install)?;
        let host = deps.vault.host(widget.crm, &host).map_err(vault_problem)?;
        let path = forward.path_and_query.split('?').next().unwrap_or_default();
        let reader =
            Reader { who: format!("gateway:{}", widget.code), purpose: format!("{} {path}", forward.method) };
        Ok(Self { deps, trace, install, host, reader })
    }

    /// Sends; if the account lives elsewhere by now, once more there; if amoCRM does not take the token, once more with a
    /// fresh one. A body that has passed by cannot be sent again: its caller is told to do it, and finds the fresh token.
    async fn through(&mut self, forward: &Forward, mut upload: Upload) -> Result<Forwarded, Problem> {
        let at_least = if upload.takes_long() { AT_LEAST_FOR_LONG } else { AT_LEAST };
        let mut held = self.token(Need::AliveFor(at_least)).await?;
        let mut answer = self.send(&held, forward, &mut upload).await?;
        if may_have_moved(&answer) && self.has_moved().await? {
            drop(answer);
            if upload.is_gone() {
                let why = "the account was renamed, so nothing was carried out: send it again";
                return Err(Problem::new(ProblemCode::UpstreamUnavailable, why).retry_after(1));
            }
            answer = self.send(&held, forward, &mut upload).await?;
        }
        if answer.needs_fresh_token() && held.given_at + FRESH <= self.deps.clock().now() {
            drop(answer);
            held = self.token(Need::OtherThan(held.pair)).await?;
            self.has_moved().await?;
            if upload.is_gone() {
                let why =
                    "amoCRM did not take the access token, so nothing was carried out; it has been renewed";
                return Err(Problem::new(ProblemCode::TokenRenewed, why).retry_after(1));
            }
            answer = self.send(&held, forward, &mut upload).await?;
        }
        if answer.needs_fresh_token() && (answer.is_page() || answer.status() != StatusCode::UNAUTHORIZED) {
            let why = "amoCRM answers with a page instead of the API";
            return Err(Problem::new(ProblemCode::UpstreamUnavailable, why));
        }
        Ok(answer)
    }

    /// Whether the account lives elsewhere by now, where it is called from then on.
    async fn has_moved(&mut self) -> Result<bool, Problem> {
        let moved = self.deps.vault.moved_from(self.install.id, &self.host).await.map_err(vault_problem)?;
        Ok(moved.map(|host| self.host = host).is_some())
    }

    async fn token(&self, need: Need) -> Result<Held, Problem> {
        self.deps.vault.access(self.install.id, need, &self.reader, self.trace).await.map_err(vault_problem)
    }

    /// Sends. If amoCRM counts differently and says 429, nothing was carried out: it is sent once more, if it can be.
    async fn send(&self, held: &Held, forward: &Forward, upload: &mut Upload) -> Result<Forwarded, Problem> {
        let answer = self.send_once(held, forward, upload).await?;
        if answer.status() != StatusCode::TOO_MANY_REQUESTS || upload.is_gone() {
            return Ok(answer);
        }
        let asked =
            answer.retry_after().and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        let pause = asked.unwrap_or(PAUSE);
        if pause > LONGEST_PAUSE {
            return Ok(answer);
        }
        drop(answer);
        tokio::time::sleep(pause).await;
        self.send_once(held, forward, upload).await
    }

    async fn send_once(
        &self,
        held: &Held,
        forward: &Forward,
        upload: &mut Upload,
    ) -> Result<Forwarded, Problem> {
        line::stand(self.deps, &self.install, self.trace).await?;
        let payload = upload.payload();
        let sent = self.deps.amocrm.forward(&self.host, &held.access_token, forward, payload).await;
        sent.map_err(|error| upload.problem().unwrap_or_else(|| unanswered(&error)))
    }
}

/// amoCRM's own library takes 401 and 404 for a possible change of the host, and a former one may lead elsewhere.
fn may_have_moved(answer: &Forwarded) -> bool {
    answer.needs_fresh_token() || answer.status() == StatusCode::NOT_FOUND
}

fn unanswered(error: &ForwardError) -> Problem {
    tracing::warn!(%error, "amoCRM gave no answer");
    let detail = if error.may_have_arrived() {
        "amoCRM did not answer; the request may have been carried out"
    } else {
        "amoCRM cannot be reached; the request was not carried out"
    };
    Problem::new(ProblemCode::UpstreamUnavailable, detail)
}

/// amoCRM's answer as it is; blocks and limits are remembered for all processes.
async fn given_back(deps: &Deps, account: AccountId, answer: Forwarded) -> Result<Response, Problem> {
    if answer.is_block() {
        tracing::error!(alert = "amocrm_block", account.id = %account, "amoCRM shuts our address out");
        line::close(deps, account).await;
        return Err(line::blocked());
    }
    let mut headers = chosen(answer.headers(), &GIVEN_BACK);
    headers.insert(ANSWER, HeaderValue::from_static("amocrm"));
    if answer.status() == StatusCode::TOO_MANY_REQUESTS && answer.retry_after().is_none() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    let mut response = Response::builder().status(answer.status()).finish();
    if let Some(id) = answer.headers().get("x-request-id") {
        response.headers_mut().insert("x-amocrm-request-id", id.clone());
    }
    response.headers_mut().extend(headers);
    response.set_body(Body::from_bytes_stream(answer.into_stream()));
    Ok(response)
}

fn chosen(headers: &HeaderMap, names: &[&'static str]) -> HeaderMap {
    let pick = |name: &'static str| Some((HeaderName::from_static(name), headers.get(name)?.clone()));
    names.iter().filter_map(|name| pick(name)).collect()
}
