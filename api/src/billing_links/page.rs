//! Links that open a hosted page for a user of an install.

use chrono::TimeDelta;
use flysk_domain::id::{InstallId, UserId};
use serde::{Deserialize, Serialize};

use super::sealing::{internal, open, seal};
use crate::deps::Deps;
use crate::problem::Problem;

/// Lifetime of a link, in seconds. Each handshake issues a new one.
pub(crate) const LINK_TTL_S: u64 = 60 * 60;
const LINK_TTL: TimeDelta = TimeDelta::seconds(LINK_TTL_S.cast_signed());

/// A hosted page. A link and a cookie of one page are not valid for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostedPage {
    /// Buying Flycoins, for administrators.
    Flycoins,
    /// The subscription of the account: everybody sees its state, administrators buy and change it.
    Subscription,
}

impl HostedPage {
    /// Path of the page, without a slash at the beginning.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Flycoins => "billing/flycoins",
            Self::Subscription => "billing/subscription",
        }
    }

    const fn link_aad(self) -> &'static str {
        match self {
            Self::Flycoins => "billing_link",
            Self::Subscription => "billing_link:subscription",
        }
    }
}

/// Content of a link.
#[derive(Serialize, Deserialize)]
pub(crate) struct SignedLink {
    pub(crate) install: InstallId,
    pub(crate) user: UserId,
    /// Whether the user was an administrator of the account at the handshake that issued the link.
    #[serde(default)]
    pub(crate) admin: bool,
    /// End, in Unix seconds.
    until: i64,
}

impl SignedLink {
    /// The content of a link to `page`; `None` if it is not one, or has ended.
    pub(crate) fn open(deps: &Deps, page: HostedPage, ticket: &str) -> Option<Self> {
        let link: Self = open(deps, ticket, page.link_aad())?;
        (link.until > deps.clock().now().timestamp()).then_some(link)
    }
}

/// The signed URL of a page for a user of an install.
pub(crate) fn signed_link(
    deps: &Deps,
    page: HostedPage,
    install: InstallId,
    (user, admin): (UserId, bool),
) -> Result<String, Problem> {
    let until = (deps.clock().now() + LINK_TTL).timestamp();
    let sealed = seal(deps, &SignedLink { install, user, admin, until }, page.link_aad())?;
    let mut url = deps.config.http.public_url.join(page.path()).map_err(|error| internal(&error))?;
    url.query_pairs_mut().append_pair("ticket", &sealed);
    Ok(url.into())
}
