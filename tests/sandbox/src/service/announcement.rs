//! What a vendor's test needs to know: printed when the sandbox is ready, and read at `/_sandbox/state`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::database::PrivateDatabase;
use super::print;
use super::problem::Problem;
use super::registration::RegisteredWidget;
use super::scene::{ClockMode, Scene};

/// The sandbox's addresses, credentials and accounts.
#[derive(Debug, Serialize)]
pub(super) struct State {
    /// Whether the widget is registered, and installed in the accounts of the start.
    ready: bool,
    /// Base URL of the API: `FLYSK` of the guides.
    url: String,
    /// Base URL of the control API.
    control_url: String,
    /// The page for people.
    console_url: String,
    clock: ClockState,
    widget: WidgetState,
    /// `X-Project-Token` of the backend.
    project_token: String,
    /// Key that verifies events.
    event_secret: String,
    /// Where events are sent; null: the sandbox accepts them itself.
    event_url: Option<String>,
    accounts: Vec<AccountState>,
    simulators: SimulatorState,
}

#[derive(Debug, Serialize)]
pub(super) struct ClockState {
    pub(super) now: DateTime<Utc>,
    pub(super) mode: ClockMode,
}

#[derive(Debug, Serialize)]
struct WidgetState {
    id: String,
    code: String,
    name: String,
    /// Client id of its integration.
    client_id: String,
    /// Secret key of its integration, for backends that read one-time tokens themselves.
    client_secret: String,
    services: Vec<String>,
    packages: Vec<String>,
    plans: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SimulatorState {
    amocrm: String,
    bank: String,
    /// Where the bank's form is shown.
    bank_form: String,
}

/// An account, with the widget's install in it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AccountState {
    pub(super) id: u64,
    pub(super) subdomain: String,
    pub(super) base_domain: String,
    pub(super) name: String,
    pub(super) install_id: Option<String>,
    /// Status of the install; null if the widget was never installed.
    pub(super) status: Option<String>,
    pub(super) users: Vec<UserState>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct UserState {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) is_admin: bool,
    /// False: blocked.
    pub(super) is_active: bool,
    /// POST answers with an `X-Auth-Token`.
    pub(super) token_url: String,
}

#[derive(sqlx::FromRow)]
struct InstallRow {
    account_id: u64,
    id: String,
    status: String,
}

/// The clock now.
pub(super) fn clock_of(scene: &Scene) -> ClockState {
    ClockState { now: scene.sandbox.now(), mode: scene.plan.clock }
}

/// All accounts, by id.
///
/// # Errors
///
/// The database failed.
pub(super) async fn accounts_of(scene: &Scene) -> Result<Vec<AccountState>, Problem> {
    let installs: Vec<InstallRow> =
        sqlx::query_as("SELECT account_id, id, status FROM installs").fetch_all(&scene.sandbox.pool).await?;
    let mut installs: HashMap<u64, InstallRow> =
        installs.into_iter().map(|install| (install.account_id, install)).collect();
    let control_url = control_url(scene);
    let ids = scene.account_ids().into_iter();
    let accounts = ids.filter_map(|id| scene.sandbox.amocrm.state.account(id)).map(|account| {
        let install = installs.remove(&account.id);
        let (install_id, status) = install.map(|install| (install.id, install.status)).unzip();
        let token_url = |user: u64| format!("{control_url}/accounts/{}/users/{user}/token", account.id);
        AccountState {
            id: account.id,
            base_domain: account.host(),
            install_id,
            status,
            users: account
                .users
                .iter()
                .map(|user| UserState {
                    id: user.id,
                    name: user.name.clone(),
                    is_admin: user.is_admin,
                    is_active: user.is_active,
                    token_url: token_url(user.id),
                })
                .collect(),
            subdomain: account.subdomain,
            name: account.name,
        }
    });
    Ok(accounts.collect())
}

