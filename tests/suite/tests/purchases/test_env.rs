//! Environment variables of the test's processes.

use std::collections::BTreeMap;

use flysk_config::Env;

/// Terminal key at the bank.
pub(crate) const TERMINAL: &str = "1700000000000DEMO";
/// Key ring.
pub(crate) const KEYRING: &str = "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=";
/// Variables of FlySense, which is not enabled in these tests.
pub(crate) const UNSET_VARIABLES: [&str; 2] = ["FLYSENSE_PROJECT_TOKEN", "FLYSENSE_CLIENT_ID"];

/// Variables of the processes, except the database's address.
pub(crate) fn variables(amocrm: &str, bank: &str, public: &str) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("FLYSK_REDIS_PREFIX", format!("purchases-{:016x}", rand::random::<u64>())),
        ("FLYSK_PUBLIC_URL", public.to_owned()),
        ("FLYSK_KEYRING", KEYRING.to_owned()),
        ("FLYSK_AMOCRM_EGRESS_URL", amocrm.to_owned()),
        ("FLYSK_TBANK_URL", format!("{bank}/v2")),
        ("FLYSK_TBANK_TERMINAL_KEY", TERMINAL.to_owned()),
        ("FLYSK_TBANK_PASSWORD", "TinkoffBankTest".to_owned()),
        ("FLYSK_TBANK_FORM_HOSTS", bank.to_owned()),
        // A hung answer costs real time, and a busy machine answers late.
        ("FLYSK_TBANK_TIMEOUT_MS", "3000".to_owned()),
    ])
}

/// Environment of the part that runs in this process, whose database pool is passed separately.
pub(crate) fn environment(variables: &BTreeMap<&'static str, String>) -> Env {
    let env = Env::from_process().with("DATABASE_URL", "mysql://root@127.0.0.1/unused");
    let env = variables.iter().fold(env, |env, (name, value)| env.with(name, value));
    UNSET_VARIABLES.into_iter().fold(env, Env::without)
}
