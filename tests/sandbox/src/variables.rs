//! Configuration of the product in a sandbox.

use std::collections::BTreeMap;

use flysk_config::Env;

/// Terminal at the simulated bank.
pub const TERMINAL_KEY: &str = "1700000000000DEMO";
/// Password of the terminal; valid in the simulator only.
pub const TERMINAL_PASSWORD: &str = "TinkoffBankTest";
/// Client id of the integration at the simulated amoCRM.
pub const CLIENT_ID: &str = "11111111-2222-4333-8444-555555555555";
/// Client secret of the integration; valid in the simulator only.
pub const CLIENT_SECRET: &str = "simulated-integration-secret";
/// Public address of the API as amoCRM knows it. amoCRM accepts https only; the simulator routes it to the local port.
pub const PUBLIC_ORIGIN: &str = "https://flysk.example.test";

/// Key ring of the sandbox's encryption at rest.
const KEYRING: &str = "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";
/// Variables of FlySense, which a sandbox does not run.
const UNSET_VARIABLES: [&str; 2] = ["FLYSENSE_PROJECT_TOKEN", "FLYSENSE_CLIENT_ID"];

/// Addresses of the parts of a sandbox.
pub(crate) struct Addresses<'a> {
    pub(crate) amocrm: &'a str,
    pub(crate) bank: &'a str,
    pub(crate) api: &'a str,
    pub(crate) redis: &'a str,
}

/// Variables of the product. The database's pool is passed separately.
pub(crate) fn variables(
    addresses: &Addresses<'_>,
    more: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let prefix = format!("sandbox-{:016x}", rand::random::<u64>());
    let own = [
        ("DATABASE_URL", "mysql://root@127.0.0.1/unused"),
        ("REDIS_URL", addresses.redis),
        ("FLYSK_REDIS_PREFIX", &prefix),
        ("FLYSK_PUBLIC_URL", addresses.api),
        ("FLYSK_KEYRING", KEYRING),
        ("FLYSK_AMOCRM_EGRESS_URL", addresses.amocrm),
        ("FLYSK_TBANK_URL", &format!("{}/v2", addresses.bank)),
        ("FLYSK_TBANK_TERMINAL_KEY", TERMINAL_KEY),
        ("FLYSK_TBANK_PASSWORD", TERMINAL_PASSWORD),
        ("FLYSK_TBANK_FORM_HOSTS", addresses.bank),
        // A hung answer costs real time.
        ("FLYSK_TBANK_TIMEOUT_MS", "500"),
        // Rate limits count in real time, of which a day of the sandbox takes a fraction of a second.
        ("FLYSK_AMOCRM_TOKEN_REQUESTS_PER_SECOND", "1000000"),
        ("FLYSK_AMOCRM_REQUESTS_PER_SECOND", "1000"),
        ("FLYSK_TBANK_REQUESTS_PER_SECOND", "0"),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.into_iter().chain(more.clone()).collect()
}

/// The environment of the product: that of this process with these variables.
pub(crate) fn environment(variables: &BTreeMap<String, String>) -> Env {
    let env = variables.iter().fold(Env::from_process(), |env, (name, value)| env.with(name, value));
    UNSET_VARIABLES.into_iter().fold(env, Env::without)
}
