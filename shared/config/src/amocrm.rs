//! amoCRM and Kommo.

use std::time::Duration;

use url::Url;

use super::{ConfigError, Env, Variable};

const HOST_SUFFIXES: Variable = Variable::with_default(
    "FLYSK_AMOCRM_HOST_SUFFIXES",
    "amocrm.ru,amocrm.com,kommo.com",
    "Parent domains of account hosts: a host is one label below one of them. Client secrets are sent to no other host.",
);
const EGRESS_URL: Variable = Variable::optional(
    "FLYSK_AMOCRM_EGRESS_URL",
    "http://127.0.0.1:8090",
    "Base URL that receives all amoCRM requests instead of https://<account host>, with the account's host in the Host\n\
     header: an egress proxy with a fixed IP address, or the simulator.",
);
const OAUTH_PAGE: Variable = Variable::optional(
    "FLYSK_AMOCRM_OAUTH_PAGE",
    "http://127.0.0.1:8090/oauth",
    "URL of the page where users grant access, instead of amoCRM's own page: the simulator.",
);
const REQUESTS_PER_SECOND: Variable = Variable::with_default(
    "FLYSK_AMOCRM_REQUESTS_PER_SECOND",
    "7",
    "Rate limit of API requests per second and account, across all processes; amoCRM blocks integrations above 7/s.",
);
const TOKEN_REQUESTS_PER_SECOND: Variable = Variable::with_default(
    "FLYSK_AMOCRM_TOKEN_REQUESTS_PER_SECOND",
    "5",
    "Rate limit of token requests (codes and refresh tokens) per second, across all accounts and processes; amoCRM\n\
     blocks IP addresses that send too many.",
);
const TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_AMOCRM_TIMEOUT_MS",
    "20000",
    "Timeout of one API request, in milliseconds. In the gateway: the longest time without progress.",
);
const MAX_BODY_BYTES: Variable = Variable::with_default(
    "FLYSK_AMOCRM_MAX_BODY_BYTES",
    "134217728",
    "Maximum request body that the gateway forwards to amoCRM, in bytes. Bodies are streamed and not kept in memory.",
);

pub(super) const VARIABLES: &[Variable] = &[
    HOST_SUFFIXES,
    EGRESS_URL,
    OAUTH_PAGE,
    REQUESTS_PER_SECOND,
    TOKEN_REQUESTS_PER_SECOND,
    TIMEOUT_MS,
    MAX_BODY_BYTES,
];

/// Access to amoCRM's API.
#[derive(Debug, Clone)]
pub struct Amocrm {
    /// `FLYSK_AMOCRM_HOST_SUFFIXES`: parent domains of account hosts, lower-case, without a leading dot.
    pub host_suffixes: Vec<String>,
    /// `FLYSK_AMOCRM_EGRESS_URL`: base URL that receives requests instead of the account's host.
    pub egress_url: Option<Url>,
    /// `FLYSK_AMOCRM_OAUTH_PAGE`: page where users grant access; `None` for amoCRM's own page.
    pub oauth_page: Option<Url>,
    /// `FLYSK_AMOCRM_REQUESTS_PER_SECOND`: rate limit of API requests per account.
    pub requests_per_second: u32,
    /// `FLYSK_AMOCRM_TOKEN_REQUESTS_PER_SECOND`: rate limit of token requests, all accounts together.
    pub token_requests_per_second: u32,
    /// `FLYSK_AMOCRM_TIMEOUT_MS`: timeout of one API request.
    pub timeout: Duration,
    /// `FLYSK_AMOCRM_MAX_BODY_BYTES`: maximum request body of the gateway.
    pub max_body_bytes: u64,
}

impl Amocrm {
    /// Reads the variables of amoCRM.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let host_suffixes = vars.list(&HOST_SUFFIXES, parse_suffix);
            let egress_url = vars.optional(&EGRESS_URL, super::Reader::base_url);
            let oauth_page = vars.optional(&OAUTH_PAGE, super::Reader::base_url);
            let requests_per_second = vars.number(&REQUESTS_PER_SECOND, 1..=1_000);
            let token_requests_per_second = vars.number(&TOKEN_REQUESTS_PER_SECOND, 1..=1_000_000);
            let timeout = vars.millis(&TIMEOUT_MS, 100..=120_000);
            let max_body_bytes = vars.number(&MAX_BODY_BYTES, 1_024..=4 << 30);
            Ok(Self {
                host_suffixes: host_suffixes?,
                egress_url: egress_url?,
                oauth_page: oauth_page?,
                requests_per_second: requests_per_second?,
                token_requests_per_second: token_requests_per_second?,
                timeout: timeout?,
                max_body_bytes: max_body_bytes?,
            })
        })
    }
}

/// Accepts domains of two labels or more: `ru` alone would match almost any host.
fn parse_suffix(text: &str) -> Result<String, String> {
    let text = text.trim_start_matches('.').to_ascii_lowercase();
    let label = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if text.contains('.') && text.split('.').all(label) {
        Ok(text)
    } else {
        Err("domains such as amocrm.ru, separated by commas".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::parse_suffix;

    #[test]
    fn a_suffix_is_a_whole_domain() {
        assert_eq!(parse_suffix(".AmoCRM.ru").as_deref(), Ok("amocrm.ru"));
        for text in ["ru", "", "amocrm..ru", "amocrm.ru/path", "*.amocrm.ru", "amocrm.ru:443"] {
            assert!(parse_suffix(text).is_err(), "{text}");
        }
    }
}
