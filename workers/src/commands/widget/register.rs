//! `flysk-worker widget:register`.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use flysk_config::Env;
use flysk_domain::platform::crm::Crm;
use flysk_services::widgets::Registration;
use flysk_store::platform::widgets::Changes;
use flysk_workers::config::Config;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::update::Settings;
use super::{ClientSecret, find, open, state_of};
use crate::commands::by::OptionalBy;
use crate::commands::record::{Act, record};
use crate::commands::trace::trace;
use crate::commands::transaction::transact;

/// The widget to register.
#[derive(Debug, Args)]
pub(in super::super) struct Register {
    /// Unique code of the widget, part of URLs: a-z, 0-9, `-`.
    #[arg(long)]
    code: String,
    /// Name of the widget for users.
    #[arg(long)]
    name: String,
    /// CRM of the widget: amocrm or kommo.
    #[arg(long, default_value = "amocrm")]
    platform: Crm,
    /// Client id of the integration in amoCRM (a UUID).
    #[arg(long)]
    client_uuid: String,
    #[command(flatten)]
    client_secret: ClientSecret,
    /// Redirect URI, exactly as in the integration's settings in amoCRM.
    #[arg(long)]
    redirect_uri: String,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    by: OptionalBy,
}

impl Register {
    /// Registers the widget and prints its secrets, only once.
    pub(in super::super) async fn run(self, config: &Config, env: &Env) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let client_secret = self.client_secret.read(env)?;
        let wanted = Registration {
            code: self.code,
            name: self.name,
            crm: self.platform,
            client_uuid: self.client_uuid,
            client_secret: client_secret.context("give --client-secret-env or --client-secret-stdin")?,
            redirect_uri: self.redirect_uri,
        };
        let (outbox, vault) = open(config).await?;
        let register = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let issued = vault.widgets().register(&mut unit, &wanted).await?;
            let now = outbox.clock().now();
            let more = Changes::default();
            self.settings.write(&mut unit, (issued.id, &wanted.code), more, config, now).await?;
            let registered = find(&mut unit, &wanted.code).await?;
            let act = Act {
                action: "widget.register",
                subject: ("widget", issued.id.to_string()),
                reason: by.reason,
                before: Value::Null,
                after: by.named(state_of(&mut unit, &registered).await?),
            };
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            unit.commit().await?;
            Ok(issued)
        };
        let issued = transact(register).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "Registered `{}` as {}.", wanted.code, issued.id)?;
        writeln!(out, "Shown only once, store them now:")?;
        writeln!(out, "  project token  {}", issued.project_token.expose_secret())?;
        writeln!(out, "  event secret   {}", issued.event_secret.expose_secret())?;
        Ok(())
    }
}
