//! A shop with a simulated bank and a receiver of notifications.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flysk_simulators::tbank::{self, TBank, Terminal, sign};
use flysk_simulators::{Control, Running};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(crate) const KEY: &str = "TinkoffBankTest";
pub(crate) const PASSWORD: &str = "a-password";
pub(crate) const GOOD: &str = "2200000000000004";

/// The bank, and the notifications received from it.
pub(crate) struct Shop {
    pub(crate) bank: Running<TBank>,
    pub(crate) http: reqwest::Client,
    pub(crate) inbox: Arc<Mutex<Vec<Value>>>,
    pub(crate) reply: Arc<Mutex<&'static str>>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (inbox, reply) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new("OK")));
        let notifications_url = receiver(inbox.clone(), reply.clone()).await;
        let terminal = |key: &str, cash_register, charge_enabled| Terminal {
            key: key.to_owned(),
            password: PASSWORD.to_owned(),
            notification_url: Some(notifications_url.clone()),
            cash_register,
            charge_enabled,
            blocked: false,
        };
        let terminals = vec![
            terminal(KEY, false, true),
            terminal("WithRegister", true, false),
            Terminal { password: "another".to_owned(), ..terminal("Neighbour", false, true) },
        ];
        let bank = tbank::start(tbank::Options { bind: None, terminals }, Control::default()).await.unwrap();
        let redirects = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(redirects).build().unwrap();
        Self { bank, http, inbox, reply }
    }

    /// Calls a method with a valid token.
    pub(crate) async fn call(&self, method: &str, fields: Value) -> Value {
        self.call_as(KEY, method, fields).await
    }

    pub(crate) async fn call_as(&self, key: &str, method: &str, mut fields: Value) -> Value {
        fields["TerminalKey"] = json!(key);
        let password = if key == "Neighbour" { "another" } else { PASSWORD };
        fields["Token"] = json!(sign(&fields.to_string(), password).unwrap());
        self.send(method, &fields).await
    }

    /// Calls a method with this exact body; the response must be JSON.
    pub(crate) async fn send(&self, method: &str, body: &Value) -> Value {
        let response =
            self.http.post(format!("{}/v2/{method}", self.bank.url)).json(body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// Opens a payment of 499 roubles; returns its id.
    pub(crate) async fn init(&self, order_id: &str) -> String {
        let opened = self.call("Init", json!({"Amount": 49_900, "OrderId": order_id})).await;
        assert_eq!(opened["Success"], true, "{opened}");
        opened["PaymentId"].as_str().unwrap().to_owned()
    }

    /// Pays a parent payment; returns the `RebillId` of its card.
    pub(crate) async fn save_card(&self, order_id: &str, card: &str) -> String {
        let parent = json!({"Amount": 100, "OrderId": order_id, "Recurrent": "Y", "CustomerKey": "cust",
                            "DATA": {"OperationInitiatorType": "1"}});
        let opened = self.call("Init", parent).await;
        let paid = self.bank.state.pay(opened["PaymentId"].as_str().unwrap(), card).unwrap();
        paid.rebill_id.unwrap().to_string()
    }

    /// Notifications of a payment as (status, code, amount), in order of arrival.
    pub(crate) fn told(&self, payment_id: &str) -> Vec<(String, String, i64)> {
        let number = payment_id.parse::<u64>().unwrap();
        let inbox = self.inbox.lock().unwrap();
        let of = |notification: &&Value| notification["PaymentId"] == number;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let tell = |n: &Value| (text(&n["Status"]), text(&n["ErrorCode"]), n["Amount"].as_i64().unwrap());
        inbox.iter().filter(of).map(tell).collect()
    }

    /// Waits until the bank has nothing to do now, and plans to do something later.
    pub(crate) async fn next_is_planned(&self) {
        let clock = self.bank.control.clock();
        clock.until_idle().await;
        let mut looks = 0;
        while clock.next_work().is_none() {
            assert!(looks < 12_000, "nothing is planned");
            looks += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
            clock.until_idle().await;
        }
    }

    /// Waits until `count` notifications of a payment have arrived.
    pub(crate) async fn heard(&self, payment_id: &str, count: usize) -> Vec<(String, String, i64)> {
        for _ in 0..12_000 {
            if self.told(payment_id).len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let told = self.told(payment_id);
        assert_eq!(told.len(), count, "{told:?}");
        told
    }
}

pub(crate) fn code(answer: &Value) -> &str {
    answer["ErrorCode"].as_str().unwrap()
}

/// A receipt with one item.
pub(crate) fn receipt(amount: i64) -> Value {
    json!({"Taxation": "usn_income", "Email": "payer@example.test", "Items": [
        {"Name": "963 Flycoin", "Price": amount, "Quantity": 1, "Amount": amount, "Tax": "none"}]})
}

/// A minimal server that accepts POST requests and responds with one line.
async fn receiver(inbox: Arc<Mutex<Vec<Value>>>, reply: Arc<Mutex<&'static str>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/notifications", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let (inbox, reply) = (inbox.clone(), reply.clone());
            tokio::spawn(async move {
                let mut text = Vec::new();
                let body = loop {
                    let mut chunk = [0_u8; 4096];
                    let read = peer.read(&mut chunk).await.unwrap();
                    text.extend_from_slice(&chunk[..read]);
                    let whole = String::from_utf8_lossy(&text).into_owned();
                    let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
                    let length = head.lines().find_map(|line| {
                        line.to_ascii_lowercase()
                            .strip_prefix("content-length: ")
                            .and_then(|n| n.parse().ok())
                    });
                    if length.is_some_and(|length: usize| body.len() >= length) {
                        break body.to_owned();
                    }
                };
                inbox.lock().unwrap().push(serde_json::from_str(&body).unwrap());
                let reply = *reply.lock().unwrap();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{reply}",
                    reply.len()
                );
                peer.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    url
}
