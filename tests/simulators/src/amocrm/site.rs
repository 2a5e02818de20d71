//! Routing by the `Host` header to amoCRM's hosts.

use poem::endpoint::BoxEndpoint;
use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Result};

use super::Amocrm;
use super::model::Platform;
use super::problem::Problem;
use crate::lock::locked;

/// The account of the requested host.
#[derive(Debug, Clone)]
pub(crate) struct AtAccount {
    pub(crate) account_id: u64,
    pub(crate) host: String,
}

enum Site {
    /// `demo.amocrm.ru`.
    Account(AtAccount),
    /// Host of a blocked account, which returns nginx's 403 page only.
    Blocked,
    /// `www.amocrm.ru`, or a host without a name (a browser on the developer's machine).
    Www,
    /// `api-b.amocrm.ru`.
    Shared,
    /// A subdomain without an account, or a former one.
    Unknown,
}

/// Routes requests by their host.
pub(crate) struct ByHost {
    pub(crate) amo: Amocrm,
    pub(crate) account: BoxEndpoint<'static, Response>,
    pub(crate) www: BoxEndpoint<'static, Response>,
    pub(crate) shared: BoxEndpoint<'static, Response>,
}

impl ByHost {
    pub(crate) fn new(
        amo: Amocrm,
        account: impl Endpoint + 'static,
        www: impl Endpoint + 'static,
        shared: impl Endpoint + 'static,
    ) -> Self {
        Self {
            amo,
            account: account.map_to_response().boxed(),
            www: www.map_to_response().boxed(),
            shared: shared.map_to_response().boxed(),
        }
    }

    fn site(&self, host: &str) -> Site {
        let host = host
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok())
            .map_or(host, |(name, _)| name);
        if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() {
            return Site::Www;
        }
        let platform = [Platform::Amocrm, Platform::Kommo]
            .into_iter()
            .find_map(|platform| Some((platform, host.strip_suffix(platform.domain())?.strip_suffix('.')?)));
        let Some((platform, label)) = platform else { return Site::Unknown };
        if label == "www" {
            return Site::Www;
        }
        if label.starts_with("api-") {
            return Site::Shared;
        }
        let state = locked(&self.amo.inner.state);
        match state.accounts.iter().find(|known| known.subdomain == label && known.platform == platform) {
            Some(account) if account.blocked => Site::Blocked,
            Some(account) => Site::Account(AtAccount { account_id: account.id, host: host.to_owned() }),
            None => Site::Unknown,
        }
    }
}

impl Endpoint for ByHost {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let named = request.header("host").map(str::to_owned);
        // HTTP/2 carries the host in the URI.
        let host = named.or_else(|| request.uri().authority().map(ToString::to_string)).unwrap_or_default();
        match self.site(&host.to_ascii_lowercase()) {
            Site::Account(at) => {
                request.set_data(at);
                Ok(self.account.get_response(request).await)
            }
            Site::Blocked => Ok(Problem::nginx_forbidden().into_response()),
            Site::Www => Ok(self.www.get_response(request).await),
            Site::Shared => Ok(self.shared.get_response(request).await),
            Site::Unknown => Ok(Problem::api(StatusCode::NOT_FOUND, "Account not found").into_response()),
        }
    }
}
