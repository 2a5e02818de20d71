//! `flysk-worker widget:update`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use flysk_domain::platform::billing::BillingSettings;
use flysk_domain::platform::delivery::{LONGEST_DELAY_S, MOST_RETRIES};
use flysk_domain::platform::lifecycle::EventKind;
use flysk_store::platform::widgets::{self, Changes};
use flysk_vault::registry::check_redirect_uri;
use flysk_workers::config::Config;
use serde_json::Value;
use url::Url;

use super::{find, open};

/// What can be set at registration and changed later.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Where events go; `none` for nowhere.
    #[arg(long)]
    event_url: Option<String>,
    /// Where one kind of event goes instead: `install=https://…`. All of them are replaced.
    #[arg(long, value_name = "KIND=URL")]
    event_url_of: Vec<String>,
    /// Seconds between attempts to deliver an event: `10,60,300,3600`; `usual` for 10, 60, 300.
    #[arg(long, value_name = "SECONDS,…")]
    delivery_delays: Option<String>,
    /// A file with the JSON Schema that settings must satisfy; `none` for no schema.
    #[arg(long = "settings-schema", value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Access is sold by subscription.
    #[arg(long, value_name = "true|false")]
    uses_subscriptions: Option<bool>,
    /// Use is paid in Flycoins.
    #[arg(long, value_name = "true|false")]
    uses_flycoins: Option<bool>,
    /// A file with the billing settings, as docs/flycoins.md tells; `none` for none.
    #[arg(long, value_name = "FILE")]
    billing: Option<PathBuf>,
    /// Days of free trial.
    #[arg(long)]
    trial_days: Option<u16>,
}

impl Settings {
    /// The same for the store, checked.
    pub(super) fn changes(&self, code: &str) -> anyhow::Result<Changes> {
        let event_url = match self.event_url.as_deref() {
            Some("none") => Some(None),
            Some(url) => Some(Some(checked_url(url)?)),
            None => None,
        };
        let schema = self.schema.as_deref().map(read_json).transpose()?;
        if let Some(Some(schema)) = &schema {
            jsonschema::validator_for(schema).context("the settings schema is none")?;
        }
        let billing = self.billing.as_deref().map(read_json).transpose()?;
        if let Some(Some(billing)) = &billing {
            BillingSettings::read(billing, code)?;
        }
        Ok(Changes {
            event_url,
            event_urls: self.event_urls()?.map(Some),
            delivery_delays: self.delivery_delays.as_deref().map(delays).transpose()?,
            settings_schema: schema,
            uses_subscriptions: self.uses_subscriptions,
            uses_flycoins: self.uses_flycoins,
            billing,
            trial_days: self.trial_days,
            ..Changes::default()
        })
    }

    fn event_urls(&self) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        if self.event_url_of.is_empty() {
            return Ok(None);
        }
        let mut urls = BTreeMap::new();
        for pair in &self.event_url_of {
            let (kind, url) = pair.split_once('=').context("--event-url-of takes KIND=URL")?;
            let kind: EventKind = kind.parse()?;
            urls.insert(kind.as_str().to_owned(), checked_url(url)?);
        }
        Ok(Some(urls))
    }
}

/// What to change.
#[derive(Debug, Args)]
pub(in super::super) struct Update {
    /// The widget's code.
    code: String,
    /// For people.
    #[arg(long)]
    name: Option<String>,
    /// Byte for byte as in the integration's settings.
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
        let changes = Changes {
            name: self.name,
            redirect_uri: self.redirect_uri,
            ..self.settings.changes(&self.code)?
        };
        let (outbox, _) = open(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let widget = find(&mut conn, &self.code).await?;
        widgets::update(&mut conn, widget.id, &changes, outbox.clock().now()).await?;
        tracing::info!(widget = %widget.code, "updated");
        Ok(())
    }
}

/// Whether an address leads into our own network is found out at each delivery.
fn checked_url(text: &str) -> anyhow::Result<String> {
    let url = Url::parse(text).with_context(|| format!("`{text}` is not an address"))?;
    ensure!(matches!(url.scheme(), "http" | "https"), "`{text}` is not an http or https address");
    Ok(text.to_owned())
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
