//! T-Bank's internet acquiring: buying Flycoins and paying for subscriptions.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::{ConfigError, Env, Variable};

/// Systems of taxation and rates of VAT as the bank's receipts name them.
const TAXATIONS: [&str; 5] = ["osn", "usn_income", "usn_income_outcome", "esn", "patent"];
const VATS: [&str; 10] =
    ["none", "vat0", "vat5", "vat7", "vat10", "vat22", "vat105", "vat107", "vat110", "vat122"];

const BASE_URL: Variable = Variable::with_default(
    "FLYSK_TBANK_URL",
    "https://securepay.tinkoff.ru/v2",
    "Where payments are opened and asked about; method names are put after it.",
);
const TERMINAL_KEY: Variable = Variable::optional(
    "FLYSK_TBANK_TERMINAL_KEY",
    "TinkoffBankTest",
    "Terminal key, case sensitive. Without key and password nothing can be bought.",
);
const PASSWORD: Variable = Variable::optional(
    "FLYSK_TBANK_PASSWORD",
    "TinkoffBankTest",
    "The terminal's password: signs requests and notices, is never sent. Needed when the key is set.",
)
.secret();
const EXTRA_ROOTS: Variable = Variable::optional(
    "FLYSK_TBANK_EXTRA_ROOTS",
    "/etc/flysk/russian-trusted-root-ca.pem",
    "PEM file of root certificates trusted for the bank besides the system's.",
);
const TIMEOUT_MS: Variable = Variable::with_default(
    "FLYSK_TBANK_TIMEOUT_MS",
    "30000",
    "Longest time one call may take, in milliseconds.",
);
const TAXATION: Variable = Variable::with_default(
    "FLYSK_TBANK_TAXATION",
    "usn_income",
    "Taxation on receipts: osn, usn_income, usn_income_outcome, esn or patent.",
);
const VAT: Variable = Variable::with_default(
    "FLYSK_TBANK_VAT",
    "none",
    "VAT on receipts: none, vat0, vat5, vat7, vat10, vat22, vat105, vat107, vat110 or vat122.",
);

pub(super) const VARIABLES: &[Variable] =
    &[BASE_URL, TERMINAL_KEY, PASSWORD, EXTRA_ROOTS, TIMEOUT_MS, TAXATION, VAT];

/// How the bank is called.
#[derive(Debug, Clone)]
pub struct TBank {
    /// `FLYSK_TBANK_URL`: base address.
    pub url: Url,
    /// `FLYSK_TBANK_TERMINAL_KEY`: names the terminal.
    pub terminal_key: String,
    /// `FLYSK_TBANK_PASSWORD`: signs requests and notices.
    pub password: SecretString,
    /// `FLYSK_TBANK_EXTRA_ROOTS`: PEM file with more root certificates.
    pub extra_roots: Option<PathBuf>,
    /// `FLYSK_TBANK_TIMEOUT_MS`: longest call.
    pub timeout: Duration,
    /// `FLYSK_TBANK_TAXATION`: the bank's name of the system of taxation.
    pub taxation: String,
    /// `FLYSK_TBANK_VAT`: the bank's name of the rate.
    pub vat: String,
}

impl TBank {
    /// Reads the concern; `None` when neither key nor password is set.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        env.read(|vars| {
            let url = vars.base_url(&BASE_URL);
            let extra_roots = vars.optional(&EXTRA_ROOTS, super::Reader::path);
            let timeout = vars.millis(&TIMEOUT_MS, 100..=120_000);
            let taxation = vars.parsed(&TAXATION, |text| one_of(&TAXATIONS, text));
            let vat = vars.parsed(&VAT, |text| one_of(&VATS, text));
            if !vars.is_set(&TERMINAL_KEY) && !vars.is_set(&PASSWORD) {
                return Ok(None);
            }
            let terminal_key = vars.parsed(&TERMINAL_KEY, |text| {
                if text.chars().count() <= 20 {
                    Ok(text.to_owned())
                } else {
                    Err("at most 20 characters".to_owned())
                }
            });
            let password = vars.secret(&PASSWORD);
            Ok(Some(Self {
                url: url?,
                terminal_key: terminal_key?,
                password: password?,
                extra_roots: extra_roots?,
                timeout: timeout?,
                taxation: taxation?,
                vat: vat?,
            }))
        })
    }
}

fn one_of(known: &[&str], text: &str) -> Result<String, String> {
    if known.contains(&text) { Ok(text.to_owned()) } else { Err(format!("one of {}", known.join(", "))) }
}
