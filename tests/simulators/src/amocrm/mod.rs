//! amoCRM (and Kommo): OAuth, account, users, notes, calls, events, webhooks.
//!
//! One server plays every host of amoCRM and tells them apart by the `Host` header: `demo.amocrm.ru`
//! is an account, `www.amocrm.ru` has the OAuth page, `api-b.amocrm.ru` tells the current subdomain.
//! Rules come from amoCRM's developer documentation (its sections on OAuth and the CRM platform); what it leaves open
//! is a switch of [`Quirks`].

mod account_api;
mod calls_api;
mod events_api;
mod fields;
mod grants;
mod guard;
mod hook_delivery;
mod hook_form;
mod hooks_api;
mod install;
mod jwt;
mod model;
mod note_rules;
mod notes_api;
mod notes_write;
mod oauth_page;
mod outside;
mod problem;
mod query;
mod quirks;
mod scenes;
mod sim_routes;
mod site;
mod subdomain;
mod token_endpoint;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use poem::{EndpointExt, Route, get, post};
use tokio_util::sync::CancellationToken;

pub use hook_delivery::Delivery;
pub use install::CallOutcome;
pub use jwt::{
    ACCESS_TOKEN_TTL_S, SigningFailed, WIDGET_TOKEN_TTL_S, WidgetTokenShape, disconnect_signature,
};
pub use model::{Account, Entity, EntityType, Hook, Integration, Note, Plan, Platform, User};
pub use quirks::Quirks;
pub use scenes::{Direction, NewCall, SceneError};

use crate::Running;
use crate::control::{Control, locked};
use crate::server;

/// The simulator would not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("the amoCRM simulator cannot listen")]
    Listen(#[from] std::io::Error),
    /// No key to sign access tokens with.
    #[error(transparent)]
    Key(#[from] SigningFailed),
    /// No HTTP client to call redirect URIs and hooks with.
    #[error("the amoCRM simulator cannot call out")]
    CallOut(#[from] reqwest::Error),
}

/// A test's hold on the simulated amoCRM. Clones share everything.
#[derive(Debug, Clone)]
pub struct Amocrm {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Mutex<world::World>,
    quirks: Mutex<Quirks>,
    meter: Mutex<guard::Meter>,
    deliveries: Mutex<Vec<Delivery>>,
    outside: outside::Outside,
    key: jwt::SigningKey,
    control: Control,
    /// Ends retries and late links when the simulator stops.
    background: CancellationToken,
}

impl Amocrm {
    /// Call log, scripts, clock.
    pub fn control(&self) -> &Control {
        &self.inner.control
    }

    /// How open questions are settled at the moment.
    pub fn quirks(&self) -> Quirks {
        locked(&self.inner.quirks).clone()
    }

    /// Settles open questions another way.
    pub fn set_quirks(&self, quirks: Quirks) {
        *locked(&self.inner.quirks) = quirks;
    }

    /// Calls to `origin` (`https://app.example.com`) go to `to` (`http://127.0.0.1:8080`) instead.
    pub fn route(&self, origin: &str, to: &str) {
        self.inner.outside.route(origin, to);
    }

    /// Runs until done or until the simulator stops.
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
            world: Mutex::default(),
            quirks: Mutex::default(),
            meter: Mutex::default(),
            deliveries: Mutex::default(),
            outside: outside::Outside::new()?,
            key: jwt::SigningKey::generate()?,
            control: control.clone(),
            background: background.clone(),
        }),
    };
    let account = Route::new()
        .at("/oauth2/access_token", post(token_endpoint::access_token))
        .nest("/api/v4", guard::Guard::new(amo.clone(), api_routes()))
        .data(amo.clone());
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
    Route::new()
        .at("/account", get(account_api::read_account))
        .at("/users", get(account_api::list_users))
        .at("/users/:id", get(account_api::read_user))
        .at("/widgets/:code", get(account_api::read_widget))
        .at("/webhooks", get(hooks_api::list).post(hooks_api::subscribe).delete(hooks_api::unsubscribe))
        .at("/events", get(events_api::list))
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
