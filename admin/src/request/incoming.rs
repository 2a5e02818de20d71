//! A request as pages see it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use flysk_config::Proxies;
use flysk_domain::trace::Trace;
use flysk_domain::{Randomness as _, SystemRandomness};
use poem::Request;
use poem::http::{Method, header};

use super::Pairs;
use super::form::query_string;
use crate::fault::Fault;

/// Maximum size of a form, in bytes: settings of 64 KiB, escaped, and their context.
const MAX_FORM_BYTES: usize = 512 * 1024;
/// Time in which a form must arrive: while it does not, it holds a connection.
const FORM_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum length of a stored user agent, in characters.
const MAX_USER_AGENT_LEN: usize = 200;

/// A request with its form.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Pairs,
    /// Form; empty for GET.
    pub(crate) form: Pairs,
    /// Correlation id, also of the jobs of an act.
    pub(crate) trace: Trace,
    /// Address of the client.
    pub(crate) address: String,
    /// Browser, as it names itself.
    pub(crate) user_agent: String,
    /// Range of bytes that is asked for.
    pub(crate) range: Option<String>,
    /// When the request arrived.
    pub(crate) began: Instant,
    id: Option<String>,
    host: Option<String>,
    origin: Option<String>,
    fetch_site: Option<String>,
    cookies: String,
}

impl Incoming {
    /// Reads a request with its form.
    ///
    /// # Errors
    ///
    /// The form is too large, or did not arrive in time.
    pub(crate) async fn read(mut request: Request, proxies: &Proxies) -> Result<Self, Fault> {
        let began = Instant::now();
        let form = if request.method() == Method::GET {
            Pairs::default()
        } else {
            let read = request.take_body().into_bytes_limit(MAX_FORM_BYTES);
            let body = tokio::time::timeout(FORM_TIMEOUT, read)
                .await
                .map_err(|_| Fault::refused("Форма пришла не полностью. Отправьте её ещё раз."))?;
            Pairs::parse(&body.map_err(|_| Fault::TooLarge)?)
        };
        let text = |name: header::HeaderName| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let named = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let user_agent = text(header::USER_AGENT).unwrap_or_default();
        Ok(Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: Pairs::parse(request.uri().query().unwrap_or_default().as_bytes()),
            form,
            trace: fresh_trace(),
            address: client_address(&request, proxies),
            user_agent: user_agent.chars().take(MAX_USER_AGENT_LEN).collect(),
            range: text(header::RANGE),
            began,
            id: request.raw_path_param("id").map(str::to_owned),
            host: text(header::HOST),
            origin: text(header::ORIGIN),
            fetch_site: named("sec-fetch-site").map(str::to_owned),
            cookies: text(header::COOKIE).unwrap_or_default(),
        })
    }

    /// The path parameter `:id`.
    ///
    /// # Errors
    ///
    /// Not found, if it is not a valid id of this kind.
    pub(crate) fn id<T: std::str::FromStr>(&self) -> Result<T, Fault> {
        parse_param(self.id.as_deref())
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.cookies.split(';').filter_map(|cookie| cookie.trim().split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Whether the request was sent by a page of this panel.
    ///
    /// Browsers set `Sec-Fetch-Site` on https and on localhost; elsewhere the origin must be our host. A request with neither
    /// is no form of a page.
    pub(crate) fn is_same_origin(&self) -> bool {
        if let Some(site) = &self.fetch_site {
            return site == "same-origin";
        }
        let origin = self.origin.as_deref().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, host)| self.host.as_deref() == Some(host))
    }

    /// Path and query, to return to after signing in.
    pub(crate) fn target(&self) -> String {
        format!("{}{}", self.path, query_string(&self.query.without(&[])))
    }
}

fn parse_param<T: std::str::FromStr>(text: Option<&str>) -> Result<T, Fault> {
    text.and_then(|text| text.parse().ok()).ok_or(Fault::NotFound)
}

fn fresh_trace() -> Trace {
    Trace { correlation_id: format!("admin-{:032x}", SystemRandomness.random_u128()), traceparent: None }
}

/// The address of the client behind trusted proxies.
fn client_address(request: &Request, proxies: &Proxies) -> String {
    let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
    let forwarded = request.headers().get_all("X-Forwarded-For");
    let forwarded: Vec<&str> = forwarded.iter().map(|value| value.to_str().unwrap_or("?")).collect();
    proxies.client_ip(peer, &forwarded).as_ref().map_or_else(|| "unknown".to_owned(), IpAddr::to_string)
}
