//! T-Bank's internet acquiring, API v2: `POST /v2/<Method>`, the payment form, notices.
//!
//! Rules come from the bank's OpenAPI document "Приём платежей" (1.80) and developer.tbank.ru/eacq; what they
//! leave open is a switch of [`Behaviour`]. A business failure is HTTP 200 with `Success: false`.
//!
//! Control, beside what every simulator has, under `/_sim`: `payments` (GET), `notices` (GET), `behaviour`
//! (GET, PUT), `terminals` (POST), `pay`, `settle`, `refund`, `notice`, `rebill` (POST).

mod api;
mod behaviour;
mod cancel;
mod charge;
mod fields;
mod form;
mod init;
mod model;
mod notices;
mod payer;
mod receipt;
mod refusal;
mod signature;
mod sim_routes;
mod states;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use poem::{EndpointExt, Route, get, post};
use tokio_util::sync::CancellationToken;

pub use behaviour::{Behaviour, Order, Refunds};
pub use model::{Card, Ending, Payment, Refund, TEST_CARDS, Terminal};
pub use notices::{Delivery, Forged};
pub use payer::SceneError;
pub use signature::sign;

use crate::control::{Control, locked};
use crate::server::{self, Running};

/// How the simulator is set up.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where to listen; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// The shops it knows.
    pub terminals: Vec<Terminal>,
}

/// A test's hold on the simulated bank. Clones share everything.
#[derive(Debug, Clone)]
pub struct TBank {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Mutex<model::World>,
    behaviour: Mutex<Behaviour>,
    deliveries: Mutex<Vec<Delivery>>,
    http: reqwest::Client,
    control: Control,
    /// Where the payment form is reached.
    url: String,
    /// Ends retries and late successes when the simulator stops.
    background: CancellationToken,
}

impl TBank {
    /// Call log, scripts, clock.
    pub fn control(&self) -> &Control {
        &self.inner.control
    }

    /// How it behaves.
    pub fn behaviour(&self) -> Behaviour {
        locked(&self.inner.behaviour).clone()
    }

    /// Sets how it behaves from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.inner.behaviour) = behaviour;
    }

    /// Adds a shop, or replaces the one with its key.
    pub fn add_terminal(&self, terminal: Terminal) {
        let mut world = locked(&self.inner.world);
        world.terminals.retain(|known| known.key != terminal.key);
        world.terminals.push(terminal);
    }

    /// All payments, oldest first.
    pub fn payments(&self) -> Vec<Payment> {
        locked(&self.inner.world).payments.clone()
    }

    /// A payment by the bank's number.
    pub fn payment(&self, payment_id: &str) -> Option<Payment> {
        locked(&self.inner.world).payments.iter().find(|payment| payment.id == payment_id).cloned()
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
            world: Mutex::new(model::World { terminals: options.terminals, ..model::World::default() }),
            behaviour: Mutex::default(),
            deliveries: Mutex::default(),
            http: reqwest::Client::builder().no_proxy().redirect(redirects).build()?,
            control: control.clone(),
            url: format!("http://{}", listener.local_addr()?),
            background: background.clone(),
        }),
    };
    let routes = Route::new()
        .at("/v2/:method", post(api::call))
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
