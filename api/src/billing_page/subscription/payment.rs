//! A payment: waits for the bank's form, leads to it, waits for the outcome, and shows it.

use askama::Template;
use flysk_domain::TextEnum as _;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::purchases::failure_ru;
use flysk_domain::platform::tbank::PaymentStatus;
use flysk_domain::russian::roubles;
use flysk_store::platform::invoice_payments::{self as attempts, Attempt, Card};
use flysk_store::platform::subscriptions;
use flysk_store::{Conn, StoreResult};
use poem::http::StatusCode;
use poem::web::{Data, Json, Path, Query};
use poem::{IntoResponse as _, Request, Response, handler};
use serde::{Deserialize, Serialize};

use super::super::render_page;
use super::super::view::{Message, SCRIPT, STYLE};
use super::answer;
use super::caller::Caller;
use super::frame::Frame;
use super::renewal::NO_CARD_FROM_BANK;
use super::texts::card;
use crate::deps::Deps;
use crate::platform::subscriptions::{find_card_to_charge, find_payment};
use crate::problem::Problem;

/// Context of the page.
#[derive(Template)]
#[template(path = "billing/subscription/payment.html")]
struct PaymentPage {
    frame: Frame,
    id: String,
    invoice: String,
    title: String,
    amount: String,
    code: &'static str,
    heading: &'static str,
    text: &'static str,
    /// Effect of the payment on renewals.
    renewal: Option<String>,
    form: Option<String>,
    /// Leads to the bank's form as soon as its address is known.
    follow: bool,
    from_bank: bool,
    progress: String,
    waits: bool,
}

/// Query of T-Bank's return URL.
#[derive(Debug, Deserialize)]
pub(super) struct ReturnQuery {
    from: Option<String>,
    paid: Option<String>,
}

impl ReturnQuery {
    /// Message to a payer who returns from the bank without a session: from a letter's link, or late.
    fn message(&self) -> Message {
        let (title, text) = if self.paid.as_deref() == Some("no") {
            ("Оплата не прошла", "Откройте ссылку из письма и попробуйте ещё раз.")
        } else {
            ("Спасибо!", "Банк подтверждает оплату, чек придёт на почту. Страницу можно закрыть.")
        };
        Message { title, text }
    }
}

/// `GET /billing/subscription/{install}/payments/{payment}`. Only for administrators.
#[handler]
pub(super) async fn show(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
    Query(back): Query<ReturnQuery>,
) -> Response {
    Box::pin(answer(async {
        let from_bank = back.from.as_deref() == Some("bank");
        let caller = match Caller::of(&deps, request, &install).await {
            Err(problem) if from_bank && problem.status == 401 => {
                return render_page(StatusCode::UNAUTHORIZED, &back.message());
            }
            caller => caller?,
        };
        let attempt = find_payment(&deps, &caller.user, &id).await?;
        render_page(StatusCode::OK, &page(&deps, &caller, &attempt, from_bank).await?)
    }))
    .await
}

/// Response to the page's polling script.
#[derive(Debug, Serialize)]
struct PollState {
    progress: String,
    form: Option<String>,
}

/// `GET /billing/subscription/{install}/payments/{payment}/state`: polled by the page until the state changes.
#[handler]
pub(super) async fn show_state(
    deps: Data<&Deps>,
    request: &Request,
    Path((install, id)): Path<(String, String)>,
) -> Response {
    let found = async {
        let caller = Caller::of(&deps, request, &install).await?;
        find_payment(&deps, &caller.user, &id).await
    };
    match found.await {
        Ok(attempt) => Json(PollState { progress: progress_of(&attempt), form: form_url(&deps, &attempt) })
            .into_response(),
        Err(problem) => problem.response(),
    }
}

async fn page(
    deps: &Deps,
    caller: &Caller,
    attempt: &Attempt,
    from_bank: bool,
) -> Result<PaymentPage, Problem> {
    let frame = Frame::load(deps, caller).await?;
    let saved = find_card_to_charge(deps, &caller.user).await?;
    let mut conn = deps.conn().await?;
    let invoice = subscriptions::find_invoice(&mut conn, attempt.invoice_id).await?;
    let is_paid = attempt.state == AttemptState::Paid;
    let is_returned = is_paid && attempts::is_returned(&mut conn, attempt.id).await?;
    let renewal = if is_paid && !is_returned {
        Some(renewal_of(&mut conn, attempt, saved.as_ref()).await?)
    } else {
        None
    };
    let form = form_url(deps, attempt);
    let (heading, text) = if is_returned { RETURNED } else { words(attempt, form.is_some(), from_bank) };
    Ok(PaymentPage {
        id: attempt.id.to_string(),
        invoice: attempt.invoice_id.to_string(),
        title: invoice.map(|invoice| invoice.title).unwrap_or_default(),
        amount: roubles(attempt.amount),
        // A returned payment has no colour of success.
        code: if is_returned { AttemptState::Review.as_str() } else { attempt.state.as_str() },
        heading,
        text,
        renewal,
        follow: !from_bank,
        from_bank,
        progress: progress_of(attempt),
        waits: !matches!(attempt.state, AttemptState::Paid | AttemptState::Failed | AttemptState::Review),
        form,
        frame,
    })
}

