//! A webhook's receiver that answers as told.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use flysk_simulators::SimClock;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{Body, EndpointExt as _, Request, Route, Server, handler, post};
use serde_json::Value;

/// A received update.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) secret: Option<String>,
    pub(crate) body: Value,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    status: Arc<Mutex<u16>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Self { url, received: Arc::default(), status: Arc::new(Mutex::new(200)) };
        let routes = Route::new().at("/*path", post(take)).data(receiver.clone());
        tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_tokio(listener).unwrap()).run(routes));
        receiver
    }

    pub(crate) fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until `count` updates have arrived, whatever was answered.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Received> {
        let arrived = async {
            while self.received().len() < count {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(2), arrived).await.expect("updates arrive");
        self.received()
    }
}

/// Moves the clock by `step` and waits for the next attempt to deliver; `attempts` counts them. The clock may be moved before
/// the simulator begins to wait for its delay, so it is moved on by a minute until the attempt is made.
pub(crate) async fn next_attempt(clock: &SimClock, step: TimeDelta, attempts: impl Fn() -> usize) {
    let before = attempts();
    clock.advance(step);
    for round in 1..=2_000 {
        if attempts() > before {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        if round % 20 == 0 {
            clock.advance(TimeDelta::minutes(1));
        }
    }
    panic!("no attempt is made");
}

#[handler]
async fn take(request: &Request, Data(receiver): Data<&Receiver>, body: Body) -> StatusCode {
    let secret = ["x-telegram-bot-api-secret-token", "x-max-bot-api-secret"]
        .iter()
        .find_map(|name| request.header(*name))
        .map(str::to_owned);
    let body = body.into_json().await.unwrap();
    receiver.received.lock().unwrap().push(Received { secret, body });
    StatusCode::from_u16(*receiver.status.lock().unwrap()).unwrap()
}
