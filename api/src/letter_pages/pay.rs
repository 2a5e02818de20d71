//! `/pay/{invoice}/{signature}`: pays an invoice on the bank's form. Nothing is saved: consent to later charges needs a person who
//! is signed in to amoCRM.

use flysk_crypto::aad;
use flysk_domain::id::{InvoiceId, UserId};
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::lifecycle::InstallStatus;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::InvoiceState;
use flysk_domain::russian::roubles;
use flysk_domain::trace::Trace;
use flysk_services::invoice_payments::{FormOutcome, PayRequest, pay_invoice};
use flysk_services::mail::{is_pay_link, open_contact};
use flysk_store::platform::mail;
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::platform::{accounts, installs, invoice_payments, vendors, widgets};
use flysk_store::repeat_contended;
use poem::http::{StatusCode, header};
use poem::web::{Data, Path, Query};
use poem::{Response, handler};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::answer;
use super::view::Page;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Label of the link to the bank's form.
const FORM_LABEL: &str = "Перейти к оплате";

/// Query of the page that waits for the bank's form.
#[derive(Deserialize)]
pub(super) struct Waiting {
    #[serde(default)]
    go: bool,
}

/// `GET`: the invoice and a button; with `?go=true` the page waits for the bank's form and moves on to it.
#[handler]
pub(super) async fn show(
    deps: Data<&Deps>,
    Path((invoice, signature)): Path<(String, String)>,
    Query(waiting): Query<Waiting>,
) -> Response {
    let shown = async {
        let invoice = find(&deps, &invoice, &signature).await?;
        match invoice.state {
            InvoiceState::Paid => {
                Page::new("Счёт оплачен").say("Спасибо! Чек придёт на почту.").response(StatusCode::OK)
            }
            InvoiceState::Void => Page::new("Счёт больше не нужно оплачивать")
                .say("Он отменён. Страница подписки открывается из виджета.")
                .response(StatusCode::OK),
            InvoiceState::Open if !invoice.is_payable(deps.clock().now()) => {
                Page::new("Этот счёт больше нельзя оплатить")
                    .say("Его срок прошёл. Страница подписки открывается из виджета.")
                    .response(StatusCode::OK)
            }
            InvoiceState::Open => show_open(&deps, &invoice, &signature, waiting.go).await,
        }
    };
    answer(shown.await)
}

/// `POST`: begins the payment, or finds the form that is open. An invoice that is paid or void is shown.
#[handler]
pub(super) async fn begin(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    Path((invoice, signature)): Path<(String, String)>,
) -> Response {
    let begun = async {
        let invoice = find(&deps, &invoice, &signature).await?;
        let query = if pay(&deps, &trace, &invoice).await? { "?go=true" } else { "" };
        Ok(see_other(format!("/pay/{}/{signature}{query}", invoice.id)))
    };
    answer(begun.await)
}

fn see_other(address: String) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, address)
        .header(header::REFERRER_POLICY, "no-referrer")
        .finish()
}

fn not_found() -> Problem {
    Problem::new(ProblemCode::NotFound, "the link is not valid")
}

async fn find(deps: &Deps, id: &str, signature: &str) -> Result<Invoice, Problem> {
    let id: InvoiceId = id.parse().map_err(|_| not_found())?;
    if !is_pay_link(&deps.keyring, id, signature) {
        return Err(not_found());
    }
    subscriptions::find_invoice(&mut *deps.conn().await?, id).await?.ok_or_else(not_found)
}

