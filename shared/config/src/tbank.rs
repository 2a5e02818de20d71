//! T-Bank internet acquiring: purchases of Flycoins, invoices of subscriptions.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::proxies::{is_within, network};
use super::{ConfigError, Env, Proxies, Variable};

/// Taxation systems and VAT rates by the names that T-Bank's receipts use.
const TAXATIONS: [&str; 5] = ["osn", "usn_income", "usn_income_outcome", "esn", "patent"];
const VATS: [&str; 10] =
    ["none", "vat0", "vat5", "vat7", "vat10", "vat22", "vat105", "vat107", "vat110", "vat122"];
const FFD_VERSIONS: [&str; 2] = ["1.05", "1.2"];
const PAYMENT_METHODS: [&str; 3] = ["full_payment", "full_prepayment", "advance"];

const BASE_URL: Variable = Variable::with_default(
    "FLYSK_TBANK_URL",
    "https://securepay.tinkoff.ru/v2",
    "Base URL of T-Bank's payment API; method names are appended to it.",
);
const TERMINAL_KEY: Variable = Variable::optional(
    "FLYSK_TBANK_TERMINAL_KEY",
    "TinkoffBankTest",
    "Terminal key, case sensitive. Without terminal key and password purchases are disabled.",
);
const PASSWORD: Variable = Variable::optional(
    "FLYSK_TBANK_PASSWORD",
    "TinkoffBankTest",
    "The terminal's password. It signs requests and notifications and is never sent. Required with the terminal key.",
)
.secret("copy the password of your own terminal from the T-Bank merchant portal");
const EXTRA_ROOTS: Variable = Variable::optional(
    "FLYSK_TBANK_EXTRA_ROOTS",
    "/etc/flysk/russian-trusted-root-ca.pem",
    "PEM file with root certificates that are trusted for T-Bank in addition to the system's.",
);
const TIMEOUT_MS: Variable =
    Variable::with_default("FLYSK_TBANK_TIMEOUT_MS", "30000", "Timeout of one request, in milliseconds.");
const TAXATION: Variable = Variable::with_default(
    "FLYSK_TBANK_TAXATION",
    "usn_income",
    "Taxation system on receipts: osn, usn_income, usn_income_outcome, esn or patent.",
);
const VAT: Variable = Variable::with_default(
    "FLYSK_TBANK_VAT",
    "none",
    "VAT rate on receipts: none, vat0, vat5, vat7, vat10, vat22, vat105, vat107, vat110 or vat122.",
);

const FFD_VERSION: Variable = Variable::with_default(
    "FLYSK_TBANK_FFD_VERSION",
    "1.05",
    "Fiscal data format (FFD) of the linked cash register: 1.05 or 1.2.",
);
const PAYMENT_METHOD: Variable = Variable::with_default(
    "FLYSK_TBANK_PAYMENT_METHOD",
    "full_payment",
    "Payment method on receipts of Flycoin purchases: full_payment, full_prepayment or advance. The last two require\n\
     closing receipts later, which Flysk sends for subscriptions but not for purchases; ask your accountant.\n\
     For subscriptions the vendor's settings decide instead (vendor:set).",
);
const FORM_HOSTS: Variable = Variable::with_default(
    "FLYSK_TBANK_FORM_HOSTS",
    "securepay.tinkoff.ru,pay.tbank.ru,pay-test.tbank.ru",
    "Hosts of T-Bank's payment form. Buyers are redirected to no other host. Hosts are used with https;\n\
     an entry with a scheme (http://127.0.0.1:9000) is an origin, for simulators.",
);
const NOTIFICATION_NETWORKS: Variable = Variable::with_default(
    "FLYSK_TBANK_NOTIFICATION_NETWORKS",
    "none",
    "Networks from which notifications are accepted; `none` accepts any source, because notifications are signed.\n\
     T-Bank's networks in January 2025: 91.194.226.0/23,91.218.132.0/22,212.49.24.0/24,212.233.80.0/22",
);
const REQUESTS_PER_SECOND: Variable = Variable::with_default(
    "FLYSK_TBANK_REQUESTS_PER_SECOND",
    "20",
    "Requests per second to one terminal, from all processes together, for charges of subscriptions; 0: no limit.\n\
     T-Bank publishes no number; ask your manager at the bank.",
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
    NOTIFICATION_NETWORKS,
    REQUESTS_PER_SECOND,
];

