//! Client of Flysk's public API, as a vendor's backend would use it.
//!
//! FlySense uses it without privileges, so it is also an example for vendors.

mod error;
mod flycoins;
mod requests;
mod responses;
mod send;

use flysk_domain::id::AccountId;
use flysk_domain::trace::Trace;
use reqwest::{Client, Method};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::json;
use url::Url;

use crate::http::{self, BuildError, HttpOptions};

pub use error::{FlycoinRefusal, FlyskApiError, Problem};
pub use requests::{
    Caller, CaptureRequest, ChargeRequest, EstimateRequest, HoldRequest, HoldSize, IdempotencyKey,
    InvalidKey, Line, RefundRequest, RefundSize,
};
pub use responses::{
    Balance, Captured, Charged, Estimate, HoldState, HoldStatus, InstallStatus, PauthAccess, PlacedHold,
    Quote, Refunded, Released, SwitchedInstall,
};

use requests::{PauthBody, RefusalBody};
use responses::InstallPage;

/// The platform's URL and the widget's credential.
#[derive(Debug, Clone)]
pub struct Config {
    /// The platform's base URL; its path is the prefix of request paths.
    pub base_url: Url,
    /// The widget's project token.
    pub project_token: SecretString,
    /// HTTP options. Allow for a token refresh by the platform, which takes up to 15 s.
    pub http: HttpOptions,
}

/// A client; clones share connections.
#[derive(Debug, Clone)]
pub struct FlyskApi {
    client: Client,
    base_url: String,
    project_token: SecretString,
}

impl FlyskApi {
    /// Builds the client; sends nothing.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        Ok(Self {
            client: http::client(&config.http)?,
            base_url: config.base_url.as_str().trim_end_matches('/').to_owned(),
            project_token: config.project_token,
        })
    }

    /// Identifies the caller and returns a valid access token and the install's status and settings. `trace` links the
    /// platform's log lines to the caller's.
    pub async fn pauth(&self, caller: &Caller, trace: Option<&Trace>) -> Result<PauthAccess, FlyskApiError> {
        let request = self.request(Method::POST, "/v1/pauth", trace);
        self.send(request.json(&PauthBody::from(caller))).await
    }

    /// The same after amoCRM answered 401 to the access token of an earlier answer. If the platform still has that token, it
    /// renews it first, unless it was issued within ten minutes.
    pub async fn pauth_after_refusal(
        &self,
        caller: &Caller,
        refused: &SecretString,
        trace: Option<&Trace>,
    ) -> Result<PauthAccess, FlyskApiError> {
        let request = self.request(Method::POST, "/v1/pauth", trace);
        self.send(request.json(&RefusalBody::new(caller, refused))).await
    }

    /// Status of the widget's install in an account, whatever it is.
    pub async fn install_status(
        &self,
        account: AccountId,
        trace: Option<&Trace>,
    ) -> Result<InstallStatus, FlyskApiError> {
        let path = format!("/v1/backend/installs?account_id={account}");
        let page: InstallPage = self.send(self.request(Method::GET, &path, trace)).await?;
        Ok(page.items.into_iter().next().map_or(InstallStatus::Uninstalled, |install| install.status))
    }

    /// Reads from amoCRM's API through the gateway. Unlike [`Self::pauth`], it works while the widget is switched off in the
    /// account. `path` is a path of amoCRM with its query, without a leading slash.
    pub async fn read_amocrm<T: DeserializeOwned>(
        &self,
        account: AccountId,
        path: &str,
        trace: Option<&Trace>,
    ) -> Result<T, FlyskApiError> {
        let request = self.request(Method::GET, &format!("/v1/amocrm/{path}"), trace);
        self.send(request.header("x-account-id", account.to_string())).await
    }

    /// Switches the widget on or off in an account. Safe to repeat.
    pub async fn switch(
        &self,
        account: AccountId,
        on: bool,
        trace: Option<&Trace>,
    ) -> Result<SwitchedInstall, FlyskApiError> {
        let body = json!({ "account_id": account, "on": on });
        self.send(self.request(Method::PUT, "/v1/backend/switch", trace).json(&body)).await
    }
}
