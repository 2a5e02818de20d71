//! `POST /hooks/tbank`: the bank tells how a payment stands.
//!
//! It waits ten seconds for the two letters `OK` and repeats hourly for a day without them, so a notice is
//! verified over its raw bytes, kept sealed, and answered; a job applies it. Source: T-Bank docs,
//! eacq/notification.

use flysk_clients::tbank::{Fiscalized, Notice, NoticeError, NoticeVerifier, Terminal};
use flysk_domain::id::NoticeId;
use flysk_domain::money::Kopecks;
use flysk_domain::trace::Trace;
use flysk_jobs::billing::ApplyTbankNotice;
use flysk_runtime::config::TBank;
use flysk_store::purchases::{self, NewNotice};
use flysk_store::repeat_contended;
use flysk_vault::places;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use secrecy::SecretString;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};
use crate::source::source_of;

/// Notices are a kilobyte.
const LONGEST: usize = 64 << 10;
/// No status is longer.
const STATUS: usize = 32;

/// Keeps the notice and enqueues its reading.
#[handler]
pub(crate) async fn receive(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    request: &Request,
    body: Body,
) -> poem::Result<Response> {
    let Some(tbank) = &deps.config.tbank else {
        return Err(Problem::new(ProblemCode::NotFound, "nothing is bought here").into());
    };
    if !tbank.takes_notices_from(source_of(&tbank.proxies, request)) {
        count("other_network");
        return Err(Problem::new(ProblemCode::NotFound, "no such hook").into());
    }
    let body = body
        .into_bytes_limit(LONGEST)
        .await
        .map_err(|_| Problem::new(ProblemCode::TooLarge, "longer than 64 KB"))?;
    let terminal = Terminal { key: tbank.terminal_key.clone(), password: tbank.password.clone() };
    let notice = NoticeVerifier::new(terminal).verify(&body).map_err(refused)?;
    keep(&deps, &trace, tbank, &notice, &body).await?;
    Ok(Response::builder().status(StatusCode::OK).content_type("text/plain").body("OK"))
}

/// A known notice, or one that nothing here waits for, is answered just as well: a refusal would only bring it
/// again every hour.
async fn keep(
    deps: &Deps,
    trace: &Trace,
    tbank: &TBank,
    notice: &Notice,
    body: &[u8],
) -> Result<(), Problem> {
    let Some(told) = Told::of(notice) else {
        count("unexpected");
        tracing::warn!("the bank tells of a bound card or account, which nothing here asked for");
        return Ok(());
    };
    if !told.could_be_ours() {
        count("not_ours");
        tracing::warn!("the bank tells of an order whose number is none of ours");
        return Ok(());
    }
    let id = NoticeId::generate(deps.clock());
    let text = std::str::from_utf8(body).map_err(|_| refused(NoticeError::Malformed))?;
    let sealed = deps.keyring.seal(&SecretString::from(text), &places::notice_body(id));
    let sealed = sealed.map_err(|error| {
        tracing::error!(error = %error, "a notice cannot be sealed");
        Problem::new(ProblemCode::Internal, "told to our operators")
    })?;
    let new = NewNotice {
        id,
        terminal_key: &tbank.terminal_key,
        payment_id: told.payment_id,
        order_id: told.order_id,
        status: &told.status,
        amount: told.amount,
        error_code: &told.error_code,
        body_sealed: &sealed,
        now: deps.clock().now(),
    };
    count(if repeat_contended(|| write(deps, trace, &new)).await? { "kept" } else { "repeated" });
    Ok(())
}

/// Writes the notice and the job that applies it; `false` if it was written before.
async fn write(deps: &Deps, trace: &Trace, new: &NewNotice<'_>) -> Result<bool, Problem> {
    let mut unit = deps.begin(trace).await?;
    if !purchases::insert_notice(&mut unit, new).await? {
        return Ok(false);
    }
    unit.enqueue(&ApplyTbankNotice { notice_id: new.id }).await?;
    unit.commit().await?;
    Ok(true)
}

/// What tells a new notice from one that comes again.
struct Told<'a> {
    payment_id: &'a str,
    order_id: &'a str,
    status: String,
    amount: Kopecks,
    error_code: String,
}

impl<'a> Told<'a> {
    /// `None`: of no payment.
    fn of(notice: &'a Notice) -> Option<Self> {
        Some(match notice {
            Notice::Payment(payment) => Self {
                payment_id: &payment.payment_id,
                order_id: &payment.order_id,
                status: payment.status.name().to_owned(),
                amount: payment.amount,
                error_code: payment.error_code.clone(),
            },
            Notice::Fiscalized(receipt) => Self::of_receipt(receipt),
            Notice::CardBound(_) | Notice::AccountBound(_) => return None,
        })
    }

    /// A payment has a receipt when it is paid and one for each refund, and any of them may fail: each is news.
    fn of_receipt(receipt: &'a Fiscalized) -> Self {
        let words = [Some("RECEIPT"), receipt.kind.as_deref(), receipt.document.as_deref()];
        let status = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let error_code = match (receipt.success, receipt.error_code.as_str()) {
            (true, _) => "0",
            (false, "0") => "failed",
            (false, code) => code,
        };
        Self {
            payment_id: &receipt.payment_id,
            order_id: &receipt.order_id,
            status: status.chars().take(STATUS).collect(),
            amount: receipt.amount.unwrap_or_default(),
            error_code: error_code.to_owned(),
        }
    }

    /// Our numbers and the bank's words are ASCII within the bank's own limits. What is not belongs to another
    /// system on the same terminal.
    fn could_be_ours(&self) -> bool {
        let fits = |text: &str, most: usize| text.is_ascii() && text.len() <= most;
        fits(self.payment_id, 20)
            && fits(self.order_id, 50)
            && fits(&self.status, STATUS)
            && fits(&self.error_code, 16)
    }
}

fn refused(error: NoticeError) -> Problem {
    let (code, why) = match error {
        NoticeError::Malformed => (ProblemCode::BadRequest, "malformed"),
        NoticeError::WrongToken => (ProblemCode::Unauthorized, "wrong_token"),
        NoticeError::ForeignTerminal => (ProblemCode::Unauthorized, "foreign_terminal"),
        NoticeError::Incomplete(_) => (ProblemCode::Invalid, "incomplete"),
    };
    count(why);
    tracing::warn!(%error, "a notice is not taken");
    Problem::new(code, error.to_string())
}

fn count(outcome: &'static str) {
    metrics::counter!("flysk_tbank_notices_total", "outcome" => outcome).increment(1);
}
