//! What the stages of a call's payment have in common.

use flysk_clients::platform::{EstimateRequest, FlycoinRefusal, IdempotencyKey, Line, PlatformError, Quote};
use flysk_domain::flysense::payment::{PaymentKeys, ReceiptLine, Work};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::outcome::Outcome;
use flysk_domain::trace::Trace;
use flysk_jobs::JobError;
use flysk_store::flysense::payments::{Price, RunOf};

use crate::flysense::FlySense;
use crate::outcome::{HasOutcome, job_error};

/// The work as the platform counts it.
pub(super) fn lines(work: Work) -> Vec<Line> {
    let line = |(service, quantity): (&str, u64)| Line { service: service.to_owned(), quantity };
    work.lines().into_iter().map(line).collect()
}

/// What people in amoCRM read beside the movement of their coins.
pub(super) fn reference(id: TranscriptionId) -> String {
    format!("Расшифровка звонка {id}")
}

/// The keys of a run.
pub(super) fn keys(of: RunOf) -> PaymentKeys {
    PaymentKeys { transcription: of.id, run: of.run }
}

/// A key as the platform takes it.
pub(super) fn key(text: String) -> Result<IdempotencyKey, JobError> {
    IdempotencyKey::new(text).map_err(|error| JobError::give_up(error.to_string()))
}

/// A price as we keep it.
pub(super) fn price(amount_micro: i64, quotes: Vec<Quote>) -> Price {
    let line = |quote: Quote| ReceiptLine {
        service: quote.service,
        version: quote.version,
        tariff: quote.tariff,
        unit: quote.unit,
        quantity: quote.quantity,
        billed: quote.billed,
        rounding: quote.rounding,
        amount: MicroCoins(quote.amount_micro),
    };
    Price { amount: MicroCoins(amount_micro), lines: quotes.into_iter().map(line).collect() }
}

/// What the work costs today; a widget that is not paid in Flycoins: nothing.
pub(super) async fn ask_price(
    flysense: &FlySense,
    account_id: AccountId,
    work: Work,
    trace: &Trace,
) -> Result<Price, JobError> {
    let wanted = EstimateRequest { account_id, lines: lines(work) };
    match flysense.platform.estimate(&wanted, Some(trace)).await {
        Ok(estimate) => Ok(price(estimate.total_micro, estimate.lines)),
        Err(error) if error.flycoins() == Some(FlycoinRefusal::NotUsed) => Ok(price(0, Vec::new())),
        Err(error) => Err(error.into_job_error()),
    }
}

/// The verdict on a call that moves coins and got no definite answer: it is made again under its key. A
/// credential that is not accepted is a fault of the deployment, not of the call, so it is waited for.
pub(super) fn again(error: &PlatformError) -> JobError {
    match error {
        PlatformError::Refused(problem, after) if matches!(problem.status, 401 | 403) => {
            job_error(Outcome::Retry { after: *after }, error)
        }
        _ => job_error(error.outcome(), error),
    }
}
