//! `flysk-worker widget:*`: the registry of widgets.

mod register;
mod rotate;
mod show;
mod update;

use std::io::Read as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use flysk_clients::amocrm::AmoCrm;
use flysk_config::Env;
use flysk_queue::Outbox;
use flysk_store::Conn;
use flysk_store::platform::widgets::{self, Widget};
use flysk_tokens::Vault;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use secrecy::SecretString;

pub(super) use register::Register;
pub(super) use rotate::Rotate;
pub(super) use show::{List, Show};
pub(super) use update::Update;

/// Opens the database and the vault. Makes no request.
pub(super) async fn open(config: &Config) -> anyhow::Result<(Outbox, Vault)> {
    let outbox = open_outbox(config).await?;
    let amocrm = AmoCrm::new(flysk_clients::amocrm::Config {
        via: config.amocrm.egress_url.clone(),
        ..flysk_clients::amocrm::Config::default()
    })?;
    let keyring = Arc::new(config.keys.keyring.clone());
    let vault = Vault::new(outbox.clone(), keyring, amocrm, config.amocrm.host_suffixes.clone());
    Ok((outbox, vault))
}

pub(super) async fn find(conn: &mut Conn, code: &str) -> anyhow::Result<Widget> {
    widgets::find_by_code(conn, code).await?.with_context(|| format!("no widget has the code `{code}`"))
}

/// Source of the integration's secret key. Never the command line, which other users of the machine can read.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct ClientSecret {
    /// Read the integration's secret key from this environment variable.
    #[arg(long, value_name = "VARIABLE")]
    client_secret_env: Option<String>,
    /// Read the integration's secret key from standard input.
    #[arg(long)]
    client_secret_stdin: bool,
}

impl ClientSecret {
    fn read(&self, env: &Env) -> anyhow::Result<Option<SecretString>> {
        if let Some(name) = &self.client_secret_env {
            let secret = env.secret_named(name);
            return secret.map(Some).with_context(|| format!("the variable `{name}` is not set"));
        }
        if !self.client_secret_stdin {
            return Ok(None);
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        match text.trim() {
            "" => bail!("standard input contains no secret key"),
            secret => Ok(Some(SecretString::from(secret))),
        }
    }
}
