//! Telegram's Bot API, and the people who talk to the bot.
//!
//! Sources: Telegram Bot API 10.1 (setWebhook, getUpdates, sendMessage); `tdlib/telegram-bot-api` 10.0 for webhooks; the
//! FAQ for rate limits. Unlike Telegram, unknown parameters are refused.
//!
//! Control in addition to the common one: `/_sim/people/<person>` is the app of a person, `GET /_sim/deliveries` lists the
//! attempts to deliver updates, `GET /_sim/chat/<person>` the lines of a dialogue.

mod api;
mod people;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration as StdDuration;

use anyhow::Context as _;
use chrono::Duration;
use poem::web::{Data, Json, Path};
use poem::{EndpointExt as _, Route, get, handler};

use crate::bot::{Chats, Delivered, Deliveries, Line, Pace, Rules, ScenarioError, Webhook, app_routes};
use crate::control::Control;
use crate::lock::locked;
use crate::server::{self, Running};
pub use people::{Card, Device};

/// Options of the simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Listen address; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// Token of the bot: `123456:ABC…`.
    pub token: String,
    /// Name of the bot in deep links.
    pub username: String,
}

/// The simulator. Clones share its state.
#[derive(Debug, Clone)]
pub struct Telegram(Arc<Inner>);

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
    /// About 30 messages per second of a bot.
    bot_pace: Pace<()>,
    /// About one message per second in a dialogue.
    chat_pace: Pace<i64>,
    last_message_id: i64,
}

impl Telegram {
    /// Sends webhooks for `origin` to `to`.
    pub fn route(&self, origin: &str, to: &str) {
        self.0.deliveries.route(origin, to);
    }

    /// The webhook that the bot has set.
    pub fn webhook(&self) -> Option<Webhook> {
        self.0.deliveries.webhook()
    }

    /// Removes the webhook, as somebody else with the token would.
    pub fn drop_webhook(&self) {
        self.0.deliveries.set_webhook(None);
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

    /// Lines of a dialogue, oldest first.
    pub fn chat(&self, person: i64) -> Result<Vec<Line>, ScenarioError> {
        Ok(locked(&self.0.state).chats.of(person)?.lines.clone())
    }
}

/// Starts the simulator.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(options: Options, control: Control) -> anyhow::Result<Running<Telegram>> {
    let rules = Rules {
        secret_header: "X-Telegram-Bot-Api-Secret-Token",
        accepts: |status| (200..300).contains(&status),
        timeout: StdDuration::from_mins(1),
        first_delay: Duration::seconds(1),
        max_delay: Duration::seconds(60),
        keep: Duration::hours(24),
        unsubscribe_after: (Duration::hours(23), Some(410)),
    };
    let listener = server::bind(options.bind).await.context("Telegram cannot listen")?;
    let background = tokio_util::sync::CancellationToken::new();
    let telegram = Telegram(Arc::new(Inner {
        token: options.token,
        username: options.username,
        state: Mutex::new(State {
            chats: Chats::default(),
            bot_pace: Pace::per_second(30),
            chat_pace: Pace::per_second(1),
            last_message_id: 0,
        }),
        deliveries: Deliveries::new(rules, control.clone(), background.clone())?,
        control: control.clone(),
    }));
    let routes = Route::new().at("/:bot/:method", get(api::call).post(api::call)).data(telegram.clone());
    let sim_routes = app_routes(&telegram)
        .at("/deliveries", get(read_deliveries).data(telegram.clone()))
        .at("/chat/:person", get(read_chat).data(telegram.clone()));
    let running =
        server::serve(listener, control, telegram, routes, sim_routes).context("Telegram cannot serve")?;
    let stopping = running.stopping();
    tokio::spawn(async move {
        stopping.cancelled().await;
        background.cancel();
    });
    Ok(running)
}

#[handler]
fn read_deliveries(Data(telegram): Data<&Telegram>) -> Json<Vec<Delivered>> {
    Json(telegram.deliveries())
}

#[handler]
fn read_chat(Data(telegram): Data<&Telegram>, Path(person): Path<i64>) -> Json<Vec<Line>> {
    Json(telegram.chat(person).unwrap_or_default())
}
