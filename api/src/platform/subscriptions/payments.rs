//! Paying invoices on the bank's form.

use flysk_crypto::aad;
use flysk_domain::id::{InvoiceId, InvoicePaymentId};
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::purchases::{Email, failure_ru};
use flysk_domain::trace::Trace;
use flysk_services::invoice_payments::{FormOutcome, PayRequest, RenewalOffer, pay_invoice, renewal_offer};
use flysk_store::platform::invoice_payments as attempts;
use flysk_store::platform::subscriptions::{self, Invoice};
use flysk_store::platform::vendors::{self, Vendor};
use flysk_store::repeat_contended;
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::Example;
use poem_openapi::{Object, OpenApi};

use super::work::{Refusal, must_be_installed, must_have_subscription, must_sell};
use crate::auth::{WidgetCaller, WidgetUser};
use crate::choice::Choice;
use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};
use crate::source::source_of;
use crate::strict_json::StrictJson;
use crate::time::Time;

/// Request to pay an invoice.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields, example)]
pub(crate) struct PaymentInput {
    /// Email address for the fiscal receipt (54-FZ), at most 64 characters.
    pub(crate) email: String,
    /// `version` of the renewal offer, if the payer ticked the box beside its text: the card is saved and charged for later
    /// periods. Without it nothing is saved.
    pub(crate) consent_version: Option<String>,
}

impl Example for PaymentInput {
    fn example() -> Self {
        Self { email: "buh@example.com".to_owned(), consent_version: None }
    }
}

/// Text that a payer agrees to by having the card saved. Show it beside a box that is not ticked.
#[derive(Debug, Object)]
#[oai(rename = "RenewalOffer", example)]
pub(crate) struct OfferView {
    /// Version of the text; send it back as `consent_version`.
    version: String,
    /// Text in Russian.
    text: String,
}

impl Example for OfferView {
    fn example() -> Self {
        let text = "Я разрешаю ООО «Акме» (ИНН 7707083893) сохранить карту и списывать с неё раз в месяц оплату следующего периода подписки…";
        Self { version: "2026-12-01".to_owned(), text: text.to_owned() }
    }
}

/// An attempt to pay an invoice.
#[derive(Debug, Object)]
#[oai(rename = "InvoicePayment", example)]
pub(crate) struct PaymentView {
    /// Payment id, `ipm_…`.
    id: String,
    /// Invoice that it pays.
    invoice_id: String,
    /// State. Poll until it is `open`, and redirect the payer to `payment_url`.
    state: Choice<AttemptState>,
    /// URL of the bank's payment form; null unless the state is `open`.
    payment_url: Option<String>,
    /// Why it failed, in Russian; null unless the state is `failed`.
    failure: Option<String>,
    /// Time when it was begun.
    created_at: Time,
}

impl Example for PaymentView {
    fn example() -> Self {
        Self {
            id: "ipm_01KCQJ7B2N4Q6S8V0X2Z4B6D8F".to_owned(),
            invoice_id: "inv_01KCQJ7B2N4Q6S8V0X2Z4B6D8F".to_owned(),
            state: AttemptState::Open.into(),
            payment_url: Some("https://pay.tbank.ru/AbCdEf12".to_owned()),
            failure: None,
            created_at: Time::example(),
        }
    }
}

impl From<attempts::Attempt> for PaymentView {
    fn from(attempt: attempts::Attempt) -> Self {
        let failed = attempt.state == AttemptState::Failed;
        Self {
            id: attempt.id.to_string(),
            invoice_id: attempt.invoice_id.to_string(),
            state: attempt.state.into(),
            payment_url: attempt.payment_url.filter(|_| attempt.state == AttemptState::Open),
            failure: failed.then(|| failure_ru(attempt.error_code.as_deref()).to_owned()),
            created_at: attempt.created_at.into(),
        }
    }
}

