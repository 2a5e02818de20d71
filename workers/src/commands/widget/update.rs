//! `flysk-worker widget:update`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use clap::Args;
use flysk_clients::outbound::AllowRule;
use flysk_domain::id::WidgetId;
use flysk_domain::platform::billing::BillingSettings;
use flysk_domain::platform::delivery::{LONGEST_DELAY_S, MOST_RETRIES};
use flysk_domain::platform::lifecycle::EventKind;
use flysk_store::Conn;
use flysk_store::platform::widget_schemas;
use flysk_store::platform::widgets::{self, Changes};
use flysk_vault::registry::check_redirect_uri;
use flysk_workers::config::Config;
use serde_json::Value;
use url::Url;

use super::{find, open};
use crate::commands::transaction::transact;

/// What can be set at registration and changed later.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// URL of the backend that events are sent to; `none` sends them nowhere.
    #[arg(long)]
    event_url: Option<String>,
    /// URL for one kind of event instead, such as `install=https://…`; may be repeated. Replaces all former ones.
    #[arg(long, value_name = "KIND=URL")]
    event_url_of: Vec<String>,
    /// Seconds between attempts to deliver an event, such as `10,60,300,3600`; `usual` stands for 10,60,300.
    #[arg(long, value_name = "SECONDS,…")]
    delivery_delays: Option<String>,
    /// File with the JSON Schema that settings of installs must satisfy; `none` removes it.
    #[arg(long = "settings-schema", value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Version of the widget that the schema is for; without it, the schema is for all versions that have none of their own.
    #[arg(long = "settings-schema-of", value_name = "VERSION", requires = "schema")]
    schema_of: Option<String>,
    /// Whether access to the widget is sold by subscription.
    #[arg(long, value_name = "true|false")]
    uses_subscriptions: Option<bool>,
    /// Whether use of the widget is paid in Flycoins.
    #[arg(long, value_name = "true|false")]
    uses_flycoins: Option<bool>,
    /// File with the billing settings as JSON (docs/flycoins.md describes them); `none` removes them.
    #[arg(long, value_name = "FILE")]
    billing: Option<PathBuf>,
    /// Days that an account may use the widget before it pays.
    #[arg(long)]
    trial_days: Option<u16>,
}

impl Settings {
    /// Writes what was named, and `more`.
    pub(super) async fn write(
        &self,
        conn: &mut Conn,
        widget: (WidgetId, &str),
        more: Changes,
        config: &Config,
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let (id, code) = widget;
        let mut changes = self.changes(code, config, more)?;
        let schema = self.schema.as_deref().map(read_json).transpose()?;
        if let Some(Some(schema)) = &schema {
            jsonschema::validator_for(schema).context("the settings schema is none")?;
        }
        match (&self.schema_of, schema) {
            (None, schema) => changes.settings_schema = schema,
            (Some(version), Some(Some(schema))) => {
                widget_schemas::put(conn, id, checked_version(version)?, &schema, now).await?;
            }
            (Some(version), _) => widget_schemas::remove(conn, id, checked_version(version)?).await?,
        }
        Ok(widgets::update(conn, id, &changes, now).await?)
    }

    fn changes(&self, code: &str, config: &Config, more: Changes) -> anyhow::Result<Changes> {
        let opened = &opened(config)?;
        let event_url = match self.event_url.as_deref() {
            Some("none") => Some(None),
            Some(url) => Some(Some(checked_url(url, opened)?)),
            None => None,
        };
        let billing = self.billing.as_deref().map(read_json).transpose()?;
        if let Some(Some(billing)) = &billing {
            BillingSettings::read(billing, code)?;
        }
        Ok(Changes {
            event_url,
            event_urls: self.event_urls(opened)?.map(Some),
            delivery_delays: self.delivery_delays.as_deref().map(delays).transpose()?,
            uses_subscriptions: self.uses_subscriptions,
            uses_flycoins: self.uses_flycoins,
            billing,
            trial_days: self.trial_days,
            ..more
        })
    }

