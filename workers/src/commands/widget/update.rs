//! `flysk-worker widget:update`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use clap::Args;
use flysk_clients::outbound::AllowRule;
use flysk_domain::TextEnum as _;
use flysk_domain::id::{EventId, WidgetId};
use flysk_domain::platform::billing::BillingSettings;
use flysk_domain::platform::events::EventKind;
use flysk_domain::trace::Trace;
use flysk_queue::Outbox;
use flysk_services::subscriptions::{begin_sale, list_losing_access};
use flysk_services::widgets::{
    SettingsSchema, check_event_url, check_redirect_uri, check_widget_version, parse_delivery_delays,
    parse_event_kinds,
};
use flysk_store::Conn;
use flysk_store::platform::widgets::{self, Changes};
use flysk_store::platform::{initial_switch, widget_schemas};
use flysk_workers::config::Config;
use serde_json::Value;

use super::{find, open, state_of};
use crate::commands::by::OptionalBy;
use crate::commands::record::{Act, record};
use crate::commands::trace::trace;
use crate::commands::transaction::transact;

/// Maximum number of accounts printed before a widget begins to sell subscriptions.
const MAX_ACCOUNTS_SHOWN: usize = 1_000;

/// Settings for registration and update.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// URL of the backend for events; `none` removes it.
    #[arg(long)]
    event_url: Option<String>,
    /// URL for one kind of event, such as `install=https://…`; may be repeated. Replaces all previous ones.
    #[arg(long, value_name = "KIND=URL")]
    event_url_of: Vec<String>,
    /// Kinds of events to send, such as `install,activate,deactivate,flycoins.purchased`; `all`, or `usual` for install,
    /// activate and deactivate.
    #[arg(long, value_name = "KIND,…")]
    events: Option<String>,
    /// Whether events carry the project token beside their signatures.
    #[arg(long, value_name = "true|false")]
    events_carry_token: Option<bool>,
    /// Seconds between attempts to deliver an event, such as `10,60,300,3600`; `usual` restores the default, 10,60,300.
    #[arg(long, value_name = "SECONDS,…")]
    delivery_delays: Option<String>,
    /// File with the JSON Schema for the settings of installs; `none` removes it.
    #[arg(long = "settings-schema", value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Version of the widget that the schema is for; by default, all versions without a schema of their own.
    #[arg(long = "settings-schema-of", value_name = "VERSION", requires = "schema")]
    schema_of: Option<String>,
    /// Whether accounts buy access to the widget by subscription.
    #[arg(long, value_name = "true|false")]
    uses_subscriptions: Option<bool>,
    /// Whether accounts pay for the widget in Flycoins.
    #[arg(long, value_name = "true|false")]
    uses_flycoins: Option<bool>,
    /// File with the billing settings as JSON (see docs/flycoins.md); `none` removes them.
    #[arg(long, value_name = "FILE")]
    billing: Option<PathBuf>,
    /// Whether users of an account occupy the seats of its subscription, so that a user without one is refused. Changes
    /// `subscriptions.seats_per_user` of the billing settings.
    #[arg(long, value_name = "true|false")]
    seats_per_user: Option<bool>,
    /// Days for which an account may use the widget before paying.
    #[arg(long)]
    trial_days: Option<u16>,
    /// Whether new installs stay inactive until the backend switches them on (`PUT /v1/backend/switch`).
    #[arg(long, value_name = "true|false")]
    starts_switched_off: Option<bool>,
}

