//! The admin panel.

use std::net::SocketAddr;

use url::Url;

use super::{ConfigError, Env, Variable};

const LISTEN: Variable = Variable::with_default(
    "FLYSK_ADMIN_LISTEN",
    "127.0.0.1:8081",
    "IP address and port of the admin panel's listener; 0.0.0.0:8081 in a container.",
);
const URL: Variable = Variable::with_default(
    "FLYSK_ADMIN_URL",
    "http://localhost:8081",
    "URL of the admin panel as operators open it. With https, its cookies are sent over TLS only.\n\
     Passkeys belong to its host name; with an IP address there are none.",
);
const READ_ONLY: Variable = Variable::with_default(
    "FLYSK_ADMIN_READ_ONLY",
    "false",
    "`true` during an incident: the panel shows everything and changes nothing.",
);

pub(super) const VARIABLES: &[Variable] = &[LISTEN, URL, READ_ONLY];

/// Listener, URL and mode of the admin panel.
#[derive(Debug, Clone)]
pub struct Admin {
    /// `FLYSK_ADMIN_LISTEN`: IP address and port of the listener.
    pub listen: SocketAddr,
    /// `FLYSK_ADMIN_URL`: URL of the panel; ends in `/`.
    pub url: Url,
    /// `FLYSK_ADMIN_READ_ONLY`: whether the panel refuses all changes.
    pub read_only: bool,
}

impl Admin {
    /// Reads the variables of the admin panel.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let listen = vars.socket(&LISTEN);
            let url = vars.base_url(&URL);
            let read_only = vars
                .parsed(&READ_ONLY, |text| text.parse::<bool>().map_err(|_| "`true` or `false`".to_owned()));
            Ok(Self { listen: listen?, url: url?, read_only: read_only? })
        })
    }
}
