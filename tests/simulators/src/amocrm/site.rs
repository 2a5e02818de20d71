//! Which of amoCRM's many hosts a request is for, by its `Host` header.

use poem::endpoint::BoxEndpoint;
use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response, Result};

use super::Amocrm;
use super::model::Platform;
use super::problem::Problem;
use crate::control::locked;

/// The account whose host was called.
#[derive(Debug, Clone)]
pub(crate) struct AtAccount {
    pub(crate) account_id: u64,
    pub(crate) host: String,
}

enum Site {
    /// `demo.amocrm.ru`.
    Account(AtAccount),
    /// An account host that answers nothing but nginx's 403 page.
    Blocked,
    /// `www.amocrm.ru`, or an address without a name (a browser on the developer's machine).
    Www,
    /// `api-b.amocrm.ru`.
    Shared,
    /// Nobody's subdomain, perhaps no longer.
    Unknown,
}

/// Sends requests to the routes of the site that their host names.
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
        let world = locked(&self.amo.inner.world);
        match world.accounts.iter().find(|known| known.subdomain == label && known.platform == platform) {
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
