//! A vendor's own backend beside the simulators: `cargo xtask dev --backend URL`.
//!
//! Registers a widget whose events go to the backend, with prices and a welcome bonus, installs it into the account, and
//! writes the credentials and the processes' environment to a file for the vendor's shell.

use std::path::Path;

use anyhow::Context as _;
use flysk_simulators::amocrm::{Integration, Platform};
use serde_json::json;
use url::Url;

use crate::environment::{ACCOUNT, ADMIN, Environment, PUBLIC_ORIGIN};

/// Code of the widget.
pub const WIDGET: &str = "my-widget";
/// Client id of its integration.
const CLIENT_ID: &str = "22222222-3333-4444-8555-666666666666";
/// Secret key of its integration; valid in the simulator only.
const CLIENT_SECRET: &str = "simulated-vendor-secret";
/// Priced service of the widget.
const SERVICE: &str = "my-widget.request";
/// Delays between attempts to deliver an event, seconds: short, for a backend that is started after Flysk.
const DELIVERY_DELAYS: &str = "3,3,3,3,5,5,5,10,60,60,60,300,300";
/// Welcome bonus and threshold of the low balance, micro-Flycoins.
const BONUS_MICRO: i64 = 100_000_000;
const LOW_BALANCE_MICRO: i64 = 50_000_000;

/// Secrets of the widget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `X-Project-Token` of the backend.
    pub project_token: String,
    /// Key that signs events.
    pub event_secret: String,
}

/// `host:port` of the backend, for `FLYSK_OUTBOUND_ALLOW`.
pub fn address_of(backend: &Url) -> anyhow::Result<String> {
    let host = backend.host_str().context("the URL of the backend has no host")?;
    let port = backend.port_or_known_default().context("the URL of the backend has no port")?;
    Ok(format!("{host}:{port}"))
}

/// Registers the widget, or updates the registration of an earlier start, and installs it.
///
/// `former` are the credentials of the earlier start, which stay valid; without them new ones are issued.
pub async fn set_up(
    env: &mut Environment,
    backend: &Url,
    former: Option<Credentials>,
) -> anyhow::Result<Credentials> {
    let redirect_uri = format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback");
    env.simulators.amocrm.state.add_integration(Integration {
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uri: redirect_uri.clone(),
        disconnect_url: Some(format!("{PUBLIC_ORIGIN}/oauth/amocrm/disconnect")),
        code: WIDGET.to_owned(),
        scopes: ["crm", "files", "notifications"].map(str::to_owned).to_vec(),
        platform: Platform::Amocrm,
        only_account: None,
    });
    env.set("DEV_CLIENT_SECRET", CLIENT_SECRET);
    let billing = env.scratch().join("vendor-billing.json");
    let rules = json!({ "flycoins": {
        "welcome_bonus": { "amount_micro": BONUS_MICRO }, "low_balance_micro": LOW_BALANCE_MICRO,
    } });
    std::fs::write(&billing, rules.to_string())?;
    let billing = billing.display().to_string();
    let settings = ["--event-url", backend.as_str(), "--events", "all", "--billing", &billing];
    let settings =
        [&settings[..], &["--uses-flycoins", "true", "--delivery-delays", DELIVERY_DELAYS]].concat();
    let credentials = register(env, &redirect_uri, &settings, former).await?;
    env.simulators.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await?;
    env.wait_for(
        "SELECT COUNT(*) FROM installs i JOIN widgets w ON w.id = i.widget_id
         WHERE w.code = 'my-widget' AND i.status = 'active'",
        1,
    )
    .await?;
    Ok(credentials)
}

async fn register(
    env: &Environment,
    redirect_uri: &str,
    settings: &[&str],
    former: Option<Credentials>,
) -> anyhow::Result<Credentials> {
    let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM widgets WHERE code = 'my-widget'")
        .fetch_one(&env.pool)
        .await?;
    let printed = if known == 0 {
        let identity =
            ["widget:register", "--code", WIDGET, "--name", "My widget", "--client-uuid", CLIENT_ID];
        let secret = ["--client-secret-env", "DEV_CLIENT_SECRET", "--redirect-uri", redirect_uri];
        let printed = env.command("flysk-worker", &[&identity[..], &secret, settings].concat())?;
        env.command("flysk-worker", &["price:set", SERVICE, "--per-piece", "2.5"])?;
        let package = ["package:set", WIDGET, "start", "--title", "Стартовый", "--price", "50000"];
        env.command("flysk-worker", &package)?;
        printed
    } else {
        env.command("flysk-worker", &[&["widget:update", WIDGET], settings].concat())?;
        if let Some(former) = former {
            return Ok(former);
        }
        env.command("flysk-worker", &["widget:rotate", WIDGET, "--project-token", "--event-secret"])?
    };
    let find = |prefix: &str| {
        let mut words = printed.split_whitespace();
        let found = words.find(|word| word.starts_with(prefix)).map(str::to_owned);
        found.with_context(|| format!("no secret `{prefix}…` was printed"))
    };
    Ok(Credentials { project_token: find("fpt_")?, event_secret: find("whsec_")? })
}

/// Reads the credentials that an earlier start wrote, if they are complete.
pub fn read_credentials(file: &Path) -> Option<Credentials> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")))?;
        Some(line.trim_matches('\'').to_owned())
    };
    Some(Credentials { project_token: value("PROJECT_TOKEN")?, event_secret: value("EVENT_SECRET")? })
}

/// Writes the environment of the processes, the addresses, and the credentials if there are any, for a POSIX shell.
pub fn write_environment(
    env: &Environment,
    file: &Path,
    credentials: Option<&Credentials>,
) -> anyhow::Result<()> {
    let mut lines = vec!["# Written by `cargo xtask dev`. In a shell: . target/dev.env".to_owned()];
    let mut export = |name: &str, value: &str| lines.push(format!("export {name}='{value}'"));
    for (name, value) in env.variables() {
        export(name, value);
    }
    export("FLYSK", &env.api_url);
    export("ACCOUNT", &ACCOUNT.to_string());
    export("ADMIN", &ADMIN.to_string());
    export("AMOCRM_SIM", &env.simulators.amocrm.url);
    export("BANK_SIM", &env.simulators.tbank.url);
    if let Some(Credentials { project_token, event_secret }) = credentials {
        export("WIDGET", WIDGET);
        export("CLIENT_ID", CLIENT_ID);
        export("PROJECT_TOKEN", project_token);
        export("EVENT_SECRET", event_secret);
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, lines.join("\n") + "\n").with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_survive_the_file_and_incomplete_ones_are_not_used() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(read_credentials(file.path()), None);
        std::fs::write(file.path(), "export PROJECT_TOKEN='fpt_1'\nexport OTHER='x'\n").unwrap();
        assert_eq!(read_credentials(file.path()), None);
        std::fs::write(file.path(), "export PROJECT_TOKEN='fpt_1'\nexport EVENT_SECRET='whsec_a+/='\n")
            .unwrap();
        let credentials =
            Credentials { project_token: "fpt_1".to_owned(), event_secret: "whsec_a+/=".to_owned() };
        assert_eq!(read_credentials(file.path()), Some(credentials));
    }

    #[test]
    fn a_backend_is_allowed_by_host_and_port() {
        let address = |url: &str| address_of(&url.parse().unwrap()).unwrap();
        assert_eq!(address("http://127.0.0.1:8800/events"), "127.0.0.1:8800");
        assert_eq!(address("http://localhost/events"), "localhost:80");
    }
}