impl Settings {
    /// Before a widget begins to sell subscriptions: prints which accounts lose access, and when. Asks for a confirmation
    /// if there are any.
    async fn print_access_loss(&self, outbox: &Outbox, code: &str, confirmed: bool) -> anyhow::Result<()> {
        if self.uses_subscriptions != Some(true) {
            return Ok(());
        }
        let mut conn = outbox.pool().acquire().await?;
        let widget = find(&mut conn, code).await?;
        if widget.uses_subscriptions {
            return Ok(());
        }
        let trial_days = self.trial_days.unwrap_or(widget.trial_days);
        let now = outbox.clock().now();
        let losing = list_losing_access(&mut conn, &widget, trial_days, now).await?;
        let mut out = std::io::stdout().lock();
        for account in losing.iter().take(MAX_ACCOUNTS_SHOWN) {
            writeln!(out, "account {} loses access on {} unless it buys", account.account_id, account.on)?;
        }
        if let Some(more) = losing.len().checked_sub(MAX_ACCOUNTS_SHOWN).filter(|more| *more > 0) {
            writeln!(out, "{more} more accounts lose access on that day or later")?;
        }
        ensure!(
            losing.is_empty() || confirmed,
            "{} accounts lose access at the end of their trials: repeat the command with --confirm-access-loss",
            losing.len()
        );
        Ok(())
    }

    /// Stores the given settings and `more`.
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
        if let Some(seats_per_user) = self.seats_per_user {
            let stored = widgets::find(conn, id).await?.and_then(|widget| widget.billing);
            let stored = stored.map(|billing| billing.0);
            changes.billing =
                Some(Some(with_seats(changes.billing.unwrap_or(stored), code, seats_per_user)?));
        }
        let schema = self.schema.as_deref().map(read_json).transpose()?;
        if let Some(Some(schema)) = &schema {
            SettingsSchema::check(schema)?;
        }
        match (&self.schema_of, schema) {
            (None, schema) => changes.settings_schema = schema,
            (Some(version), Some(Some(schema))) => {
                widget_schemas::put(conn, id, check_widget_version(version)?, &schema, now).await?;
            }
            (Some(version), _) => widget_schemas::remove(conn, id, check_widget_version(version)?).await?,
        }
        if let Some(starts_switched_off) = self.starts_switched_off {
            initial_switch::set_starts_switched_off(conn, id, starts_switched_off, now).await?;
        }
        Ok(widgets::update(conn, id, &changes, now).await?)
    }

    fn changes(&self, code: &str, config: &Config, more: Changes) -> anyhow::Result<Changes> {
        let allow_rules = &allow_rules(config)?;
        let event_url = match self.event_url.as_deref() {
            Some("none") => Some(None),
            Some(url) => Some(Some(checked_url(url, allow_rules)?)),
            None => None,
        };
        let billing = self.billing.as_deref().map(read_json).transpose()?;
        if let Some(Some(billing)) = &billing {
            BillingSettings::read(billing, code)?;
        }
        Ok(Changes {
            event_url,
            event_urls: self.event_urls(allow_rules)?.map(Some),
            events_carry_token: self.events_carry_token,
            event_kinds: self.events.as_deref().map(parse_event_kinds).transpose()?,
            delivery_delays: self.delivery_delays.as_deref().map(parse_delivery_delays).transpose()?,
            uses_subscriptions: self.uses_subscriptions,
            uses_flycoins: self.uses_flycoins,
            billing,
            trial_days: self.trial_days,
            ..more
        })
    }

    fn event_urls(&self, allow_rules: &[AllowRule]) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        if self.event_url_of.is_empty() {
            return Ok(None);
        }
        let mut urls = BTreeMap::new();
        for pair in &self.event_url_of {
            let (kind, url) = pair.split_once('=').context("--event-url-of takes KIND=URL")?;
            let kind: EventKind = kind.parse()?;
            urls.insert(kind.as_str().to_owned(), checked_url(url, allow_rules)?);
        }
        Ok(Some(urls))
    }
}

/// The settings to change.
#[derive(Debug, Args)]
pub(in super::super) struct Update {
    /// The widget's code.
    code: String,
    /// New name of the widget for users.
    #[arg(long)]
    name: Option<String>,
    /// New redirect URI, exactly as in the integration's settings in amoCRM.
    #[arg(long)]
    redirect_uri: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Begin to sell subscriptions although accounts will lose access at the end of their trials.
    #[arg(long)]
    confirm_access_loss: bool,
    #[command(flatten)]
    by: OptionalBy,
}

