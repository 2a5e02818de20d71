//! `flysk-worker widget:rotate`.

use std::io::Write as _;

use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use flysk_config::Env;
use flysk_queue::Outbox;
use flysk_store::platform::former_credentials;
use flysk_tokens::Vault;
use flysk_workers::config::Config;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{ClientSecret, find, open};
use crate::commands::by::OptionalBy;
use crate::commands::record::{Act, record};
use crate::commands::trace::trace;
use crate::commands::transaction::transact;

/// Selects the secrets to replace.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(in super::super) struct Rotate {
    /// The widget's code.
    code: String,
    /// Issue a new project token, the backend's credential.
    #[arg(long)]
    project_token: bool,
    /// Issue a new event secret, the key that signs events.
    #[arg(long)]
    event_secret: bool,
    /// Hours for which the replaced token or secret stays valid; 0 revokes it at once. Those replaced earlier stay valid
    /// until the end that was stated for them.
    #[arg(long, value_name = "HOURS", default_value_t = 24)]
    keep_former_hours: u16,
    /// Revoke all replaced project tokens now, before their ends.
    #[arg(long, conflicts_with = "project_token")]
    revoke_former: bool,
    /// Revoke all replaced event secrets now, before their ends.
    #[arg(long, conflicts_with = "event_secret")]
    revoke_former_secrets: bool,
    #[command(flatten)]
    client_secret: ClientSecret,
    #[command(flatten)]
    by: OptionalBy,
}

impl Rotate {
    /// Replaces the secrets and prints the new ones, only once.
    pub(in super::super) async fn run(self, config: &Config, env: &Env) -> anyhow::Result<()> {
        self.by.author()?;
        let client_secret = self.client_secret.read(env)?;
        ensure!(
            self.project_token
                || self.revoke_former
                || self.event_secret
                || self.revoke_former_secrets
                || client_secret.is_some(),
            "give at least one of --project-token, --revoke-former, --event-secret, --revoke-former-secrets, \
             --client-secret-env or -stdin"
        );
        let (outbox, vault) = open(config).await?;
        let hours = i64::from(self.keep_former_hours);
        let kept_until = (hours > 0).then(|| outbox.clock().now() + TimeDelta::hours(hours));
        let write = || self.write(&outbox, &vault, client_secret.as_ref(), kept_until);
        let (code, issued) = transact(write).await?;
        let kept_until = kept_until.filter(|_| !issued.is_empty());
        let mut out = std::io::stdout().lock();
        writeln!(out, "Rotated `{code}`.")?;
        for (name, secret) in issued {
            writeln!(out, "  {name}  {}", secret.expose_secret())?;
        }
        if let Some(until) = kept_until {
            writeln!(out, "What it replaces is valid until {}.", until.format("%Y-%m-%d %H:%M:%S UTC"))?;
        }
        Ok(())
    }

    /// Replaces the secrets in one transaction. Returns the widget's code and the new secrets.
    async fn write(
        &self,
        outbox: &Outbox,
        vault: &Vault,
        client_secret: Option<&SecretString>,
        kept_until: Option<DateTime<Utc>>,
    ) -> anyhow::Result<(String, Vec<(&'static str, SecretString)>)> {
        let (clock, by) = (outbox.clock().as_ref(), self.by.author()?);
        let now = clock.now();
        let mut unit = outbox.begin(trace(outbox)).await?;
        let (mut issued, mut acts) = (Vec::new(), Vec::new());
        if let Some(secret) = client_secret {
            let widget = find(&mut unit, &self.code).await?;
            vault.widgets().change_client_secret(&mut unit, &widget, secret).await?;
            acts.push(("widget.change_client_secret", Value::Null));
        }
        if self.event_secret {
            let widget = find(&mut unit, &self.code).await?;
            let secret = vault.widgets().rotate_event_secret(&mut unit, &widget, kept_until).await?;
            issued.push(("event secret ", secret));
            acts.push(("widget.rotate_event_secret", json!({ "former_until": kept_until })));
        }
        let widget = find(&mut unit, &self.code).await?;
        if self.revoke_former {
            former_credentials::revoke_tokens(&mut unit, widget.id, now).await?;
            acts.push(("widget.revoke_former", json!({ "revoked": "project tokens" })));
        }
        if self.revoke_former_secrets {
            former_credentials::revoke_secrets(&mut unit, widget.id, now).await?;
            acts.push(("widget.revoke_former", json!({ "revoked": "event secrets" })));
        }
        if self.project_token {
            let token = vault.widgets().rotate_project_token(&mut unit, &widget, kept_until).await?;
            issued.push(("project token", token));
            acts.push(("widget.rotate_project_token", json!({ "former_until": kept_until })));
        }
        for (action, after) in acts {
            let subject = ("widget", widget.id.to_string());
            let act = Act { action, subject, reason: by.reason, before: Value::Null, after: by.named(after) };
            record(&mut unit, clock, act).await?;
        }
        unit.commit().await?;
        Ok((widget.code, issued))
    }
}
