//! amoCRM and Kommo.

use std::time::Duration;

use url::Url;

use super::{ConfigError, Env, Variable};

const HOST_SUFFIXES: Variable = Variable::with_default(
    "FLYSK_AMOCRM_HOST_SUFFIXES",
    "amocrm.ru,amocrm.com,kommo.com",
    "Domains an account's host may be one label under; nothing else is ever sent a client secret.",
);
const EGRESS_URL: Variable = Variable::optional(
    "FLYSK_AMOCRM_EGRESS_URL",
    "http://127.0.0.1:8081",
    "Where calls for https://<account host> are sent instead, the account's host kept in the Host header:\n\
     an egress proxy with a fixed address, or the simulator.",
);
const OAUTH_PAGE: Variable = Variable::optional(
    "FLYSK_AMOCRM_OAUTH_PAGE",
    "http://127.0.0.1:8081/oauth",
    "Where browsers are sent to grant access, instead of the service's own page: the simulator.",
);
const REQUESTS_PER_SECOND: Variable = Variable::with_default(
    "FLYSK_AMOCRM_REQUESTS_PER_SECOND",
    "7",
    "Calls a second per account, over all processes; amoCRM blocks integrations that go beyond 7.",
);
const TOKEN_REQUESTS_PER_SECOND: Variable = Variable::with_default(
    "FLYSK_AMOCRM_TOKEN_REQUESTS_PER_SECOND",
    "5",
    "Codes and refresh tokens exchanged a second, over all accounts and processes; amoCRM shuts out addresses that ask\n\
     too often.",
);
const TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_AMOCRM_TIMEOUT_MS",
    "20000",
    "Longest time one call may take, in milliseconds; of what the gateway passes on, the longest silence.",
);
const MAX_BODY_BYTES: Variable = Variable::with_default(
    "FLYSK_AMOCRM_MAX_BODY_BYTES",
    "134217728",
    "Largest request body the gateway passes on to amoCRM, in bytes. It is passed on as it comes and costs no memory.",
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

/// How amoCRM is called.
#[derive(Debug, Clone)]
pub struct Amocrm {
    /// `FLYSK_AMOCRM_HOST_SUFFIXES`: lower-case domains without a leading dot.
    pub host_suffixes: Vec<String>,
    /// `FLYSK_AMOCRM_EGRESS_URL`: where calls go instead of to the account's host.
    pub egress_url: Option<Url>,
    /// `FLYSK_AMOCRM_OAUTH_PAGE`: where browsers grant access, if not at the service's own page.
    pub oauth_page: Option<Url>,
    /// `FLYSK_AMOCRM_REQUESTS_PER_SECOND`: limit per account.
    pub requests_per_second: u32,
    /// `FLYSK_AMOCRM_TOKEN_REQUESTS_PER_SECOND`: limit of token requests.
    pub token_requests_per_second: u32,
    /// `FLYSK_AMOCRM_TIMEOUT_MS`: longest call.
    pub timeout: Duration,
    /// `FLYSK_AMOCRM_MAX_BODY_BYTES`: largest body passed on.
    pub max_body_bytes: u64,
}

impl Amocrm {
    /// Reads the concern.
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

/// A whole domain of two labels or more: `ru` alone would let anybody in.
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
