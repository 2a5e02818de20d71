//! What is around the shop: its environment, and the amoCRM account it sells in.

use flysk_runtime::config::Env;
use flysk_simulators::amocrm::{Account, Amocrm, Integration, Plan, Platform, User};
use flysk_suite::stand::{ACCOUNT, ADMIN, CLIENT_ID, CLIENT_SECRET};

/// Where amoCRM thinks we are.
pub(crate) const ORIGIN: &str = "https://flysk.example.test";
/// An ordinary user of the account.
pub(crate) const USER: u64 = 502;
/// The shop at the bank.
pub(crate) const TERMINAL: &str = "1700000000000DEMO";
const KEYRING: &str = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

pub(crate) fn environment(amocrm: &str, bank: &str, public: &str) -> Env {
    let prefix = format!("purchases-{:016x}", rand::random::<u64>());
    Env::from_process()
        .with("DATABASE_URL", "mysql://root@127.0.0.1/unused")
        .with("FLYSK_REDIS_PREFIX", &prefix)
        .with("FLYSK_PUBLIC_URL", public)
        .with("FLYSK_KEYRING", KEYRING)
        .with("FLYSK_AMOCRM_EGRESS_URL", amocrm)
        .with("FLYSK_TBANK_URL", &format!("{bank}/v2"))
        .with("FLYSK_TBANK_TERMINAL_KEY", TERMINAL)
        .with("FLYSK_TBANK_PASSWORD", "TinkoffBankTest")
        .with("FLYSK_TBANK_FORM_HOSTS", bank)
        .with("FLYSK_TBANK_TIMEOUT_MS", "500")
        .without("FLYSENSE_PROJECT_TOKEN")
        .without("FLYSENSE_CLIENT_ID")
}

pub(crate) fn settle_in(amocrm: &Amocrm) {
    amocrm.add_integration(Integration {
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uri: format!("{ORIGIN}/oauth/amocrm/callback"),
        disconnect_url: None,
        code: "flysense".to_owned(),
        scopes: vec!["crm".to_owned()],
        platform: Platform::Amocrm,
        only_account: None,
    });
    let user = |id, is_admin| User {
        id,
        name: String::new(),
        email: String::new(),
        is_admin,
        is_active: true,
        is_free: false,
    };
    let account = Account {
        id: ACCOUNT,
        subdomain: "demo".to_owned(),
        name: "Демонстрация".to_owned(),
        platform: Platform::Amocrm,
        plan: Plan::Extended,
        users: vec![user(ADMIN, true), user(USER, false)],
        blocked: false,
        unpaid_since: None,
        former_subdomains: Vec::new(),
    };
    amocrm.add_account(account).unwrap();
}
