//! T-Bank's T-API for businesses: invoices that are paid by transfer, their documents, and the statement of one account.
//!
//! The rules come from the bank's portal for businesses (T-API). Behaviour that it leaves open is a switch of [`Behaviour`].
//!
//! Control in addition to the common one, under `/_sim`: `invoices`, `operations` (GET), `behaviour` (GET, PUT), `credit`, `pay`,
//! `change-ids` (POST).

mod api;
mod check;
mod model;
mod sim_routes;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use flysk_domain::Clock as _;
use poem::{EndpointExt, Route, get, post};

pub use model::{Behaviour, Operation, SentInvoice, Transfer};

use crate::control::Control;
use crate::lock::locked;
use crate::server::{self, Running};

/// Options of the simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Listen address; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// Token that is accepted.
    pub token: String,
    /// The account, 20 digits.
    pub account: String,
}

/// Test handle of the simulated bank. Clones share its state.
#[derive(Debug, Clone)]
pub struct TApi {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    behaviour: Mutex<Behaviour>,
    books: Mutex<model::Books>,
    control: Control,
    /// Address on the network.
    url: String,
}

impl TApi {
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

    /// All invoices, oldest first.
    pub fn invoices(&self) -> Vec<SentInvoice> {
        locked(&self.inner.books).invoices.clone()
    }

    /// All operations, in the order in which they are listed.
    pub fn operations(&self) -> Vec<Operation> {
        locked(&self.inner.books).operations.clone()
    }

    /// Books a transfer now; returns the operation's id.
    pub fn credit(&self, transfer: Transfer) -> String {
        let now = self.inner.control.clock().now();
        locked(&self.inner.books).book(transfer, now)
    }

    /// The payer of an invoice pays its sum from the invoice itself: the bank knows it, and the statement lists it. `None` if
    /// there is no such invoice.
    pub fn pay(&self, number: &str) -> Option<String> {
        let now = self.inner.control.clock().now();
        let mut books = locked(&self.inner.books);
        let invoice = books.invoices.iter_mut().find(|invoice| invoice.number == number)?;
        invoice.paid = true;
        let transfer = Transfer {
            kopecks: invoice.kopecks,
            payer_inn: invoice.payer_inn.clone(),
            payer_name: invoice.payer_name.clone(),
            purpose: invoice.purpose.clone(),
            ..Transfer::default()
        };
        Some(books.book(transfer, now))
    }

    /// Gives all operations other ids, as the bank does at night.
    pub fn change_ids(&self) {
        for operation in &mut locked(&self.inner.books).operations {
            operation.id = model::fresh_id();
        }
    }
}

/// Starts a bank without invoices and operations.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(options: Options, control: Control) -> anyhow::Result<Running<TApi>> {
    let listener = server::bind(options.bind).await.context("the T-API cannot listen")?;
    let bank = TApi {
        inner: Arc::new(Inner {
            options,
            behaviour: Mutex::default(),
            books: Mutex::default(),
            control: control.clone(),
            url: format!("http://{}", listener.local_addr()?),
        }),
    };
    let routes = Route::new()
        .at("/openapi/api/v1/invoice/send", post(api::send_invoice))
        .at("/openapi/api/v1/openapi/invoice/:id/info", get(api::invoice_info))
        .at("/openapi/api/v1/statement", get(api::statement))
        .at("/invoices/api/v1/public/document/:slug", get(api::document).head(api::no_head))
        .data(bank.clone());
    Ok(server::serve(listener, control, bank.clone(), routes, sim_routes::routes(&bank))?)
}
