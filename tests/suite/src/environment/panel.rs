//! The admin panel of an environment, with a demo operator.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::processes::WAIT_TIMEOUT;
use super::{Environment, Options};
use crate::ports::quiet_port;

/// Login of the demo operator.
const LOGIN: &str = "demo";

/// Address of a panel, and an operator who may do everything.
#[derive(Debug, Clone)]
pub struct Panel {
    /// Address.
    pub url: String,
    /// Login of the operator.
    pub login: String,
    /// Password of the operator, who sets up the second factor at the first sign-in.
    pub password: String,
}

impl Options {
    /// Chooses the port of a panel that starts later. Invitations to its portal name it, and who writes them starts before.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn choose_panel_port(&mut self) -> anyhow::Result<u16> {
        let port = quiet_port()?;
        self.more.insert("FLYSK_PORTAL_URL".to_owned(), url_on(port));
        Ok(port)
    }
}

impl Environment {
    /// Starts the admin panel, which serves the portal too, and creates the demo operator; one of an earlier environment gets a
    /// new password.
    ///
    /// # Errors
    ///
    /// The panel is not built, or did not become ready.
    pub async fn start_panel(&mut self, port: u16) -> anyhow::Result<Panel> {
        let url = url_on(port);
        self.set("FLYSK_ADMIN_LISTEN", &format!("127.0.0.1:{port}"));
        self.set("FLYSK_ADMIN_URL", &url);
        let create = ["operator:create", LOGIN, "--name", "Демо", "--role", "owner"];
        let printed = match self.command("flysk-admin", &create) {
            Ok(printed) => printed,
            Err(_taken) => self.command("flysk-admin", &["operator:reset", LOGIN])?,
        };
        let password = printed.lines().last().map(str::trim).context("the command printed no password")?;
        let panel = Panel { url: url.clone(), login: LOGIN.to_owned(), password: password.to_owned() };
        self.spawn("flysk-admin", &["serve"], "admin")?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while !http.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success())
        {
            if Instant::now() > deadline {
                bail!("the admin panel did not become ready:\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(panel)
    }
}

/// Address of a panel on this port. By name: passkeys belong to a host name.
fn url_on(port: u16) -> String {
    format!("http://localhost:{port}")
}