    fn event_urls(&self, opened: &[AllowRule]) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        if self.event_url_of.is_empty() {
            return Ok(None);
        }
        let mut urls = BTreeMap::new();
        for pair in &self.event_url_of {
            let (kind, url) = pair.split_once('=').context("--event-url-of takes KIND=URL")?;
            let kind: EventKind = kind.parse()?;
            urls.insert(kind.as_str().to_owned(), checked_url(url, opened)?);
        }
        Ok(Some(urls))
    }
}

/// What to change.
#[derive(Debug, Args)]
pub(in super::super) struct Update {
    /// The widget's code.
    code: String,
    /// Another name of the widget, as people read it.
    #[arg(long)]
    name: Option<String>,
    /// Another redirect URI, byte for byte as in the integration's settings in amoCRM.
    #[arg(long)]
    redirect_uri: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Update {
    /// Changes what was named.
    pub(in super::super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        if let Some(uri) = &self.redirect_uri {
            check_redirect_uri(uri)?;
        }
        let (outbox, _) = open(config).await?;
        let update = || async {
            let (name, redirect_uri) = (self.name.clone(), self.redirect_uri.clone());
            let named = Changes { name, redirect_uri, ..Changes::default() };
            let mut tx = outbox.pool().begin().await?;
            let widget = find(&mut tx, &self.code).await?;
            let now = outbox.clock().now();
            self.settings.write(&mut tx, (widget.id, &self.code), named, config, now).await?;
            tx.commit().await?;
            Ok(widget)
        };
        let widget = transact(update).await?;
        tracing::info!(widget = %widget.code, "updated");
        Ok(())
    }
}

/// What may be called although it is not public.
fn opened(config: &Config) -> anyhow::Result<Vec<AllowRule>> {
    let rules = config.outbound.allow.iter().map(|rule| rule.parse());
    rules.collect::<Result<_, _>>().context("FLYSK_OUTBOUND_ALLOW")
}

/// Events carry the project token, so they go by https; only what the deployment opened itself
/// (`FLYSK_OUTBOUND_ALLOW`) may be called in the clear. Whether an address leads into our own network is found out at
/// each delivery.
fn checked_url(text: &str, opened: &[AllowRule]) -> anyhow::Result<String> {
    let url = Url::parse(text).with_context(|| format!("`{text}` is not an address"))?;
    ensure!(matches!(url.scheme(), "http" | "https"), "`{text}` is not an http or https address");
    ensure!(
        url.scheme() == "https" || opened.iter().any(|rule| rule.opens(&url)),
        "`{text}` would carry the project token in the clear: use https"
    );
    Ok(text.to_owned())
}

/// As amoCRM has them in a widget's manifest.
fn checked_version(text: &str) -> anyhow::Result<&str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    ensure!(
        (1..=32).contains(&text.len()) && text.bytes().all(plain),
        "`{text}` is not a version like 1.4.0"
    );
    Ok(text)
}

fn delays(text: &str) -> anyhow::Result<Option<Vec<u32>>> {
    if text == "usual" {
        return Ok(None);
    }
    let delays: Vec<u32> = text
        .split(',')
        .map(|item| item.trim().parse())
        .collect::<Result<_, _>>()
        .context("--delivery-delays takes whole seconds separated by commas")?;
    ensure!(delays.len() <= MOST_RETRIES, "at most {MOST_RETRIES} retries");
    ensure!(
        delays.iter().all(|delay| (1..=LONGEST_DELAY_S).contains(delay)),
        "delays are 1 s to {LONGEST_DELAY_S} s"
    );
    Ok(Some(delays))
}

fn read_json(path: &Path) -> anyhow::Result<Option<Value>> {
    if path == Path::new("none") {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(Some(serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_by_https_or_to_what_the_deployment_opened() {
        let opened = ["127.0.0.1:8080".parse().unwrap()];
        for good in ["https://vendor.example/events", "http://127.0.0.1:8080/events"] {
            assert_eq!(checked_url(good, &opened).unwrap(), good);
        }
        for bad in
            ["http://vendor.example/events", "http://127.0.0.1:8081/events", "ftp://vendor.example/", "x"]
        {
            assert!(checked_url(bad, &opened).is_err(), "{bad}");
        }
    }
}