/// Effect of a paid attempt on renewals. The card of an earlier consent is charged, whatever was paid with now.
async fn renewal_of(conn: &mut Conn, attempt: &Attempt, saved: Option<&Card>) -> StoreResult<String> {
    if let Some(saved) = saved {
        return Ok(format!("Продление включено: {}.", card(saved.pan.as_deref())));
    }
    if !attempt.save_card {
        return Ok("Карта не сохранена: следующий период нужно будет оплатить вручную.".to_owned());
    }
    Ok(match attempts::find_card_of_payment(conn, attempt.id).await? {
        Some(_) => "Продление выключено: карта отвязана.".to_owned(),
        None => format!("Продление выключено. {NO_CARD_FROM_BANK}"),
    })
}

/// Heading and sentence for money that no invoice takes.
const RETURNED: (&str, &str) = (
    "Деньги возвращаются",
    "Счёт уже не действовал, когда пришла оплата. Подписка не изменилась, деньги вернутся тем же способом.",
);

/// Heading and sentence.
fn words(attempt: &Attempt, has_form: bool, from_bank: bool) -> (&'static str, &'static str) {
    match attempt.state {
        AttemptState::Paid => ("Готово!", "Оплата прошла. Чек придёт на почту."),
        AttemptState::Failed => ("Оплата не прошла", failure_ru(attempt.error_code.as_deref())),
        AttemptState::Review => (
            "Платёж проверяет сотрудник",
            "Банк сообщил о платеже не то, что мы ждали. Если деньги списаны, подписка изменится или деньги вернутся. \
             Повторно платить не нужно.",
        ),
        AttemptState::Cancelling => (
            "Закрываем форму оплаты",
            "Банк закрывает её, это займёт до минуты. Потом счёт можно оплатить снова.",
        ),
        AttemptState::Opening | AttemptState::Open | AttemptState::Charging if from_bank => (
            "Ждём подтверждение банка",
            "Обычно это занимает несколько секунд. Страницу можно закрыть: подписка изменится сама.",
        ),
        AttemptState::Open if has_form => (
            "Форма банка открыта",
            "Если она не появилась сама, нажмите кнопку. Счёт можно оплатить один раз, поэтому форма одна.",
        ),
        AttemptState::Charging | AttemptState::Open => {
            ("Банк проводит оплату", "Страница обновится сама. Повторно платить не нужно.")
        }
        AttemptState::Opening => ("Готовим оплату", "Открываем форму банка, это займёт несколько секунд."),
    }
}

/// Whether the payer has submitted the form, so that it must not be opened again.
const fn is_in_the_banks_hands(attempt: &Attempt) -> bool {
    matches!(
        attempt.status,
        Some(
            PaymentStatus::Authorized
                | PaymentStatus::Confirming
                | PaymentStatus::ConfirmChecking
                | PaymentStatus::PayChecking
        )
    )
}

/// URL of T-Bank's payment form, if the payment waits for the payer. It is validated again: the worker that stored it may have
/// another configuration.
fn form_url(deps: &Deps, attempt: &Attempt) -> Option<String> {
    let waits =
        attempt.state == AttemptState::Open && !attempt.is_withdrawn && !is_in_the_banks_hands(attempt);
    let url: url::Url = attempt.payment_url.as_ref().filter(|_| waits)?.parse().ok()?;
    deps.config.tbank.as_ref()?.is_payment_form(&url).then(|| url.into())
}

/// A value that changes whenever the content of the page changes.
fn progress_of(attempt: &Attempt) -> String {
    let form = if attempt.payment_url.is_some() && !attempt.is_withdrawn { "form" } else { "none" };
    let bank = if is_in_the_banks_hands(attempt) { "bank" } else { "payer" };
    format!("{}/{form}/{bank}", attempt.state.as_str())
}