async fn show_open(deps: &Deps, invoice: &Invoice, signature: &str, go: bool) -> Result<Response, Problem> {
    let mut conn = deps.conn().await?;
    let widget = widgets::find(&mut conn, invoice.widget_id).await?.ok_or_else(not_found)?;
    if !widget.uses_subscriptions {
        return Page::new("Сейчас платить не нужно")
            .say(format!("Виджет «{}» сейчас не продаётся по подписке и работает без оплаты.", widget.name))
            .response(StatusCode::OK);
    }
    let attempt = invoice_payments::find_open_attempt(&mut conn, invoice.id).await?;
    // A form that saves the card is only for whoever agreed to it; the button replaces it.
    let attempt = attempt.filter(|attempt| !attempt.is_withdrawn && !attempt.save_card);
    let is_opening = attempt.as_ref().is_some_and(|attempt| attempt.state == AttemptState::Opening);
    let form = attempt.filter(|attempt| attempt.state == AttemptState::Open);
    let form = form.and_then(|attempt| payment_form(deps, attempt.payment_url.as_deref()?));
    match form {
        // Not by a redirect: Chromium applies `form-action` to the redirects that follow a form.
        Some(form) if go => {
            return Page::new("Открываем форму банка")
                .say("Если она не появилась сама, нажмите кнопку.")
                .link(FORM_LABEL, form.clone())
                .refresh(form)
                .response(StatusCode::OK);
        }
        None if go && is_opening => {
            return Page::new("Открываем форму банка")
                .say("Это занимает несколько секунд.")
                .refresh(format!("/pay/{}/{signature}?go=true", invoice.id))
                .response(StatusCode::OK);
        }
        _ => {}
    }
    let install = installs::find(&mut conn, invoice.install_id).await?.ok_or_else(not_found)?;
    let account = accounts::find(&mut conn, install.crm, install.account_id).await?;
    let page = Page::new("Оплата подписки")
        .say(format!("{}: {}.", invoice.title, roubles(invoice.total)))
        .say(format!(
            "Виджет «{}», аккаунт {}, период {}.",
            widget.name,
            account.map(|account| account.host).unwrap_or_default(),
            invoice.period
        ));
    let page = match form {
        Some(form) => page.link(FORM_LABEL, form),
        None if go => page.say("Форма банка не открылась. Попробуйте ещё раз.").button("Оплатить", "pay"),
        None => page.say("Оплата пройдёт на странице банка. Карту мы не сохраним.").button("Оплатить", "pay"),
    };
    page.response(StatusCode::OK)
}

/// The URL of the bank's form. It is validated again: the worker that stored it may have a different configuration.
fn payment_form(deps: &Deps, url: &str) -> Option<String> {
    let url: url::Url = url.parse().ok()?;
    deps.config.tbank.as_ref()?.is_payment_form(&url).then(|| url.into())
}

/// Begins the payment; `false` if the invoice is not open.
async fn pay(deps: &Deps, trace: &Trace, invoice: &Invoice) -> Result<bool, Problem> {
    let mut conn = deps.conn().await?;
    let install = installs::find(&mut conn, invoice.install_id).await?.ok_or_else(not_found)?;
    if matches!(install.status, InstallStatus::Installing | InstallStatus::Uninstalled) {
        return Err(Problem::new(ProblemCode::InstallNotActive, "the widget is not installed"));
    }
    let vendor = vendors::find_vendor(&mut conn, invoice.vendor_id).await?.ok_or_else(not_found)?;
    let contact = mail::find_contact(&mut conn, invoice.subscription_id, invoice.install_id).await?;
    let contact = contact.ok_or_else(not_found)?;
    drop(conn);
    let tbank = deps.config.tbank.as_ref().ok_or_else(|| {
        Problem::new(ProblemCode::PurchasesUnavailable, "payments are not configured in this environment")
    })?;
    let terminal_key = vendor.terminal_key.as_deref().unwrap_or(&tbank.terminal_key);
    let address = open_contact(&deps.keyring, &contact).map_err(|error| sealing(&error))?;
    let sealed = deps.keyring.seal_email(address.expose_secret(), &aad::invoice_contact(invoice.id));
    let sealed = sealed.map_err(|error| sealing(&error))?;
    let email = address.expose_secret().parse::<Email>().map_err(|error| sealing(&error))?;
    // Without consent nobody is recorded.
    let request = PayRequest {
        user: UserId(0),
        email: &email,
        contact: &sealed,
        keyring: &deps.keyring,
        terminal_key,
        consent: None,
    };
    let outcome = repeat_contended(|| async {
        let mut unit = deps.begin(trace).await?;
        let outcome = pay_invoice(&mut unit, deps.clock(), invoice, request).await?;
        unit.commit().await?;
        Ok::<_, Problem>(outcome)
    });
    match outcome.await? {
        FormOutcome::Opening(_) | FormOutcome::Open(_) => Ok(true),
        FormOutcome::NotOpen => Ok(false),
        FormOutcome::Busy(_) => {
            Err(Problem::new(ProblemCode::WrongState, "another payment of the invoice is under way"))
        }
    }
}

fn sealing(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "cannot open or encrypt a payer's contact");
    Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
}
