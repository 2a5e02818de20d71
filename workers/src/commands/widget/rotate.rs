//! `flysk-worker widget:rotate`.

use std::io::Write as _;

use anyhow::ensure;
use chrono::TimeDelta;
use clap::Args;
use flysk_jobs::Outbox;
use flysk_runtime::config::Env;
use flysk_store::platform::widgets;
use flysk_vault::Vault;
use flysk_workers::config::Config;
use secrecy::{ExposeSecret, SecretString};

use super::{ClientSecret, find, open};
use crate::commands::transaction::transact;

/// Which secrets to replace.
#[derive(Debug, Args)]
pub(in super::super) struct Rotate {
    /// The widget's code.
    code: String,
    /// Issue another project token, the backend's credential.
    #[arg(long)]
    project_token: bool,
    /// Hours that the present project token stays valid beside the new one; 0 revokes it at once.
    #[arg(long, value_name = "HOURS", default_value_t = 24, requires = "project_token")]
    keep_former_hours: u16,
    /// Revoke the former project token now, before its hours are over.
    #[arg(long, conflicts_with = "project_token")]
    revoke_former: bool,
    /// Issue another event secret, the key that signs events.
    #[arg(long)]
    event_secret: bool,
    #[command(flatten)]
    client_secret: ClientSecret,
}

impl Rotate {
    /// Replaces them and prints the new ones, this once.
    pub(in super::super) async fn run(self, config: &Config, env: &Env) -> anyhow::Result<()> {
        let client_secret = self.client_secret.read(env)?;
        ensure!(
            self.project_token || self.revoke_former || self.event_secret || client_secret.is_some(),
            "say what to rotate: --project-token, --revoke-former, --event-secret, --client-secret-env or -stdin"
        );
        let (outbox, vault) = open(config).await?;
        let (code, issued) = transact(|| self.write(&outbox, &vault, client_secret.as_ref())).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "Rotated `{code}`.")?;
        for (name, secret) in issued {
            writeln!(out, "  {name}  {}", secret.expose_secret())?;
        }
        Ok(())
    }

    /// The widget's code and what was issued, in one transaction.
    async fn write(
        &self,
        outbox: &Outbox,
        vault: &Vault,
        client_secret: Option<&SecretString>,
    ) -> anyhow::Result<(String, Vec<(&'static str, SecretString)>)> {
        let now = outbox.clock().now();
        let mut tx = outbox.pool().begin().await?;
        let mut issued = Vec::new();
        if let Some(secret) = client_secret {
            let widget = find(&mut tx, &self.code).await?;
            vault.change_client_secret(&mut tx, &widget, secret).await?;
        }
        if self.event_secret {
            let widget = find(&mut tx, &self.code).await?;
            issued.push(("event secret ", vault.rotate_event_secret(&mut tx, &widget).await?));
        }
        let widget = find(&mut tx, &self.code).await?;
        if self.revoke_former {
            widgets::revoke_former_token(&mut tx, widget.id, now).await?;
        }
        if self.project_token {
            let hours = i64::from(self.keep_former_hours);
            let former_until = (hours > 0).then(|| now + TimeDelta::hours(hours));
            issued.push(("project token", vault.rotate_project_token(&mut tx, &widget, former_until).await?));
        }
        tx.commit().await?;
        Ok((widget.code, issued))
    }
}
