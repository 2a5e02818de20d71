//! Payments at the bank: the payer pays on the form, or is declined.

use flysk_simulators::tbank::{Payment, TEST_CARDS};
use poem::handler;
use poem::web::{Data, Json, Path};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bank_words::{CardOutcome, outcome_of, test_card};
use super::cards::cards_of;
use super::control::{ControlData, Done, done};
use super::input::Input;
use super::problem::Problem;
use super::scene::{BANK_PATH, Scene};

#[derive(Debug, Serialize)]
pub(super) struct PaymentState {
    pub(super) order_id: String,
    pub(super) payment_id: String,
    pub(super) description: String,
    pub(super) amount_kopecks: i64,
    left_kopecks: i64,
    status: String,
    pub(super) outcome: &'static str,
    /// Whether it can be paid on the form.
    pub(super) is_open: bool,
    /// Whether the card is saved for charges.
    saves_card: bool,
    /// The form.
    url: String,
}

/// All payments, newest first.
pub(super) fn payments_of(scene: &Scene) -> Vec<PaymentState> {
    scene.sandbox.bank.state.payments().into_iter().rev().map(|payment| state(scene, payment)).collect()
}

fn state(scene: &Scene, payment: Payment) -> PaymentState {
    PaymentState {
        is_open: is_open(&payment) && payment.initiator.as_deref() != Some("R"),
        outcome: outcome_of(&payment.status, payment.error_code),
        url: format!("{}{BANK_PATH}/pay/{}", scene.plan.public_url, payment.slug),
        order_id: payment.order_id,
        payment_id: payment.id,
        description: payment.description,
        amount_kopecks: payment.amount,
        left_kopecks: payment.left,
        status: payment.status,
        saves_card: payment.recurrent,
    }
}

fn is_open(payment: &Payment) -> bool {
    matches!(payment.status.as_str(), "NEW" | "FORM_SHOWED")
}

#[handler]
pub(super) fn list(Data(control): ControlData<'_>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "items": payments_of(&*control.scene()?) })))
}

/// What is told about a payment.
#[derive(Debug, Serialize)]
pub(super) struct About {
    payment: PaymentState,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Pay {
    /// Number of a card, `sbp` or `sberpay`; by default a card that pays.
    card: Option<String>,
}

/// The payer pays on the form. `order` is an order or payment of the bank, or an invoice, attempt or purchase of Flysk.
#[handler]
pub(super) async fn pay(
    Data(control): ControlData<'_>,
    Path(order): Path<String>,
    Input(wanted): Input<Pay>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let card = wanted.card.as_deref().unwrap_or(TEST_CARDS[0].number);
    pay_with(&scene, &order, card).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decline {
    #[serde(default = "declined")]
    reason: CardOutcome,
}

fn declined() -> CardOutcome {
    CardOutcome::Declined
}

/// The payer tries to pay on the form, and the bank declines.
#[handler]
pub(super) async fn decline(
    Data(control): ControlData<'_>,
    Path(order): Path<String>,
    Input(wanted): Input<Decline>,
) -> Result<Json<Done<About>>, Problem> {
    let scene = control.scene()?;
    let card = declining_card(&scene, wanted.reason)?;
    pay_with(&scene, &order, &card).await
}

async fn pay_with(scene: &Scene, order: &str, card: &str) -> Result<Json<Done<About>>, Problem> {
    let after = scene.journal.last();
    let payment = pay_order(scene, order, card).await?;
    done(scene, after, About { payment: state(scene, payment) }).await
}

pub(super) async fn pay_order(scene: &Scene, order: &str, card: &str) -> Result<Payment, Problem> {
    if !cards_of(scene).iter().any(|known| known.number == card) {
        return Err(Problem::not_found(format!("card `{card}`: GET /_sandbox/cards lists them")));
    }
    // The form may have been asked for just now: a job opens it.
    let settled = scene.run_due().await?;
    let payment_id = match find(scene, order).await? {
        Some(payment_id) => payment_id,
        None if settled => return Err(Problem::not_found(format!("`{order}` has no payment at the bank"))),
        None => {
            return Err(Problem::unsettled(format!(
                "`{order}` has no payment at the bank yet: Flysk opens it after jobs that wait for your backend or for the \
                 clock. Let the backend answer its event, then repeat the request"
            )));
        }
    };
    Ok(scene.sandbox.bank.state.pay(&payment_id, card)?)
}

/// Number of a card that is declined for this reason; one is added if the bank has none.
pub(super) fn declining_card(scene: &Scene, reason: CardOutcome) -> Result<String, Problem> {
    if matches!(reason, CardOutcome::Paid | CardOutcome::Unknown | CardOutcome::LateSuccess) {
        return Err(Problem::invalid(format!("`{}` is no reason to decline", reason.word())));
    }
    if let Some(card) = test_card(reason) {
        return Ok(card.number.to_owned());
    }
    let bank = &scene.sandbox.bank.state;
    let ending = reason.ending();
    let known = bank.own_cards().into_iter().find(|card| card.form == ending && card.charge == ending);
    Ok(known.unwrap_or_else(|| bank.add_card(reason.title(), ending, Vec::new(), ending)).number)
}

/// `PaymentId` of the last payment of an order, which is found by any of its ids; `None` if it has none.
async fn find(scene: &Scene, wanted: &str) -> Result<Option<String>, Problem> {
    let payments = scene.sandbox.bank.state.payments();
    let of_order = |order: &str| {
        payments
            .iter()
            .rev()
            .find(|payment| payment.order_id == order || payment.id == order)
            .map(|payment| payment.id.clone())
    };
    if let Some(payment_id) = of_order(wanted) {
        return Ok(Some(payment_id));
    }
    let order: Option<String> = sqlx::query_scalar(
        "SELECT o.order_id FROM (
            SELECT p.id AS order_id, p.created_at FROM invoice_payments p WHERE p.invoice_id = ?
            UNION ALL SELECT c.order_id, c.created_at FROM coin_purchases c WHERE c.id = ?
         ) o ORDER BY o.created_at DESC, o.order_id DESC LIMIT 1",
    )
    .bind(wanted)
    .bind(wanted)
    .fetch_optional(&scene.sandbox.pool)
    .await?;
    Ok(order.as_deref().and_then(of_order))
}