/// Everything, as of now.
///
/// # Errors
///
/// The sandbox is starting, or the database failed.
pub(super) async fn state_of(scene: &Scene) -> Result<State, Problem> {
    let registered = scene.widget()?;
    let definition = &scene.plan.widget;
    let url = scene.plan.public_url.clone();
    Ok(State {
        ready: scene.is_ready(),
        control_url: control_url(scene),
        console_url: format!("{}/", control_url(scene)),
        clock: clock_of(scene),
        widget: WidgetState {
            id: registered.id.to_string(),
            code: definition.code.clone(),
            name: definition.name.clone(),
            client_id: definition.client_id.clone(),
            client_secret: definition.client_secret.clone(),
            services: definition.services().into_iter().map(|service| service.code).collect(),
            packages: definition.packages.iter().map(|package| package.code.clone()).collect(),
            plans: definition.plans.iter().map(|plan| plan.code.clone()).collect(),
        },
        project_token: registered.project_token.expose_secret().to_owned(),
        event_secret: registered.event_secret.expose_secret().to_owned(),
        event_url: scene.outside.events.proxy.target(),
        accounts: accounts_of(scene).await?,
        simulators: SimulatorState {
            amocrm: scene.sandbox.amocrm.url.clone(),
            bank: scene.sandbox.bank.url.clone(),
            bank_form: format!("{url}{}", super::scene::BANK_PATH),
        },
        url,
    })
}

fn control_url(scene: &Scene) -> String {
    format!("{}/_sandbox", scene.plan.public_url)
}

/// Prints that the sandbox is ready: one line of JSON to standard output, and text for people to standard error.
///
/// # Errors
///
/// Nobody reads.
pub(super) async fn announce(
    scene: &Scene,
    database: &PrivateDatabase,
    no_json: bool,
    booted_in: Duration,
) -> anyhow::Result<()> {
    let state = state_of(scene).await?;
    let text = describe(scene, &state, &scene.widget()?, database, booted_in)?;
    print(std::io::stderr().lock(), &text)?;
    // Last: programs wait for it.
    if no_json { Ok(()) } else { print(std::io::stdout().lock(), &serde_json::to_string(&state)?) }
}

fn describe(
    scene: &Scene,
    state: &State,
    widget: &RegisteredWidget,
    database: &PrivateDatabase,
    booted_in: Duration,
) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(
        text,
        "Flysk's sandbox is ready after {:.2} s ({:.2} s of them for the database {})",
        booted_in.as_secs_f64(),
        database.prepared_in.as_secs_f64(),
        database.name
    )?;
    writeln!(text, "   API             {}", state.url)?;
    writeln!(text, "   Console         {}", state.console_url)?;
    let events = state.event_url.as_deref().unwrap_or("accepted by the sandbox (--event-url)");
    writeln!(text, "   Events          {events}")?;
    writeln!(text, "   Project token   {}", widget.project_token.expose_secret())?;
    writeln!(text, "   Event secret    {}", widget.event_secret.expose_secret())?;
    for account in &state.accounts {
        let status = account.status.as_deref().unwrap_or("not installed");
        let users = account.users.iter().map(|user| {
            let role = if user.is_admin { "administrator" } else { "user" };
            format!("{role} {}", user.id)
        });
        let users = users.collect::<Vec<_>>().join(", ");
        writeln!(text, "   Account         {} ({}): {status}; {users}", account.id, account.base_domain)?;
    }
    if let Some(user) = state.accounts.iter().flat_map(|account| &account.users).next() {
        writeln!(text, "   X-Auth-Token    curl -sS -X POST {}", user.token_url)?;
    }
    let clock = match scene.plan.clock {
        ClockMode::Frozen => "stands until POST /_sandbox/clock/advance moves it",
        ClockMode::Running => "runs, and POST /_sandbox/clock/advance moves it on",
    };
    write!(text, "   Time            {}, {clock}", state.clock.now.format("%Y-%m-%d %H:%M:%S UTC"))?;
    Ok(text)
}
