//! T-Bank's T-API for businesses: invoices that are paid by bank transfer, and statements.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::{ConfigError, Env, Variable};

const BASE_URL: Variable = Variable::with_default(
    "FLYSK_T_API_URL",
    "https://business.tbank.ru/openapi",
    "Base URL of T-Bank's T-API. Vendors' tokens are set with `flysk-worker vendor:t-api`; without any it is not called.",
);
const EXTRA_ROOTS: Variable = Variable::optional(
    "FLYSK_T_API_EXTRA_ROOTS",
    "/etc/flysk/russian-trusted-root-ca.pem",
    "PEM file with root certificates that are trusted for the T-API in addition to the system's.",
);
const TIMEOUT_MS: Variable =
    Variable::with_default("FLYSK_T_API_TIMEOUT_MS", "30000", "Timeout of one request, in milliseconds.");

pub(super) const VARIABLES: &[Variable] = &[BASE_URL, EXTRA_ROOTS, TIMEOUT_MS];

/// Access to the T-API; tokens belong to vendors.
#[derive(Debug, Clone)]
pub struct TApi {
    /// `FLYSK_T_API_URL`: base URL.
    pub url: Url,
    /// `FLYSK_T_API_EXTRA_ROOTS`: PEM file with additional root certificates.
    pub extra_roots: Option<PathBuf>,
    /// `FLYSK_T_API_TIMEOUT_MS`: timeout of one request.
    pub timeout: Duration,
}

impl TApi {
    /// Reads the variables of the T-API.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        env.read(|vars| {
            let url = vars.base_url(&BASE_URL);
            let extra_roots = vars.optional(&EXTRA_ROOTS, super::Reader::path);
            let timeout = vars.millis(&TIMEOUT_MS, 100..=120_000);
            Ok(Self { url: url?, extra_roots: extra_roots?, timeout: timeout? })
        })
    }
}
