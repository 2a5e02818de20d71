//! Registers the widget of a sandbox, as an operator and the vendor would.

use anyhow::{Context as _, bail};
use flysk_domain::id::{PackageId, PlanId, WidgetId};
use flysk_domain::platform::billing::BillingSettings;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::ledger::Service;
use flysk_domain::platform::ledger::price::Tariff;
use flysk_domain::platform::purchases::PackageTerms;
use flysk_domain::platform::subscriptions::{Currency, PlanTerms};
use flysk_services::prices::set_price;
use flysk_services::widgets::{Registration, SettingsSchema, parse_event_kinds};
use flysk_simulators::amocrm::{Account, Integration, Plan, Platform, User};
use flysk_store::Conn;
use flysk_store::platform::widgets::{self, Changes};
use flysk_store::platform::{initial_switch, purchases, subscriptions, vendors};
use secrecy::SecretString;

use super::definition::{
    AccountDefinition, PackageDefinition, PlanDefinition, ServiceDefinition, UserDefinition, WidgetDefinition,
};
use crate::sandbox::Sandbox;
use crate::variables::PUBLIC_ORIGIN;

/// The seller of the widget, whom hosted pages and letters name.
const SELLER: (&str, &str, &str, &str) =
    ("ООО «Песочница»", "7707083893", "help@vendor.example", "+74951234567");

/// The widget with its secrets.
#[derive(Debug, Clone)]
pub(super) struct RegisteredWidget {
    pub(super) id: WidgetId,
    pub(super) project_token: SecretString,
    pub(super) event_secret: SecretString,
}

/// Registers the widget with everything that it sells. Its events go to `event_url`.
///
/// # Errors
///
/// The definition has a value that an operator's command would refuse.
pub(super) async fn register(
    sandbox: &Sandbox,
    widget: &WidgetDefinition,
    event_url: &str,
) -> anyhow::Result<RegisteredWidget> {
    let redirect_uri = format!("{PUBLIC_ORIGIN}/oauth/amocrm/callback");
    sandbox.amocrm.state.add_integration(Integration {
        client_id: widget.client_id.clone(),
        client_secret: widget.client_secret.clone(),
        redirect_uri: redirect_uri.clone(),
        disconnect_url: Some(format!("{PUBLIC_ORIGIN}/oauth/amocrm/disconnect")),
        code: widget.code.replace('-', "_"),
        scopes: ["crm", "files", "notifications"].map(str::to_owned).to_vec(),
        platform: Platform::Amocrm,
        only_account: None,
    });
    let wanted = Registration {
        code: widget.code.clone(),
        name: widget.name.clone(),
        crm: Crm::Amocrm,
        client_uuid: widget.client_id.clone(),
        client_secret: widget.client_secret.clone().into(),
        redirect_uri,
    };
    let mut tx = sandbox.pool.begin().await?;
    let issued = sandbox.executor.app().vault.widgets().register(&mut tx, &wanted).await?;
    let changes = changes(widget, event_url)?;
    widgets::update(&mut tx, issued.id, &changes, sandbox.now()).await?;
    if widget.starts_switched_off {
        initial_switch::set_starts_switched_off(&mut tx, issued.id, true, sandbox.now()).await?;
    }
    name_seller(&mut tx, sandbox, issued.id).await?;
    for service in widget.services() {
        price(&mut tx, sandbox, &service).await.with_context(|| format!("service `{}`", service.code))?;
    }
    for package in &widget.packages {
        offer_package(&mut tx, sandbox, issued.id, package)
            .await
            .with_context(|| format!("package `{}`", package.code))?;
    }
    for plan in &widget.plans {
        offer_plan(&mut tx, sandbox, issued.id, plan)
            .await
            .with_context(|| format!("plan `{}`", plan.code))?;
    }
    tx.commit().await?;
    let (project_token, event_secret) = (issued.project_token, issued.event_secret);
    Ok(RegisteredWidget { id: issued.id, project_token, event_secret })
}

