//! `POST /hooks/tbank`: the bank tells how a payment stands.
//!
//! It waits ten seconds for the two letters `OK` and repeats hourly for a day without them, so a notice is
//! verified over its raw bytes, kept sealed, and answered; a job applies it. Source: T-Bank docs,
//! eacq/notification.

use flysk_clients::tbank::{Notice, NoticeError, NoticeVerifier, Terminal};
use flysk_domain::id::NoticeId;
use flysk_domain::money::Kopecks;
use flysk_domain::trace::Trace;
use flysk_jobs::billing::ApplyTbankNotice;
use flysk_runtime::config::TBank;
use flysk_store::purchases::{self, NewNotice};
use flysk_vault::places;
use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, Request, Response, handler};
use secrecy::SecretString;

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Notices are a kilobyte.
const LONGEST: usize = 64 << 10;

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
    let peer = request.remote_addr().as_socket_addr().map(std::net::SocketAddr::ip);
    if !tbank.takes_notices_from(peer, request.header("X-Forwarded-For")) {
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
    let (payment_id, order_id, status, amount, error_code) = match notice {
        Notice::Payment(told) => {
            let code = told.error_code.as_str();
            (&told.payment_id, &told.order_id, told.status.name(), told.amount, code)
        }
        Notice::Fiscalized(told) => (&told.payment_id, &told.order_id, "RECEIPT", Kopecks::ZERO, "0"),
        Notice::CardBound(_) | Notice::AccountBound(_) => {
            count("unexpected");
            tracing::warn!("the bank tells of a bound card or account, which nothing here asked for");
            return Ok(());
        }
    };
    if payment_id.len() > 20 || order_id.len() > 50 || status.len() > 32 || error_code.len() > 16 {
        return Err(Problem::new(ProblemCode::Invalid, "longer than the bank's own limits"));
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
        payment_id,
        order_id,
        status,
        amount,
        error_code,
        body_sealed: &sealed,
        now: deps.clock().now(),
    };
    let mut unit = deps.begin(trace).await?;
    if !purchases::insert_notice(&mut unit, &new).await? {
        count("repeated");
        return Ok(());
    }
    count("kept");
    unit.enqueue(&ApplyTbankNotice { notice_id: id }).await?;
    Ok(unit.commit().await?)
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
