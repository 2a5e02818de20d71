//! Rejects the public secrets of `.env.example` outside development.
//!
//! There is no second list: the check covers every variable that the catalogue declares as a secret.

use url::{Host, Url};

use super::Env;
use super::public_url::PUBLIC_URL;
use super::variable::Variable;

/// Returns the error text if `value` contains a secret from `.env.example` and the deployment is not on a developer's
/// machine.
pub(super) fn find_example_secret(variable: &Variable, value: &str, env: &Env) -> Option<String> {
    let shown = variable.secrecy.parts(variable.example());
    if !variable.secrecy.parts(value).iter().any(|part| shown.contains(part)) || is_development(env) {
        return None;
    }
    Some(format!(
        "a secret of your own: this one is published in .env.example and is accepted only while {} is an http URL of \
         this machine. To get a value of your own, {}",
        PUBLIC_URL.name,
        variable.secrecy.source()
    ))
}

/// Whether the public URL is plain HTTP on this machine. Without a public URL no process starts anyway.
fn is_development(env: &Env) -> bool {
    let Some(text) = env.get(PUBLIC_URL.name) else { return true };
    let Ok(url) = Url::parse(text) else { return false };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "http" && is_loopback
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::super::{Presence, SECTIONS, Secrecy};
    use super::*;

    fn secrets() -> impl Iterator<Item = &'static Variable> {
        SECTIONS.iter().flat_map(|section| section.variables).filter(|variable| variable.is_secret())
    }

    fn refusal(variable: &Variable, value: &str, public_url: &str) -> Option<String> {
        let env: Env = [(PUBLIC_URL.name, public_url)].into_iter().collect();
        find_example_secret(variable, value, &env)
    }

    #[test]
    fn every_secret_of_the_example_is_refused_with_its_source_unless_the_address_is_of_this_machine() {
        let mut refused = 0;
        for variable in secrets().filter(|one| !one.secrecy.parts(one.example()).is_empty()) {
            for away in
                ["https://flysk.example", "https://localhost", "http://flysk.example", "http://10.0.0.1", "x"]
            {
                let told = refusal(variable, variable.example(), away).unwrap_or_default();
                assert!(told.contains(variable.secrecy.source()), "{} at {away}: {told:?}", variable.name);
                assert!(!told.contains(variable.example()), "{}: {told}", variable.name);
            }
            for here in ["http://127.0.0.1:8080", "http://localhost:3000/base/", "http://[::1]:8080"] {
                assert_eq!(refusal(variable, variable.example(), here), None, "{} at {here}", variable.name);
            }
            assert_eq!(
                refusal(variable, "something else", "https://flysk.example"),
                None,
                "{}",
                variable.name
            );
            refused += 1;
        }
        assert_eq!(
            refused,
            secrets().count() - 2,
            "only the URLs of MySQL and Redis have no secret in .env.example"
        );
    }

    #[test]
    fn a_key_of_the_example_is_recognised_under_another_id_and_behind_other_keys() {
        let keyring = secrets().find(|one| matches!(one.secrecy, Secrecy::Keys { .. })).unwrap();
        let key = keyring.example().split_once(':').unwrap().1;
        for ring in [format!("k1:{key}"), format!("k2:{}, old:{key} ", STANDARD.encode([7; 32]))] {
            assert!(refusal(keyring, &ring, "https://flysk.example").is_some(), "{ring}");
        }
        assert_eq!(
            refusal(keyring, &format!("dev:{}", STANDARD.encode([7; 32])), "https://flysk.example"),
            None
        );
    }

    #[test]
    fn a_password_of_the_example_is_recognised_in_another_address() {
        let address = Variable {
            name: "SOME_URL",
            presence: Presence::Required("mysql://flysk:development@127.0.0.1/flysk"),
            secrecy: Secrecy::Address { source: "change it" },
            description: "",
        };
        let told = |value: &str| refusal(&address, value, "https://flysk.example").is_some();
        assert!(told("mysql://root:development@db.example/other"));
        assert!(!told("mysql://flysk:another@127.0.0.1/flysk") && !told("mysql://flysk@127.0.0.1/flysk"));
    }
}