fn changes(widget: &WidgetDefinition, event_url: &str) -> anyhow::Result<Changes> {
    BillingSettings::read(&widget.billing, &widget.code).context("`billing`")?;
    if let Some(schema) = &widget.settings_schema {
        SettingsSchema::check(schema).context("`settings_schema`")?;
    }
    Ok(Changes {
        event_url: Some(Some(event_url.to_owned())),
        event_kinds: Some(parse_event_kinds(&widget.events).context("`events`")?),
        delivery_delays: Some(widget.delivery_delays.clone()),
        settings_schema: Some(widget.settings_schema.clone()),
        uses_subscriptions: Some(widget.uses_subscriptions),
        uses_flycoins: Some(widget.uses_flycoins),
        billing: Some(Some(widget.billing.clone())),
        trial_days: Some(widget.trial_days),
        ..Changes::default()
    })
}

async fn name_seller(conn: &mut Conn, sandbox: &Sandbox, widget: WidgetId) -> anyhow::Result<()> {
    let mut vendor =
        vendors::find_vendor_of_widget(conn, widget).await?.context("the widget has no vendor")?;
    let (name, inn, email, phone) = SELLER;
    name.clone_into(&mut vendor.legal_name);
    vendor.inn = Some(inn.to_owned());
    vendor.email = Some(email.to_owned());
    vendor.phone = Some(phone.to_owned());
    vendors::update_vendor(conn, &vendor, sandbox.now()).await?;
    Ok(())
}

async fn price(conn: &mut Conn, sandbox: &Sandbox, wanted: &ServiceDefinition) -> anyhow::Result<()> {
    let service: Service = wanted.code.parse()?;
    let tariff = match (wanted.per_piece_micro, wanted.per_minute_micro) {
        (Some(rate), None) => Tariff::PerPiece { rate },
        (None, Some(rate)) => Tariff::PerMinute { rate, at_least_s: wanted.at_least_s },
        _ => bail!("give either `per_piece_micro` or `per_minute_micro`"),
    };
    // One reading: on a clock that runs, a second one would be later, and the price would begin in the past.
    let now = sandbox.now();
    set_price(conn, &service, tariff, now, now).await?;
    Ok(())
}

async fn offer_package(
    conn: &mut Conn,
    sandbox: &Sandbox,
    widget: WidgetId,
    wanted: &PackageDefinition,
) -> anyhow::Result<()> {
    let price = wanted.price_kopecks;
    let terms = PackageTerms {
        title: wanted.title.clone(),
        price,
        coins: wanted.coins_micro.map_or_else(|| price.to_coins(), Ok)?,
        bonus: wanted.bonus_micro,
        bonus_days: wanted.bonus_days,
    };
    terms.check()?;
    let (id, code) = (PackageId::generate(&sandbox.clock), wanted.code.parse()?);
    purchases::set_package(conn, id, widget, &code, &terms, sandbox.now()).await?;
    Ok(())
}

async fn offer_plan(
    conn: &mut Conn,
    sandbox: &Sandbox,
    widget: WidgetId,
    wanted: &PlanDefinition,
) -> anyhow::Result<()> {
    let terms = PlanTerms {
        title: wanted.title.clone(),
        prices: wanted.seat_kopecks.clone(),
        min_seats: wanted.min_seats,
        max_seats: wanted.max_seats,
        currency: Currency::Rub,
        features: wanted.features.clone(),
    };
    terms.check()?;
    let (id, code) = (PlanId::generate(&sandbox.clock), wanted.code.parse()?);
    subscriptions::set_plan(conn, id, widget, &code, &terms, sandbox.now()).await?;
    Ok(())
}

/// The account in the simulated amoCRM.
pub(super) fn account(wanted: &AccountDefinition) -> Account {
    Account {
        id: wanted.id,
        subdomain: wanted.subdomain.clone(),
        name: if wanted.name.is_empty() { wanted.subdomain.clone() } else { wanted.name.clone() },
        platform: Platform::Amocrm,
        plan: Plan::Extended,
        users: wanted.users.iter().map(user).collect(),
        blocked: false,
        unpaid_since: None,
        former_subdomains: Vec::new(),
    }
}

/// The user in the simulated amoCRM.
pub(super) fn user(wanted: &UserDefinition) -> User {
    User {
        id: wanted.id,
        name: wanted.name.clone(),
        email: format!("{}@example.test", wanted.id),
        is_admin: wanted.is_admin,
        is_active: true,
        is_free: false,
    }
}
