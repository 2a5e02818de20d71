//! amoCRM (and Kommo): OAuth, account, users, leads, contacts, companies, tasks, notes, calls, events, webhooks, and its pages in
//! a browser.
//!
//! One server serves all hosts of amoCRM and distinguishes them by the `Host` header: `demo.amocrm.ru` is an
//! account, `www.amocrm.ru` has the OAuth page, `api-b.amocrm.ru` returns the current subdomain. The rules come
//! from amoCRM's developer documentation (sections on OAuth and the CRM platform). Behaviour that it leaves open
//! is a switch of [`Behaviour`].

mod account_api;
mod behaviour;
mod calls_api;
mod crm;
mod events_api;
mod fields;
mod grants;
mod guard;
mod hook_delivery;
mod hook_form;
mod hooks_api;
mod install;
mod jwt;
mod localhost;
mod model;
mod note_rules;
mod notes_api;
mod notes_write;
mod oauth_page;
pub(crate) mod outbound;
mod pages;
mod problem;
mod query;
mod records;
mod scenario;
mod sim_routes;
mod site;
mod state;
mod subdomain;
mod token_endpoint;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use poem::{EndpointExt, Route, get, post};
use tokio_util::sync::CancellationToken;

pub use behaviour::Behaviour;
pub use hook_delivery::Delivery;
pub use install::CallOutcome;
pub use jwt::{
    ACCESS_TOKEN_TTL_S, SigningFailed, WIDGET_TOKEN_TTL_S, WidgetTokenShape, disconnect_signature,
};
pub use model::{Account, Entity, EntityType, Hook, Integration, Note, Plan, Platform, User};
pub use pages::{History, PageMessage, PageOptions, Scheme};
pub use scenario::{Direction, NewCall, ScenarioError};

use crate::Running;
use crate::control::Control;
use crate::lock::locked;
use crate::server;

/// The simulator cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be bound.
    #[error("the amoCRM simulator cannot listen")]
    Listen(#[from] std::io::Error),
    /// The signing key of access tokens cannot be created.
    #[error(transparent)]
    Key(#[from] SigningFailed),
    /// The HTTP client for redirect URIs and hooks cannot be created.
    #[error("the amoCRM simulator cannot create an HTTP client")]
    CallOut(#[from] reqwest::Error),
}

/// Test handle of the simulated amoCRM. Clones share its state.
#[derive(Debug, Clone)]
pub struct Amocrm {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<state::AmocrmState>,
    behaviour: Mutex<Behaviour>,
    meter: Mutex<guard::RateMeter>,
    deliveries: Mutex<Vec<Delivery>>,
    /// Number of the next webhooks that are lost.
    webhook_losses: Mutex<u32>,
    pages: Mutex<pages::Pages>,
    outbound: outbound::OutboundClient,
    key: jwt::SigningKey,
    control: Control,
    /// Cancelled when the simulator stops; ends retries and delayed links.
    background: CancellationToken,
}

impl Amocrm {
    /// Call log, scripts, clock.
    pub fn control(&self) -> &Control {
        &self.inner.control
    }

    /// A copy; changes of it have no effect.
    pub fn behaviour(&self) -> Behaviour {
        locked(&self.inner.behaviour).clone()
    }

    /// Replaces the whole behaviour, for requests from now on.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        *locked(&self.inner.behaviour) = behaviour;
    }

    /// Redirects outgoing requests for `origin` (`https://app.example.com`) to `to` (`http://127.0.0.1:8080`).
    pub fn route(&self, origin: &str, to: &str) {
        self.inner.outbound.route(origin, to);
    }

    /// Redirects and webhooks get minutes to respond instead of amoCRM's 3 s and 2 s, for tests on a machine that may be busy for
    /// as long.
    pub fn be_patient(&self) {
        self.inner.outbound.be_patient();
    }

    /// Spawns a task that is cancelled when the simulator stops.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.inner.background.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }
}

/// Starts an amoCRM without accounts on `addr` (`None`: a free port of 127.0.0.1).
pub async fn start(addr: Option<SocketAddr>, control: Control) -> Result<Running<Amocrm>, StartError> {
    let background = CancellationToken::new();
    let amo = Amocrm {
        inner: Arc::new(Inner {
            state: Mutex::default(),
            behaviour: Mutex::default(),
            meter: Mutex::default(),
            deliveries: Mutex::default(),
            webhook_losses: Mutex::default(),
            pages: Mutex::default(),
            outbound: outbound::OutboundClient::new()?,
            key: jwt::SigningKey::generate()?,
            control: control.clone(),
            background: background.clone(),
        }),
    };
    let account = Route::new()
        .at("/oauth2/access_token", post(token_endpoint::access_token))
        .nest("/api/v4", guard::Guard::new(amo.clone(), api_routes()));
    let account = pages::with_pages(account).data(amo.clone());
    let www = Route::new()
        .at("/oauth", get(oauth_page::choose))
        .at("/oauth/answer", get(oauth_page::answer))
        .at("/oauth2/access_token", post(subdomain::wrong_host))
        .at("/oauth2/account/subdomain", get(subdomain::by_access_token))
        .data(amo.clone());
    let shared = Route::new()
        .at("/oauth2/account/current/subdomain", get(subdomain::by_refresh_token))
        .data(amo.clone());
    let hosts = site::ByHost::new(amo.clone(), account, www, shared);
    let hosts = localhost::Localhost::new(amo.clone(), hosts);
    let listener = server::bind(addr).await?;
    let running = server::serve(listener, control, amo.clone(), hosts, sim_routes::routes(&amo))?;
    let stopping = running.stopping();
    tokio::spawn(async move {
        stopping.cancelled().await;
        background.cancel();
    });
    Ok(running)
}

fn api_routes() -> Route {
    crm::routes(Route::new())
        .at("/account", get(account_api::read_account))
        .at("/users", get(account_api::list_users))
        .at("/users/:id", get(account_api::read_user))
        .at("/widgets/:code", get(account_api::read_widget))
        .at("/webhooks", get(hooks_api::list).post(hooks_api::subscribe).delete(hooks_api::unsubscribe))
        .at("/events", get(events_api::list))
        .at("/events/:id", get(events_api::one))
        .at("/calls", post(calls_api::add))
        .at("/:entity/notes", get(notes_api::list).post(notes_write::add).patch(notes_write::edit))
        .at("/:entity/notes/:id", get(notes_api::one))
        .at(
            "/:entity/:entity_id/notes",
            get(notes_api::list_of_entity)
                .post(notes_write::add_to_entity)
                .patch(notes_write::edit_of_entity),
        )
        .at("/:entity/:entity_id/notes/:id", get(notes_api::one_of_entity).patch(notes_write::edit_one))
}
