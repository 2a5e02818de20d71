//! `flysk-worker subscription:*`: an account's subscription, and the acts of operators.

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use clap::Args;
use flysk_domain::TextEnum as _;
use flysk_domain::id::AccountId;
use flysk_domain::platform::subscriptions::CancelOutcome;
use flysk_queue::{Outbox, UnitOfWork};
use flysk_services::audit_states::subscription_state;
use flysk_services::subscriptions::{self as services, Actor, OperatorAct, settings_of};
use flysk_store::platform::subscriptions::{self, SubscriptionRow};
use flysk_store::platform::widgets::Widget;
use flysk_store::platform::{installs, invoice_payments};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::{Value, json};

use super::by::By;
use super::record::{Act, record};
use super::trace::trace;
use super::transaction::transact;
use super::widget::find;

/// Entries of the log and invoices to show.
const ROWS_SHOWN: u32 = 20;

/// Selects a subscription.
#[derive(Debug, Args)]
pub(super) struct Owner {
    /// The widget's code.
    #[arg(long)]
    widget: String,
    /// The account's id in amoCRM.
    #[arg(long)]
    account: AccountId,
}

impl Owner {
    /// Locks the subscription, and creates it if the install is older than the widget's subscriptions.
    pub(super) async fn lock(
        &self,
        unit: &mut UnitOfWork,
        outbox: &Outbox,
    ) -> anyhow::Result<(Widget, SubscriptionRow)> {
        let widget = find(unit, &self.widget).await?;
        let install = installs::find_in_account(unit, widget.id, self.account).await?;
        let install = install
            .with_context(|| format!("account {} has not installed `{}`", self.account, self.widget))?;
        if let Some(row) = subscriptions::lock_subscription_of_install(unit, install.id).await? {
            return Ok((widget, row));
        }
        let install = installs::lock(unit, install.id).await?.context("the install is gone")?;
        let row = services::start_trial(unit, outbox.clock().as_ref(), &widget, &install).await?;
        let row = row.with_context(|| {
            format!("`{0}` sells no subscriptions: widget:update {0} --uses-subscriptions true", self.widget)
        })?;
        Ok((widget, row))
    }
}

/// Record of an act on a subscription for the audit log; `row` is as it was before.
pub(super) fn recorded<'a>(
    action: &'a str,
    row: &SubscriptionRow,
    act: OperatorAct<'a>,
    after: Value,
) -> Act<'a> {
    let (subject, before) = (("subscription", row.id.to_string()), subscription_state(row));
    let after = with(after, "operator", act.operator.into());
    Act { action, subject, reason: act.reason, before, after }
}

/// An object with another field.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}

/// Checks the invariants of all subscriptions, and of the payments that changed within two days.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Maximum number of violations to show for each rule.
    #[arg(long, default_value_t = 100)]
    limit: u32,
}

impl Verify {
    /// Prints the violations; fails if there are any.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let now = outbox.clock().now();
        let limit = self.limit.max(1);
        let mut found = subscriptions::verify_subscriptions(&mut conn, now, limit).await?;
        found.extend(subscriptions::verify_schedule(&mut conn, now, limit).await?);
        found.extend(invoice_payments::verify_payments(&mut conn, now, limit).await?);
        let mut out = std::io::stdout().lock();
        let rules = subscriptions::SUBSCRIPTION_RULES.into_iter().chain(subscriptions::SCHEDULE_RULES);
        for rule in rules.chain(invoice_payments::PAYMENT_RULES) {
            let count = found.iter().filter(|violation| violation.rule == rule).count();
            let verdict = if count == 0 { "correct".to_owned() } else { format!("{count} VIOLATIONS") };
            writeln!(out, "{rule:<24} {verdict}")?;
        }
        for violation in &found {
            writeln!(out, "{}: {}", violation.rule, violation.subscription_id)?;
        }
        ensure!(found.is_empty(), "subscriptions violate their invariants");
        Ok(())
    }
}

/// Shows a subscription.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    owner: Owner,
}

impl Show {
    /// Prints state, access, terms, invoices and log.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let now = outbox.clock().now();
        let mut unit = outbox.begin(trace(&outbox)).await?;
        let (widget, row) = self.owner.lock(&mut unit, &outbox).await?;
        let invoices = subscriptions::list_invoices(&mut unit, row.id, None, ROWS_SHOWN).await?;
        let actions = subscriptions::list_actions(&mut unit, row.id, ROWS_SHOWN).await?;
        let details = services::load_details(&mut unit, &widget, row, now).await?;
        unit.commit().await?;
        let subscription = &details.row.subscription;
        let access = details.access;
        let until = access.until.map_or_else(|| "–".to_owned(), |until| until.to_string());
        let plan = details
            .plan
            .as_ref()
            .map_or_else(|| "–".to_owned(), |plan| format!("{} v{}", plan.code, plan.version));
        let period = subscription.period.map_or_else(|| "–".to_owned(), |period| period.to_string());
        let due = details.row.next_due_at.map_or_else(|| "–".to_owned(), |at| at.to_string());
        let mut out = std::io::stdout().lock();
        for (name, value) in [
            ("id", details.row.id.to_string()),
            ("state", subscription.state.to_string()),
            ("access", format!("{} ({}) until {until}", access.level, access.reason)),
            ("plan", plan),
            ("seats", subscription.terms.map_or_else(|| "–".to_owned(), |terms| terms.seats.to_string())),
            ("period", period),
            ("ends with period", subscription.cancels.to_string()),
            ("renewal", renewal(&details).to_owned()),
            ("under review", subscription.needs_person.to_string()),
            ("next step", due),
        ] {
            writeln!(out, "{name:<20} {value}")?;
        }
        for change in details.pending {
            writeln!(out, "pending              {change:?}")?;
        }
        for invoice in invoices {
            writeln!(
                out,
                "invoice {}  {:<8} {:<5} {:>12} roubles, refunded {}  {}",
                invoice.id,
                invoice.kind.as_str(),
                invoice.state.as_str(),
                invoice.total.to_string(),
                invoice.refunded,
                invoice.title
            )?;
        }
        for action in actions {
            let reason = action.reason.map(|reason| format!("  ({reason})")).unwrap_or_default();
            writeln!(out, "{}  {:<24} {}{reason}", action.acted_at, action.actor, action.action)?;
        }
        Ok(())
    }
}

