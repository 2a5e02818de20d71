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
pub const KEYRING: &str = "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";
/// Variables of FlySense, which a sandbox does not run.
const UNSET_VARIABLES: [&str; 2] = ["FLYSENSE_PROJECT_TOKEN", "FLYSENSE_CLIENT_ID"];

/// Addresses of the parts of a sandbox.
pub(crate) struct Addresses<'a> {
    pub(crate) amocrm: &'a str,
    pub(crate) bank: &'a str,
    pub(crate) api: &'a str,
    pub(crate) redis: &'a str,
}

/// Rate limits on a standing clock: none. They count in real time, of which a day of the sandbox takes a fraction of a second. A
/// clock that runs keeps those of production.
const NO_LIMITS: [(&str, &str); 3] = [
    ("FLYSK_AMOCRM_TOKEN_REQUESTS_PER_SECOND", "1000000"),
    ("FLYSK_AMOCRM_REQUESTS_PER_SECOND", "1000"),
    ("FLYSK_TBANK_REQUESTS_PER_SECOND", "0"),
];

/// Variables of the product; `stands`: its clock does. The database's pool is passed separately.
pub(crate) fn variables(
    addresses: &Addresses<'_>,
    more: &BTreeMap<String, String>,
    stands: bool,
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
        // A hung answer costs real time, and a busy machine answers late.
        ("FLYSK_TBANK_TIMEOUT_MS", "3000"),
    ];
    let limits = NO_LIMITS.into_iter().filter(|_| stands);
    let own = own.into_iter().chain(limits).map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.chain(more.clone()).collect()
}

/// The environment of the product: that of this process with these variables.
pub(crate) fn environment(variables: &BTreeMap<String, String>) -> Env {
    let env = variables.iter().fold(Env::from_process(), |env, (name, value)| env.with(name, value));
    UNSET_VARIABLES.into_iter().fold(env, Env::without)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_lifted_on_a_standing_clock_only() {
        let address = "http://127.0.0.1:1";
        let addresses =
            Addresses { amocrm: address, bank: address, api: address, redis: "redis://127.0.0.1" };
        for (name, lifted) in NO_LIMITS {
            let of = |stands| variables(&addresses, &BTreeMap::new(), stands).remove(name);
            assert_eq!((of(true).as_deref(), of(false)), (Some(lifted), None), "{name}");
            let own = BTreeMap::from([(name.to_owned(), "3".to_owned())]);
            assert_eq!(variables(&addresses, &own, true)[name], "3", "the caller's own value counts");
        }
    }
}