/// Access to T-Bank's API, contents of receipts, and checks of its notifications.
#[derive(Debug, Clone)]
pub struct TBank {
    /// `FLYSK_TBANK_URL`: base URL of the API.
    pub url: Url,
    /// `FLYSK_TBANK_TERMINAL_KEY`: identifies the terminal, at most 20 characters.
    pub terminal_key: String,
    /// `FLYSK_TBANK_PASSWORD`: signs requests and notifications.
    pub password: SecretString,
    /// `FLYSK_TBANK_EXTRA_ROOTS`: PEM file with additional root certificates.
    pub extra_roots: Option<PathBuf>,
    /// `FLYSK_TBANK_TIMEOUT_MS`: timeout of one request.
    pub timeout: Duration,
    /// `FLYSK_TBANK_TAXATION`: T-Bank's name of the taxation system.
    pub taxation: String,
    /// `FLYSK_TBANK_VAT`: T-Bank's name of the VAT rate.
    pub vat: String,
    /// `FLYSK_TBANK_FFD_VERSION`: `1.05` or `1.2`.
    pub ffd_version: String,
    /// `FLYSK_TBANK_PAYMENT_METHOD`: T-Bank's name of the payment method of a receipt line.
    pub payment_method: String,
    /// `FLYSK_TBANK_FORM_HOSTS`: origins of the payment form.
    pub form_origins: Vec<String>,
    /// `FLYSK_TBANK_NOTIFICATION_NETWORKS`: networks of T-Bank's notifications; empty accepts any source.
    pub notification_networks: Vec<IpNet>,
    /// `FLYSK_TBANK_REQUESTS_PER_SECOND`: limit per terminal; `None` without one.
    pub requests_per_second: Option<u32>,
    /// `FLYSK_TRUSTED_PROXIES`: proxies whose `X-Forwarded-For` is trusted.
    pub proxies: Proxies,
}

impl TBank {
    /// Whether a URL is on a host of T-Bank's payment form, so that buyers may be redirected to it.
    pub fn is_payment_form(&self, url: &Url) -> bool {
        let origin = url.origin().ascii_serialization();
        url.username().is_empty() && url.password().is_none() && self.form_origins.contains(&origin)
    }

    /// Whether notifications are accepted from this client IP address (see [`Proxies::client_ip`]).
    pub fn accepts_notifications_from(&self, source: Option<IpAddr>) -> bool {
        if self.notification_networks.is_empty() {
            return true;
        }
        source.is_some_and(|ip| is_within(&self.notification_networks, ip))
    }

    /// Reads the variables of T-Bank; `None` if neither terminal key nor password is set.
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
            let notification_networks = vars.list(&NOTIFICATION_NETWORKS, network);
            let requests_per_second = vars.number(&REQUESTS_PER_SECOND, 0..=10_000);
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
                notification_networks: notification_networks?,
                requests_per_second: requests_per_second.map(|limit: u32| (limit > 0).then_some(limit))?,
                proxies: proxies?,
            }))
        })
    }
}

/// Origin of an entry: a bare host `pay.tbank.ru` becomes `https://pay.tbank.ru`; an origin stays as it is.
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
            .with("FLYSK_TBANK_NOTIFICATION_NETWORKS", networks)
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
            assert_eq!(tbank.is_payment_form(&url.parse().unwrap()), is_form, "{url}");
        }
    }

    #[test]
    fn a_notification_comes_from_the_banks_networks_through_no_proxy_but_ours() {
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
            let source = tbank.proxies.client_ip(from, &forwarded);
            assert_eq!(tbank.accepts_notifications_from(source), taken, "{from:?} {forwarded:?}");
        }
        assert!(super::TBank { notification_networks: Vec::new(), ..tbank }.accepts_notifications_from(None));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for host in ["pay.tbank.ru/path", "ftp://pay.tbank.ru", "", "a b"] {
            assert!(form_origin(host).is_err(), "{host}");
        }
    }
}
