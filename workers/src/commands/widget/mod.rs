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
use flysk_store::platform::initial_switch;
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::{Conn, StoreResult};
use flysk_tokens::Vault;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use secrecy::SecretString;
use serde_json::{Value, json};

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

/// The parameters for the audit log, without secrets.
async fn state_of(conn: &mut Conn, widget: &Widget) -> StoreResult<Value> {
    let starts_switched_off = initial_switch::starts_switched_off(conn, widget.id).await?;
    Ok(json!({
        "code": widget.code,
        "name": widget.name,
        "redirect_uri": widget.redirect_uri,
        "event_url": widget.event_url,
        "event_urls": widget.event_urls.as_ref().map(|urls| &urls.0),
        "event_kinds": widget.event_kinds.as_ref().map(|kinds| &kinds.0),
        "delivery_delays_s": widget.delivery_delays.as_ref().map(|delays| &delays.0),
        "events_carry_token": widget.events_carry_token,
        "settings_schema": widget.settings_schema.as_ref().map(|schema| &schema.0),
        "trial_days": widget.trial_days,
        "uses_flycoins": widget.uses_flycoins,
        "uses_subscriptions": widget.uses_subscriptions,
        "billing": widget.billing.as_ref().map(|billing| &billing.0),
        "starts_switched_off": starts_switched_off,
    }))
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