/// Whether a card is charged for the next period.
fn renewal(details: &services::SubscriptionDetails) -> &'static str {
    match (details.row.card_id, details.can_charge_card) {
        (None, _) => "off",
        (Some(_), true) => "by card",
        (Some(_), false) => "off: the card was saved at another terminal than the seller's",
    }
}

/// Charges the next period now.
#[derive(Debug, Args)]
pub(super) struct Renew {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    by: By,
}

impl Renew {
    /// Writes the invoice of the next period, or takes the open one, and has it charged if there is a card.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let renew = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let (widget, row) = self.owner.lock(&mut unit, &outbox).await?;
            let clock = outbox.clock().as_ref();
            let invoice = services::force_renewal(&mut unit, clock, &settings_of(&widget), &row, act).await?;
            let after = json!({ "invoice": invoice.id, "total_kopecks": invoice.total });
            record(&mut unit, clock, recorded("subscription.renew", &row, act, after)).await?;
            unit.commit().await?;
            Ok((invoice, row.card_id))
        };
        let (invoice, card) = transact(renew).await?;
        let how =
            if card.is_some() { "is being charged" } else { "waits for the customer: there is no card" };
        writeln!(std::io::stdout(), "Invoice {} over {} roubles {how}.", invoice.id, invoice.total)?;
        Ok(())
    }
}

/// Grants days.
#[derive(Debug, Args)]
pub(super) struct Bonus {
    #[command(flatten)]
    owner: Owner,
    /// Number of days, 1 to 366.
    #[arg(long)]
    days: u32,
    #[command(flatten)]
    by: By,
}

impl Bonus {
    /// Moves the next boundary.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let grant = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let (widget, row) = self.owner.lock(&mut unit, &outbox).await?;
            let (clock, settings) = (outbox.clock().as_ref(), settings_of(&widget));
            let new = services::grant_bonus_days(&mut unit, clock, &settings, &row, self.days, act).await?;
            let after = with(subscription_state(&new), "days", self.days.into());
            record(&mut unit, clock, recorded("subscription.bonus", &row, act, after)).await?;
            unit.commit().await?;
            Ok(new.subscription.access(clock.now(), &settings))
        };
        let access = transact(grant).await?;
        let until = access.until.map_or_else(|| "–".to_owned(), |until| until.to_string());
        writeln!(std::io::stdout(), "{} days granted: access is {} until {until}.", self.days, access.level)?;
        Ok(())
    }
}

/// Cancels a subscription for its customer.
#[derive(Debug, Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    by: By,
}

impl Cancel {
    /// Cancels at the end of the period, or at once while the next one is unpaid.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let cancel = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let (widget, row) = self.owner.lock(&mut unit, &outbox).await?;
            let (clock, actor) = (outbox.clock().as_ref(), Actor::Operator(act.operator));
            let settings = settings_of(&widget);
            let cancelled =
                services::cancel(&mut unit, clock, &settings, &row, actor, Some(act.reason)).await?;
            let after = subscription_state(&cancelled.0);
            record(&mut unit, clock, recorded("subscription.cancel", &row, act, after)).await?;
            unit.commit().await?;
            Ok(cancelled.1)
        };
        let when = match transact(cancel).await? {
            CancelOutcome::AtPeriodEnd(day) => format!("ends on {day}"),
            CancelOutcome::Now => "has ended".to_owned(),
        };
        writeln!(std::io::stdout(), "The subscription {when}.")?;
        Ok(())
    }
}

/// Reinstates a subscription that has ended.
#[derive(Debug, Args)]
pub(super) struct Reinstate {
    #[command(flatten)]
    owner: Owner,
    #[command(flatten)]
    by: By,
}

impl Reinstate {
    /// Opens the invoice of the period after the last one.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let outbox = open_outbox(config).await?;
        let reinstate = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let (widget, row) = self.owner.lock(&mut unit, &outbox).await?;
            let clock = outbox.clock().as_ref();
            let invoice = services::reinstate(&mut unit, clock, &settings_of(&widget), &row, act).await?;
            let after = json!({ "invoice": invoice.id, "total_kopecks": invoice.total });
            record(&mut unit, clock, recorded("subscription.reinstate", &row, act, after)).await?;
            unit.commit().await?;
            Ok(invoice)
        };
        let invoice = transact(reinstate).await?;
        writeln!(
            std::io::stdout(),
            "The subscription is reinstated: invoice {} over {} roubles for {} waits for its payment.",
            invoice.id,
            invoice.total,
            invoice.period
        )?;
        Ok(())
    }
}
