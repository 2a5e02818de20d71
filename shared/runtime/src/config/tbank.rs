//! T-Bank's internet acquiring: buying Flycoins and paying for subscriptions.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::proxies::{is_within, network};
use super::{ConfigError, Env, Proxies, Variable};

/// Systems of taxation and rates of VAT as the bank's receipts name them.
const TAXATIONS: [&str; 5] = ["osn", "usn_income", "usn_income_outcome", "esn", "patent"];
const VATS: [&str; 10] =
    ["none", "vat0", "vat5", "vat7", "vat10", "vat22", "vat105", "vat107", "vat110", "vat122"];
const FFD_VERSIONS: [&str; 2] = ["1.05", "1.2"];
const PAYMENT_METHODS: [&str; 3] = ["full_payment", "full_prepayment", "advance"];

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
.secret("copy the password of your own terminal from the bank's cabinet");
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

const FFD_VERSION: Variable = Variable::with_default(
    "FLYSK_TBANK_FFD_VERSION",
    "1.05",
    "Fiscal format of the linked cash register: 1.05 or 1.2.",
);
const PAYMENT_METHOD: Variable = Variable::with_default(
    "FLYSK_TBANK_PAYMENT_METHOD",
    "full_payment",
    "How a line of a receipt is paid for: full_payment, full_prepayment or advance.\n\
     The last two want closing receipts later, which are not sent from here; ask your accountant.",
);
const FORM_HOSTS: Variable = Variable::with_default(
    "FLYSK_TBANK_FORM_HOSTS",
    "securepay.tinkoff.ru,pay.tbank.ru,pay-test.tbank.ru",
    "Hosts of the bank's payment form: buyers are led nowhere else. Hosts are reached by https;\n\
     an entry with a scheme (http://127.0.0.1:9000) is taken as it is, for simulators.",
);
const NOTICE_NETWORKS: Variable = Variable::with_default(
    "FLYSK_TBANK_NOTICE_NETWORKS",
    "none",
    "Networks notices are taken from; `none` takes them from anywhere, since they are signed.\n\
     The bank named in January 2025: 91.194.226.0/23,91.218.132.0/22,212.49.24.0/24,212.233.80.0/22",
);
pub(super) const VARIABLES: &[Variable] = &[
    BASE_URL,
    TERMINAL_KEY,
    PASSWORD,
    EXTRA_ROOTS,
    TIMEOUT_MS,
    TAXATION,
    VAT,
    FFD_VERSION,
    PAYMENT_METHOD,
    FORM_HOSTS,
    NOTICE_NETWORKS,
];

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
    /// `FLYSK_TBANK_FFD_VERSION`: `1.05` or `1.2`.
    pub ffd_version: String,
    /// `FLYSK_TBANK_PAYMENT_METHOD`: the bank's name of how a line is paid for.
    pub payment_method: String,
    /// `FLYSK_TBANK_FORM_HOSTS`: origins of the payment form.
    pub form_origins: Vec<String>,
    /// `FLYSK_TBANK_NOTICE_NETWORKS`: where notices come from; empty: anywhere.
    pub notice_networks: Vec<IpNet>,
    /// `FLYSK_TRUSTED_PROXIES`: whose `X-Forwarded-For` is believed.
    pub proxies: Proxies,
}

impl TBank {
    /// Whether buyers may be led to this address of the bank's form.
    pub fn is_form(&self, url: &Url) -> bool {
        let origin = url.origin().ascii_serialization();
        url.username().is_empty() && url.password().is_none() && self.form_origins.contains(&origin)
    }

    /// Whether a notice may come from there: [`Proxies::source_of`].
    pub fn takes_notices_from(&self, source: Option<IpAddr>) -> bool {
        if self.notice_networks.is_empty() {
            return true;
        }
        source.is_some_and(|ip| is_within(&self.notice_networks, ip))
    }

