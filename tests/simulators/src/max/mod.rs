//! MAX's Bot API, and the people who talk to the bot.
//!
//! Sources: dev.max.ru, docs-api (subscriptions, updates, messages, me); `schema.yaml` 0.0.30 of
//! `max-messenger/max-bot-api-client-go`. Unlike MAX, unknown fields of requests are refused.
//!
//! Control in addition to the common one: `GET /_sim/deliveries` lists the attempts to deliver updates, `GET
//! /_sim/chat/<person>` the lines of a dialogue.

mod api;
mod people;
mod refusal;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration as StdDuration;

use anyhow::Context as _;
use chrono::Duration;
use poem::web::{Data, Json, Path};
use poem::{EndpointExt as _, Route, get, handler, post};

use crate::bot::{Chats, Delivered, Deliveries, Line, Pace, Rules, ScenarioError, Webhook, app_routes};
use crate::control::Control;
use crate::lock::locked;
use crate::server::{self, Running};
pub use people::Card;

/// Options of the simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Listen address; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// Token of the bot.
    pub token: String,
    /// Nick of the bot in deep links: `id<INN>_bot`.
    pub username: String,
}

/// The simulator. Clones share its state.
#[derive(Debug, Clone)]
pub struct Max(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    token: String,
    username: String,
    state: Mutex<State>,
    deliveries: Arc<Deliveries>,
    control: Control,
}

#[derive(Debug)]
struct State {
    chats: Chats,
    /// 30 requests per second to the host.
    host_pace: Pace<()>,
    /// Two messages per second into one dialogue.
    chat_pace: Pace<i64>,
    last_message: u64,
}

impl Max {
    /// Sends webhooks for `origin` to `to`.
    pub fn route(&self, origin: &str, to: &str) {
        self.0.deliveries.route(origin, to);
    }

    /// The subscription of the bot.
    pub fn webhook(&self) -> Option<Webhook> {
        self.0.deliveries.webhook()
    }

    /// Delivers every update this many times, as after answers that came too late.
    pub fn deliver_copies(&self, copies: u32) {
        self.0.deliveries.set_copies(copies);
    }

    /// Attempts to deliver updates, oldest first.
    pub fn deliveries(&self) -> Vec<Delivered> {
        self.0.deliveries.log()
    }

    /// Number of updates that wait for delivery.
    pub fn pending(&self) -> usize {
        self.0.deliveries.pending()
    }

    /// Id of a person's dialogue with the bot.
    pub fn chat_id(&self, person: i64) -> Result<i64, ScenarioError> {
        Ok(locked(&self.0.state).chats.of(person)?.chat_id)
    }

    /// Lines of a dialogue, oldest first.
    pub fn chat(&self, person: i64) -> Result<Vec<Line>, ScenarioError> {
        Ok(locked(&self.0.state).chats.of(person)?.lines.clone())
    }
}

/// Starts the simulator.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(options: Options, control: Control) -> anyhow::Result<Running<Max>> {
    let rules = Rules {
        secret_header: "X-Max-Bot-Api-Secret",
        accepts: |status| status == 200,
        timeout: StdDuration::from_secs(30),
        first_delay: Duration::seconds(30),
        max_delay: Duration::seconds(60),
        keep: Duration::hours(24),
        unsubscribe_after: (Duration::hours(8), None),
    };
    let listener = server::bind(options.bind).await.context("MAX cannot listen")?;
    let background = tokio_util::sync::CancellationToken::new();
    let max = Max(Arc::new(Inner {
        token: options.token,
        username: options.username,
        state: Mutex::new(State {
            chats: Chats::default(),
            host_pace: Pace::per_second(30),
            chat_pace: Pace::per_second(2),
            last_message: 0,
        }),
        deliveries: Deliveries::new(rules, control.clone(), background.clone())?,
        control: control.clone(),
    }));
    let subscriptions = get(api::subscriptions).post(api::subscribe).delete(api::unsubscribe);
    let routes = Route::new()
        .at("/me", get(api::me))
        .at("/subscriptions", subscriptions)
        .at("/updates", get(api::updates))
        .at("/messages", post(api::send))
        .data(max.clone());
    let sim_routes = app_routes(&max)
        .at("/deliveries", get(read_deliveries).data(max.clone()))
        .at("/chat/:person", get(read_chat).data(max.clone()));
    let running = server::serve(listener, control, max, routes, sim_routes).context("MAX cannot serve")?;
    let stopping = running.stopping();
    tokio::spawn(async move {
        stopping.cancelled().await;
        background.cancel();
    });
    Ok(running)
}

#[handler]
fn read_deliveries(Data(max): Data<&Max>) -> Json<Vec<Delivered>> {
    Json(max.deliveries())
}

#[handler]
fn read_chat(Data(max): Data<&Max>, Path(person): Path<i64>) -> Json<Vec<Line>> {
    Json(max.chat(person).unwrap_or_default())
}