impl Update {
    /// Stores the given settings.
    pub(in super::super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let by = self.by.author()?;
        if let Some(uri) = &self.redirect_uri {
            check_redirect_uri(uri, &self.code)?;
        }
        let (outbox, _) = open(config).await?;
        self.settings.print_access_loss(&outbox, &self.code, self.confirm_access_loss).await?;
        let update = || async {
            let (name, redirect_uri) = (self.name.clone(), self.redirect_uri.clone());
            let named = Changes { name, redirect_uri, ..Changes::default() };
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let widget = find(&mut unit, &self.code).await?;
            let before = state_of(&mut unit, &widget).await?;
            let now = outbox.clock().now();
            self.settings.write(&mut unit, (widget.id, &self.code), named, config, now).await?;
            let changed = find(&mut unit, &self.code).await?;
            let mut after = state_of(&mut unit, &changed).await?;
            if let (Some(fields), Some(version)) = (after.as_object_mut(), &self.settings.schema_of) {
                fields.insert("settings_schema_of".to_owned(), Value::from(version.as_str()));
            }
            let subject = ("widget", widget.id.to_string());
            let after = by.named(after);
            let act = Act { action: "widget.update", subject, reason: by.reason, before, after };
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            unit.commit().await?;
            Ok(widget)
        };
        let widget = transact(update).await?;
        tracing::info!(widget = %widget.code, "widget updated");
        if self.settings.uses_subscriptions == Some(true) {
            let widget = find(&mut *outbox.pool().acquire().await?, &self.code).await?;
            let trace = Trace {
                correlation_id: format!("sale.{}", EventId::generate(outbox.clock().as_ref())),
                traceparent: None,
            };
            let begun = begin_sale(&outbox, &trace, &widget).await?;
            writeln!(
                std::io::stdout(),
                "{} trials started, {} subscriptions go on now.",
                begun.trials,
                begun.resumed
            )?;
        }
        Ok(())
    }
}

/// The billing settings with `subscriptions.seats_per_user`.
fn with_seats(billing: Option<Value>, code: &str, seats_per_user: bool) -> anyhow::Result<Value> {
    let mut settings = match billing {
        Some(billing) => BillingSettings::read(&billing, code)?,
        None => BillingSettings::default(),
    };
    settings.subscriptions.seats_per_user = seats_per_user;
    Ok(serde_json::to_value(settings)?)
}

/// Addresses that may be called although they are not public.
fn allow_rules(config: &Config) -> anyhow::Result<Vec<AllowRule>> {
    let rules = config.outbound.allow.iter().map(|rule| rule.parse());
    rules.collect::<Result<_, _>>().context("FLYSK_OUTBOUND_ALLOW")
}

/// The URL, if events may be sent to it.
fn checked_url(text: &str, allow_rules: &[AllowRule]) -> anyhow::Result<String> {
    check_event_url(text, |url| allow_rules.iter().any(|rule| rule.matches(url)))?;
    Ok(text.to_owned())
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
    fn seats_of_users_are_switched_without_touching_other_settings() {
        let set = |billing, on| with_seats(billing, "acme-notes", on).unwrap();
        let on = set(Some(serde_json::json!({ "subscriptions": { "grace_days": 3 } })), true);
        assert_eq!(on["subscriptions"]["grace_days"], 3);
        assert_eq!(on["subscriptions"]["seats_per_user"], true);
        let off = set(Some(on), false);
        assert_eq!(off["subscriptions"]["grace_days"], 3);
        assert_eq!(off["subscriptions"]["seats_per_user"], false);
        assert_eq!(set(None, false), serde_json::json!({ "flycoins": {} }));
    }

    #[test]
    fn events_go_by_https_or_to_what_the_deployment_opened() {
        let allow_rules = ["127.0.0.1:8080".parse().unwrap()];
        for good in ["https://vendor.example/events", "http://127.0.0.1:8080/events"] {
            assert_eq!(checked_url(good, &allow_rules).unwrap(), good);
        }
        for bad in
            ["http://vendor.example/events", "http://127.0.0.1:8081/events", "ftp://vendor.example/", "x"]
        {
            assert!(checked_url(bad, &allow_rules).is_err(), "{bad}");
        }
    }
}