    /// Reads the concern; `None` when neither key nor password is set.
    pub fn from_env(env: &Env) -> Result<Option<Self>, ConfigError> {
        env.read(|vars| {
            let url = vars.base_url(&BASE_URL);
            let extra_roots = vars.optional(&EXTRA_ROOTS, super::Reader::path);
            let timeout = vars.millis(&TIMEOUT_MS, 100..=120_000);
            let taxation = vars.parsed(&TAXATION, |text| one_of(&TAXATIONS, text));
            let vat = vars.parsed(&VAT, |text| one_of(&VATS, text));
            let ffd_version = vars.parsed(&FFD_VERSION, |text| one_of(&FFD_VERSIONS, text));
            let payment_method = vars.parsed(&PAYMENT_METHOD, |text| one_of(&PAYMENT_METHODS, text));
            let form_origins = vars.list(&FORM_HOSTS, form_origin);
            let notice_networks = vars.list(&NOTICE_NETWORKS, network);
            let proxies = Proxies::read(vars);
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
                ffd_version: ffd_version?,
                payment_method: payment_method?,
                form_origins: form_origins?,
                notice_networks: notice_networks?,
                proxies: proxies?,
            }))
        })
    }
}

/// `pay.tbank.ru` is `https://pay.tbank.ru`; an origin stays what it is.
fn form_origin(text: &str) -> Result<String, String> {
    let wanted = || "a host such as pay.tbank.ru, or an origin such as http://127.0.0.1:9000".to_owned();
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&text).map_err(|_| wanted())?;
    let origin = url.origin();
    let plain = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
    if plain && origin.is_tuple() { Ok(origin.ascii_serialization()) } else { Err(wanted()) }
}

fn one_of(known: &[&str], text: &str) -> Result<String, String> {
    if known.contains(&text) { Ok(text.to_owned()) } else { Err(format!("one of {}", known.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tbank(networks: &str, proxies: &str) -> TBank {
        let env = Env::default()
            .with("FLYSK_TBANK_TERMINAL_KEY", "TinkoffBankTest")
            .with("FLYSK_TBANK_PASSWORD", "TinkoffBankTest")
            .with("FLYSK_TBANK_FORM_HOSTS", "pay.tbank.ru, http://127.0.0.1:9000")
            .with("FLYSK_TBANK_NOTICE_NETWORKS", networks)
            .with("FLYSK_TRUSTED_PROXIES", proxies);
        TBank::from_env(&env).unwrap().unwrap()
    }

    #[test]
    fn buyers_are_led_to_the_banks_form_and_nowhere_else() {
        let tbank = tbank("none", "none");
        for (url, is_form) in [
            ("https://pay.tbank.ru/AbCd", true),
            ("http://127.0.0.1:9000/pay/x", true),
            ("http://pay.tbank.ru/AbCd", false),
            ("https://pay.tbank.ru:444/AbCd", false),
            ("https://pay.tbank.ru.example.test/AbCd", false),
            ("https://pay.tbank.ru@example.test/", false),
            ("https://user@pay.tbank.ru/AbCd", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(tbank.is_form(&url.parse().unwrap()), is_form, "{url}");
        }
    }

    #[test]
    fn a_notice_comes_from_the_banks_networks_through_no_proxy_but_ours() {
        let tbank = tbank("91.194.226.0/23", "10.0.0.0/8");
        let peer = |text: &str| Some(text.parse().unwrap());
        for (from, forwarded, taken) in [
            (peer("91.194.227.9"), None, true),
            (peer("::ffff:91.194.227.9"), None, true),
            (peer("203.0.113.9"), None, false),
            (peer("203.0.113.9"), Some("91.194.226.1"), false),
            (peer("10.0.0.5"), Some("91.194.226.1"), true),
            (peer("10.0.0.5"), Some("91.194.226.1, 10.0.0.7"), true),
            (peer("10.0.0.5"), Some("91.194.226.1, 203.0.113.9"), false),
            (peer("10.0.0.5"), Some("nonsense"), false),
            (peer("10.0.0.5"), None, false),
            (None, None, false),
        ] {
            let forwarded: Vec<&str> = forwarded.into_iter().collect();
            let source = tbank.proxies.source_of(from, &forwarded);
            assert_eq!(tbank.takes_notices_from(source), taken, "{from:?} {forwarded:?}");
        }
        assert!(super::TBank { notice_networks: Vec::new(), ..tbank }.takes_notices_from(None));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for host in ["pay.tbank.ru/path", "ftp://pay.tbank.ru", "", "a b"] {
            assert!(form_origin(host).is_err(), "{host}");
        }
    }
}
