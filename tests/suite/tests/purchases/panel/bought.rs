//! A subscription that is ordered in the panel and paid through the bank.

use flysk_crypto::aad;
use flysk_domain::id::{InvoiceId, InvoicePaymentId};
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_services::invoice_payments::{FormOutcome, FormRequest, open_form};
use flysk_services::subscriptions::set_contact;
use flysk_store::platform::invoice_payments::{self, Attempt};
use flysk_store::platform::subscriptions::{self, Invoice, Plan};

use super::harness::{Panel, Signed};
use super::subscriptions::{TEAM_PLAN, sells_subscriptions, subscription};
use crate::harness::{GOOD_CARD, trace};
use crate::test_env::TERMINAL;

/// The plan on offer.
pub(super) async fn plan(panel: &Panel) -> Plan {
    let widget = panel.app.widget().await.id;
    let offered = subscriptions::list_plans_on_offer(&mut *panel.app.conn().await, widget).await.unwrap();
    offered.into_iter().next().expect("a plan on offer")
}

pub(super) async fn invoice(panel: &Panel, id: InvoiceId) -> Invoice {
    subscriptions::find_invoice(&mut *panel.app.conn().await, id).await.unwrap().unwrap()
}

pub(super) async fn attempt(panel: &Panel, id: InvoicePaymentId) -> Attempt {
    invoice_payments::find_attempt(&mut *panel.app.conn().await, id).await.unwrap().unwrap()
}

/// Path of the subscription's page.
pub(super) async fn path(panel: &Panel) -> String {
    format!("/subscriptions/{}", subscription(panel).await.id)
}

/// Creates the subscription and orders three seats for some months, all in the panel; the invoice is not paid.
pub(super) async fn ordered(panel: &Panel, signed: &Signed<'_>, months: &str) -> InvoiceId {
    sells_subscriptions(panel).await;
    let create = format!("/installs/{}/subscription", panel.app.install().await.id);
    signed.act(&create, &[("reason", "Старая установка")]).await;
    signed.act("/plans/offer", &TEAM_PLAN).await;
    let (path, plan) = (path(panel).await, plan(panel).await.id.to_string());
    let start = [("kind", "start"), ("plan", plan.as_str()), ("seats", "3"), ("length", months)];
    let quoted = signed.act(&format!("{path}/quote"), &start).await;
    let quote = quoted.split("quote=").nth(1).unwrap();
    let applied = signed.act(&format!("{path}/apply"), &[("quote", quote), ("reason", "По договору")]).await;
    applied.strip_prefix("/invoices/").unwrap().parse().unwrap()
}

/// Opens the bank's form for an invoice.
pub(super) async fn opened(panel: &Panel, id: InvoiceId) -> InvoicePaymentId {
    let (app, found) = (&panel.app, invoice(panel, id).await);
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    let keyring = &app.executor.app().keyring;
    let sealed = keyring.seal_email("buh@example.test", &aad::invoice_contact(id)).unwrap();
    subscriptions::lock_subscription(&mut unit, found.subscription_id).await.unwrap();
    set_contact(&mut unit, &app.clock, id, &sealed).await.unwrap();
    let request = FormRequest { save_card: false, terminal_key: TERMINAL };
    let outcome = open_form(&mut unit, &app.clock, id, request).await.unwrap();
    unit.commit().await.unwrap();
    let FormOutcome::Opening(attempt_id) = outcome else { panic!("no form: {outcome:?}") };
    app.run_due_jobs().await;
    assert_eq!(attempt(panel, attempt_id).await.state, AttemptState::Open);
    attempt_id
}

/// Orders and pays through the bank.
pub(super) async fn paid(panel: &Panel, signed: &Signed<'_>, months: &str) -> (InvoiceId, InvoicePaymentId) {
    let id = ordered(panel, signed, months).await;
    let told = panel.app.bank.state.deliveries().len();
    let attempt_id = opened(panel, id).await;
    let payment = attempt(panel, attempt_id).await.payment_id.expect("the form is open");
    panel.app.bank.state.pay(&payment, GOOD_CARD).unwrap();
    panel.app.apply_notifications(told + 2).await;
    assert_eq!(attempt(panel, attempt_id).await.state, AttemptState::Paid);
    (id, attempt_id)
}
