//! Common part of the payment jobs of a call.

use flysk_clients::flysk_api::{EstimateRequest, FlycoinRefusal, IdempotencyKey, Line, Quote};
use flysk_domain::flysense::payment::{PaymentKeys, ReceiptLine, Work};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_domain::money::MicroCoins;
use flysk_domain::trace::Trace;
use flysk_queue::JobError;
use flysk_store::flysense::payments::{Price, RunOf};

use crate::flysense::FlySense;
pub(super) use crate::flysense::payment_error::payment_job_error;
use crate::job_error::IntoJobError as _;

/// The work as lines of the platform's price list.
pub(super) fn price_lines(work: Work) -> Vec<Line> {
    let line = |(service, quantity): (&str, u64)| Line { service: service.to_owned(), quantity };
    work.lines().into_iter().map(line).collect()
}

/// Text for users beside the transaction in the wallet's history.
pub(super) fn payment_reference(id: TranscriptionId) -> String {
    format!("Расшифровка звонка {id}")
}

/// Idempotency keys of a run.
pub(super) fn payment_keys(of: RunOf) -> PaymentKeys {
    PaymentKeys { transcription: of.id, run: of.run }
}

/// Checks a key against the platform's rules.
pub(super) fn idempotency_key(text: String) -> Result<IdempotencyKey, JobError> {
    IdempotencyKey::new(text).map_err(|error| JobError::give_up(error.to_string()))
}

/// Converts a price from the platform's API.
pub(super) fn to_price(amount_micro: i64, quotes: Vec<Quote>) -> Price {
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

/// Current price of the work; zero if the widget does not use Flycoins.
pub(super) async fn estimate_price(
    flysense: &FlySense,
    account_id: AccountId,
    work: Work,
    trace: &Trace,
) -> Result<Price, JobError> {
    let wanted = EstimateRequest { account_id, lines: price_lines(work) };
    match flysense.platform.estimate(&wanted, Some(trace)).await {
        Ok(estimate) => Ok(to_price(estimate.total_micro, estimate.lines)),
        Err(error) if error.flycoins() == Some(FlycoinRefusal::NotUsed) => Ok(to_price(0, Vec::new())),
        Err(error) => Err(error.into_job_error()),
    }
}
