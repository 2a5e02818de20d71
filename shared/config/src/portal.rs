//! The vendors' portal.

use url::Url;

use super::{ConfigError, Env, Variable};

const URL: Variable = Variable::with_default(
    "FLYSK_PORTAL_URL",
    "http://localhost:8081",
    "URL of the portal as vendors open it, without /portal: that of the admin panel, unless the portal is served by a\n\
     process of its own. Links in invitations lead there. With https, its cookies are sent over TLS only.",
);

pub(super) const VARIABLES: &[Variable] = &[URL];

/// Address of the vendors' portal.
#[derive(Debug, Clone)]
pub struct Portal {
    /// `FLYSK_PORTAL_URL`: URL above `/portal`; ends in `/`.
    pub url: Url,
}

impl Portal {
    /// Reads the variables of the portal.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| Ok(Self { url: vars.base_url(&URL)? }))
    }
}
