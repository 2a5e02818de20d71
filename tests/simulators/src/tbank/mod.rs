//! T-Bank's internet acquiring, API v2: `POST /v2/<Method>`, the payment form, notifications.
//!
//! The rules come from the bank's OpenAPI document "Приём платежей" (1.80) and developer.tbank.ru/eacq. Behaviour
//! that they leave open is a switch of [`Behaviour`]. A business failure is HTTP 200 with `Success: false`.
//!
//! Control in addition to the common one, under `/_sim`: `payments` (GET), `notifications` (GET), `behaviour`
//! (GET, PUT), `terminals` (POST), `cards` (GET, POST), `pay`, `settle`, `refund`, `notification`, `rebill`, `bind`, `lose`
//! (POST).

mod addresses;
mod answer;
mod api;
mod behaviour;
mod cancel;
mod cards;
mod changes;
mod charge;
mod closing_receipt;
mod fields;
mod form;
mod init;
mod model;
mod notifications;
mod own_cards;
mod payer;
mod rate_limit;
mod receipt;
mod refusal;
mod scenario_error;
mod signature;
mod sim_routes;
mod states;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use poem::{EndpointExt, Route, get, post};
use tokio_util::sync::CancellationToken;

pub use behaviour::{Behaviour, Order, Refunds};
pub use changes::Change;
pub use model::{
    Card, ChargeAnswer, ChargeScript, Ending, OwnCard, Payment, Refund, Source, TEST_CARDS, Terminal,
};
pub use notifications::{Delivery, Forged};
pub use scenario_error::ScenarioError;
pub use signature::sign;

use crate::control::Control;
use crate::lock::locked;
use crate::server::{self, Running};

/// Options of the simulator.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Listen address; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// Registered terminals.
    pub terminals: Vec<Terminal>,
}

/// Test handle of the simulated bank. Clones share its state.
#[derive(Debug, Clone)]
pub struct TBank {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    bank_state: Mutex<model::BankState>,
    behaviour: Mutex<Behaviour>,
    deliveries: Mutex<Vec<Delivery>>,
    changes: Mutex<Vec<changes::Change>>,
    /// Number of the next changes whose notifications are lost.
    losses: Mutex<u32>,
    requests: Mutex<rate_limit::Requests>,
    http: reqwest::Client,
    control: Control,
    /// Address on the network.
    url: String,
    addresses: Mutex<addresses::Addresses>,
    /// Cancelled when the simulator stops; ends retries and late successes.
    background: CancellationToken,
}

impl TBank {
    /// Call log, scripts, clock.
    pub fn control(&self) -> &Control {
        &self.inner.control
    }

    /// A copy; changes of it have no effect.
    pub fn behaviour(&self) -> Behaviour {
        locked(&self.inner.behaviour).clone()
    }

    /// Sets the behaviour.
    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.inner.behaviour) = behaviour;
    }

    /// Adds a terminal, or replaces the one with the same key.
    pub fn add_terminal(&self, terminal: Terminal) {
        let mut bank_state = locked(&self.inner.bank_state);
        bank_state.terminals.retain(|known| known.key != terminal.key);
        bank_state.terminals.push(terminal);
    }

    /// All payments, oldest first.
    pub fn payments(&self) -> Vec<Payment> {
        locked(&self.inner.bank_state).payments.clone()
    }

    /// A payment by its `PaymentId`.
    pub fn payment(&self, payment_id: &str) -> Option<Payment> {
        locked(&self.inner.bank_state).peek(payment_id).cloned()
    }

    /// Switches a terminal off or on again.
    pub fn block_terminal(&self, key: &str, blocked: bool) {
        let mut bank_state = locked(&self.inner.bank_state);
        for terminal in bank_state.terminals.iter_mut().filter(|terminal| terminal.key == key) {
            terminal.blocked = blocked;
        }
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

/// Starts a bank without payments.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(options: Options, control: Control) -> anyhow::Result<Running<TBank>> {
    let listener = server::bind(options.bind).await.context("T-Bank cannot listen")?;
    let background = CancellationToken::new();
    let redirects = reqwest::redirect::Policy::none();
    let bank = TBank {
        inner: Arc::new(Inner {
            bank_state: Mutex::new(model::BankState {
                terminals: options.terminals,
                ..model::BankState::default()
            }),
            behaviour: Mutex::default(),
            deliveries: Mutex::default(),
            changes: Mutex::default(),
            losses: Mutex::default(),
            requests: Mutex::default(),
            http: reqwest::Client::builder().no_proxy().redirect(redirects).build()?,
            control: control.clone(),
            url: format!("http://{}", listener.local_addr()?),
            addresses: Mutex::default(),
            background: background.clone(),
        }),
    };
    let routes = Route::new()
        .at("/v2/:method", post(api::call))
        .at("/cashbox/SendClosingReceipt", post(closing_receipt::call))
        .at("/pay/:slug", get(form::show).post(form::pay))
        .data(bank.clone());
    let running = server::serve(listener, control, bank.clone(), routes, sim_routes::routes(&bank))?;
    let stopping = running.stopping();
    tokio::spawn(async move {
        stopping.cancelled().await;
        background.cancel();
    });
    Ok(running)
}