answers! {
    /// Responses of `payInvoice`.
    Begun {
        /// The payment is begun, or the one that is already open. The bank's form opens within seconds.
        202 => Accepted(Json<PaymentView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled, InstallInactive],
        /// The account has no such invoice.
        404 => NotFound,
        /// The invoice is not open, a charge is under way, or payments are not configured.
        409 => Conflict [SubscriptionsNotUsed, PurchasesUnavailable, WrongState, VersionConflict],
        /// The body is too large.
        413 => TooLarge,
        /// The content type of the body is not JSON.
        415 => UnsupportedMediaType,
        /// A value is not valid, the offer has another version now, or no renewal is offered.
        422 => Invalid,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getRenewalOffer`.
    Offered {
        /// The offer.
        200 => Ok(Json<OfferView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The account has no such invoice.
        404 => NotFound,
        /// The widget sells no subscriptions, or its seller has not stated its legal name and INN: pay without consent.
        409 => Conflict [SubscriptionsNotUsed, WrongState],
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

answers! {
    /// Responses of `getInvoicePayment`.
    Got {
        /// The payment.
        200 => Ok(Json<PaymentView>),
    }
    problems {
        /// Malformed request.
        400 => BadRequest,
        /// Missing or invalid credentials.
        401 => Unauthorized [Unauthorized, TokenExpired],
        /// Not an administrator, or the widget is not installed in the account.
        403 => Forbidden [AdminOnly, NotInstalled],
        /// The account has no such payment.
        404 => NotFound,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operations that pay.
pub(crate) struct SubscriptionPaymentsApi;

#[OpenApi(tag = "Tag::Subscriptions")]
impl SubscriptionPaymentsApi {
    /// Get the text that a payer agrees to by having the card saved for later periods. Only for administrators of the account.
    #[oai(
        path = "/v1/subscription/invoices/:id/renewal_offer",
        method = "get",
        operation_id = "getRenewalOffer"
    )]
    async fn offer(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Invoice id, `inv_…`.
        id: Path<String>,
    ) -> Offered {
        match find_offer(&deps, &caller.0, &id.0).await {
            Ok((_, _, Some(offer))) => {
                Offered::Ok(Json(OfferView { version: offer.version.to_owned(), text: offer.text }))
            }
            Ok((_, _, None)) => Problem::new(ProblemCode::WrongState, NOT_OFFERED).into(),
            Err(problem) => problem.into(),
        }
    }

    /// Pay an open invoice on the bank's form. Only for administrators of the account.
    ///
    /// An invoice has one open form: a repeated request returns it. Poll the payment until it has a `payment_url`.
    #[oai(path = "/v1/subscription/invoices/:id/payments", method = "post", operation_id = "payInvoice")]
    async fn pay(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        request: &poem::Request,
        caller: WidgetCaller,
        /// Invoice id, `inv_…`.
        id: Path<String>,
        body: StrictJson<PaymentInput>,
    ) -> Begun {
        let address = source_of(&deps.config.http.proxies, request);
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        match begin_payment(&deps, &trace, &caller.0, &id.0, &body.0, &address).await {
            Ok(payment) => Begun::Accepted(Json(payment.into())),
            Err(refusal) => Problem::from(refusal).into(),
        }
    }

    /// Get an attempt to pay an invoice. Only for administrators of the account.
    #[oai(path = "/v1/subscription/payments/:id", method = "get", operation_id = "getInvoicePayment")]
    async fn get(
        &self,
        deps: Data<&Deps>,
        caller: WidgetCaller,
        /// Payment id, `ipm_…`.
        id: Path<String>,
    ) -> Got {
        match find_payment(&deps, &caller.0, &id.0).await {
            Ok(payment) => Got::Ok(Json(payment.into())),
            Err(problem) => problem.into(),
        }
    }
}

fn not_found(what: &str) -> Problem {
    Problem::new(ProblemCode::NotFound, format!("no such {what} in this account"))
}

/// Why no renewal is offered, and what to do instead.
const NOT_OFFERED: &str =
    "no renewal is offered until the seller has stated its legal name and INN: pay without consent_version";

/// The invoice of the administrator's account with its seller, and the offer for it; none if the seller is not named.
pub(crate) async fn find_offer(
    deps: &Deps,
    user: &WidgetUser,
    id: &str,
) -> Result<(Invoice, Vendor, Option<RenewalOffer>), Problem> {
    user.must_be_admin()?;
    must_have_subscription(deps, user).await?;
    let id: InvoiceId = id.parse().map_err(|_| not_found("invoice"))?;
    let mut conn = deps.conn().await?;
    let found = subscriptions::find_invoice(&mut conn, id).await?;
    let invoice = found.filter(|invoice| invoice.install_id == user.install.id);
    let invoice = invoice.ok_or_else(|| not_found("invoice"))?;
    let vendor = vendors::find_vendor(&mut conn, invoice.vendor_id).await?;
    let vendor = vendor.ok_or_else(|| Problem::new(ProblemCode::WrongState, "the seller is unknown"))?;
    let offer = renewal_offer(&vendor, &user.widget.name, &invoice);
    Ok((invoice, vendor, offer))
}

/// Begins to pay an invoice of the administrator's account, or finds the payment whose form is already open. `address` is
/// the IP address of the payer.
pub(crate) async fn begin_payment(
    deps: &Deps,
    trace: &Trace,
    user: &WidgetUser,
    id: &str,
    input: &PaymentInput,
    address: &str,
) -> Result<attempts::Attempt, Refusal> {
    must_sell(user)?;
    let (invoice, vendor, offer) = find_offer(deps, user, id).await?;
    must_be_installed(user)?;
    let invalid = |detail: String| Problem::new(ProblemCode::Invalid, detail);
    let email: Email = input.email.parse().map_err(|error| invalid(format!("email: {error}")))?;
    let agreed = match (input.consent_version.as_deref(), &offer) {
        (None, _) => None,
        (Some(version), Some(offer)) if version == offer.version => Some(offer),
        (Some(_), Some(_)) => {
            let detail = "consent_version: the offer has another version now: show it again";
            return Err(invalid(detail.to_owned()).into());
        }
        (Some(_), None) => return Err(invalid(format!("consent_version: {NOT_OFFERED}")).into()),
    };
    let tbank = deps.config.tbank.as_ref().ok_or_else(|| {
        Problem::new(ProblemCode::PurchasesUnavailable, "payments are not configured in this environment")
    })?;
    let terminal_key = vendor.terminal_key.as_deref().unwrap_or(&tbank.terminal_key);
    let sealed = deps.keyring.seal_email(email.as_str(), &aad::invoice_contact(invoice.id));
    let sealed = sealed.map_err(|error| {
        tracing::error!(error = %error, "cannot encrypt the payer's contact");
        Problem::new(ProblemCode::Internal, "quote X-Request-Id to support")
    })?;
    let request = PayRequest {
        user: user.user_id,
        email: &email,
        contact: &sealed,
        keyring: &deps.keyring,
        terminal_key,
        consent: agreed.map(|offer| (offer, address)),
    };
    let begin = || async {
        let mut unit = deps.begin(trace).await?;
        let outcome = pay_invoice(&mut unit, deps.clock(), &invoice, request).await?;
        unit.commit().await?;
        Ok::<_, Problem>(outcome)
    };
    let outcome = repeat_contended(begin).await;
    deps.cache.invalidate_install(user.install.id);
    match outcome? {
        FormOutcome::Opening(id) | FormOutcome::Open(id) => {
            let found = attempts::find_attempt(&mut *deps.conn().await?, id).await?;
            found.ok_or_else(|| not_found("payment").into())
        }
        FormOutcome::Busy(_) => Err(Refusal::PaymentBusy),
        FormOutcome::NotOpen => Err(Refusal::InvoiceClosed),
    }
}

/// Finds a payment of the administrator's account. Payments of others are not found.
pub(crate) async fn find_payment(
    deps: &Deps,
    user: &WidgetUser,
    id: &str,
) -> Result<attempts::Attempt, Problem> {
    user.must_be_admin()?;
    let id: InvoicePaymentId = id.parse().map_err(|_| not_found("payment"))?;
    let found = attempts::find_attempt(&mut *deps.conn().await?, id).await?;
    found.filter(|attempt| attempt.install_id == user.install.id).ok_or_else(|| not_found("payment"))
}
