//! Initial data in the simulated amoCRM: FlySense's integration and the account it is installed into.

use flysk_simulators::amocrm::{Account, Amocrm, Integration, Plan, Platform, User};

use super::{ACCOUNT, ADMIN, CLIENT_ID, CLIENT_SECRET, PUBLIC_ORIGIN, USER};

/// Adds the integration, and the account with an administrator and an ordinary user. Does not install anything. amoCRM waits long for
/// responses: a test does not depend on how busy its machine is.
pub fn seed_amocrm(amocrm: &Amocrm) -> anyhow::Result<()> {
    amocrm.be_patient();
    amocrm.add_integration(Integration {
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uri: format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback"),
        disconnect_url: Some(format!("{PUBLIC_ORIGIN}/oauth/amocrm/disconnect")),
        code: "flysense".to_owned(),
        scopes: ["crm", "files", "notifications"].map(str::to_owned).to_vec(),
        platform: Platform::Amocrm,
        only_account: None,
    });
    let users = vec![user(ADMIN, "Анна", true), user(USER, "Борис", false)];
    amocrm.add_account(account(ACCOUNT, "demo", "Демонстрация", users))?;
    Ok(())
}

/// Another account, with an administrator only.
pub fn another_account(id: u64, subdomain: &str, admin: u64) -> Account {
    account(id, subdomain, "Соседи", vec![user(admin, "Вера", true)])
}

fn account(id: u64, subdomain: &str, name: &str, users: Vec<User>) -> Account {
    Account {
        id,
        subdomain: subdomain.to_owned(),
        name: name.to_owned(),
        platform: Platform::Amocrm,
        plan: Plan::Extended,
        users,
        blocked: false,
        unpaid_since: None,
        former_subdomains: Vec::new(),
    }
}

fn user(id: u64, name: &str, is_admin: bool) -> User {
    User {
        id,
        name: name.to_owned(),
        email: format!("{id}@example.test"),
        is_admin,
        is_active: true,
        is_free: false,
    }
}
