//! `flysk-worker widget:list` and `widget:show`. They never print secrets.

use std::io::Write as _;

use chrono::{DateTime, Utc};
use clap::Args;
use flysk_domain::platform::events::EventKind;
use flysk_store::platform::former_credentials;
use flysk_store::platform::widget_schemas;
use flysk_store::platform::widgets::{self, Widget};
use flysk_workers::config::Config;

use super::{find, open};

/// Lists all widgets.
#[derive(Debug, Args)]
pub(in super::super) struct List {}

impl List {
    /// Prints one line per widget.
    pub(in super::super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let (outbox, _) = open(config).await?;
        let all = widgets::list(&mut *outbox.pool().acquire().await?).await?;
        let mut out = std::io::stdout().lock();
        if all.is_empty() {
            writeln!(out, "No widgets.")?;
        }
        for widget in all {
            writeln!(
                out,
                "{}  {:<20} {:<7} {}  {}",
                widget.id, widget.code, widget.crm, widget.client_uuid, widget.name
            )?;
        }
        Ok(())
    }
}

/// Shows one widget.
#[derive(Debug, Args)]
pub(in super::super) struct Show {
    /// The widget's code.
    code: String,
}

impl Show {
    /// Prints everything but the secrets.
    pub(in super::super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let (outbox, _) = open(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let widget = find(&mut conn, &self.code).await?;
        let versions = widget_schemas::list_versions(&mut conn, widget.id).await?;
        let now = outbox.clock().now();
        let tokens = former_credentials::list_tokens(&mut conn, widget.id, now).await?;
        let secrets = former_credentials::list_secrets(&mut conn, widget.id, now).await?;
        let former = tokens.iter().map(|token| ("former token".to_owned(), valid_until(token.valid_until)));
        let former: Vec<_> = former
            .chain(secrets.iter().map(|secret| ("former secret".to_owned(), valid_until(secret.valid_until))))
            .collect();
        let own = ("versions with schema".to_owned(), versions.join(", "));
        let mut out = std::io::stdout().lock();
        for (name, value) in
            fields(&widget).into_iter().chain(former).chain(Some(own).filter(|_| !versions.is_empty()))
        {
            writeln!(out, "{name:<20} {value}")?;
        }
        Ok(())
    }
}

fn valid_until(end: DateTime<Utc>) -> String {
    format!("valid until {end}")
}

/// The kinds of events that the widget receives.
fn received(widget: &Widget) -> String {
    let kinds = EventKind::ALL.iter().filter(|kind| widget.receives(**kind));
    kinds.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn fields(widget: &Widget) -> Vec<(String, String)> {
    let json = |value: Option<&serde_json::Value>| value.map_or_else(|| "–".to_owned(), ToString::to_string);
    let delays = widget.delivery_delays.as_ref().map_or_else(
        || "10, 60, 300 s".to_owned(),
        |delays| delays.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") + " s",
    );
    let mut fields = vec![
        ("id", widget.id.to_string()),
        ("code", widget.code.clone()),
        ("name", widget.name.clone()),
        ("platform", widget.crm.to_string()),
        ("client id", widget.client_uuid.clone()),
        ("redirect URI", widget.redirect_uri.clone()),
        ("events carry token", widget.events_carry_token.to_string()),
        ("events", received(widget)),
        ("delivery delays", delays),
        ("settings schema", json(widget.settings_schema.as_deref())),
        ("uses subscriptions", widget.uses_subscriptions.to_string()),
        ("uses Flycoins", widget.uses_flycoins.to_string()),
        ("billing", json(widget.billing.as_deref())),
        ("trial days", widget.trial_days.to_string()),
        ("registered", widget.created_at.to_string()),
        ("changed", widget.updated_at.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect::<Vec<_>>();
    fields.extend(
        EventKind::ALL
            .iter()
            .map(|&kind| (format!("{kind} event URL"), widget.event_url_of(kind).unwrap_or("–").to_owned())),
    );
    fields
}
