//! Public addresses of an environment that runs on one machine.

use super::TBank;
use crate::lock::locked;

/// Addresses that differ from those on the network.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    /// Origin of the payment form for buyers.
    form: Option<String>,
    /// Origins whose notifications are sent elsewhere.
    routes: Vec<(String, String)>,
}

impl TBank {
    /// Names `origin` (`https://pay.example.test`) as the payment form's, instead of the simulator's own address.
    pub fn publish_form_at(&self, origin: &str) {
        locked(&self.inner.addresses).form = Some(origin.trim_end_matches('/').to_owned());
    }

    /// Sends notifications for `origin` (`https://app.example.com`) to `to` (`http://127.0.0.1:8080`).
    pub fn route(&self, origin: &str, to: &str) {
        let trim = |url: &str| url.trim_end_matches('/').to_owned();
        locked(&self.inner.addresses).routes.push((trim(origin), trim(to)));
    }

    /// Base URL of the payment form.
    pub(crate) fn form_url(&self) -> String {
        locked(&self.inner.addresses).form.clone().unwrap_or_else(|| self.inner.url.clone())
    }

    /// The address that a notification for `url` is sent to.
    pub(crate) fn notification_target(&self, url: &str) -> String {
        let addresses = locked(&self.inner.addresses);
        let routed = addresses.routes.iter().find_map(|(origin, to)| {
            let rest = url.strip_prefix(origin.as_str()).filter(|rest| rest.starts_with('/'))?;
            Some(format!("{to}{rest}"))
        });
        routed.unwrap_or_else(|| url.to_owned())
    }
}
