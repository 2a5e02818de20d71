//! Prices of requested services, by the price rules in force.

use chrono::{DateTime, Utc};
use flysk_domain::money::{MicroCoins, OutOfRange};
use flysk_domain::platform::ledger::price::{Quote, Rounding, Tariff, Unit};
use flysk_domain::platform::ledger::{Line, Service};
use flysk_store::platform::ledger;
use flysk_store::platform::widgets::Widget;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde_json::{Value, json};

use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// A service and a quantity.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct PriceLineInput {
    /// Service name, `<widget code>.<service>`, up to 48 characters.
    #[oai(validator(max_length = 48))]
    pub(super) service: String,
    /// Quantity in seconds or pieces, depending on the service's tariff.
    pub(super) quantity: u64,
}

impl Example for PriceLineInput {
    fn example() -> Self {
        Self { service: Service::RECOGNITION.to_owned(), quantity: 95 }
    }
}

/// Kind of a tariff.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum TariffKind {
    /// Charged by the second, at a rate per minute.
    PerMinute,
    /// Charged by the piece.
    PerPiece,
}

/// The tariff of a service.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Tariff")]
pub(crate) struct TariffView {
    /// Kind of the tariff.
    kind: TariffKind,
    /// Rate per minute or piece, in micro-Flycoins.
    rate_micro: i64,
    /// Minimum billed quantity, in seconds; null for `per_piece`.
    at_least_s: Option<u64>,
}

/// Unit of a quantity.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum PriceUnit {
    /// Seconds.
    Second,
    /// Pieces.
    Piece,
}

/// Rounding of a price.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum PriceRounding {
    /// The division had no remainder.
    Exact,
    /// Rounded to the nearest micro-Flycoin, halves up.
    HalfUp,
}

/// The price of one line and its calculation.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct PriceLine {
    /// Service name.
    service: String,
    /// Version of the price rule.
    version: u32,
    /// The tariff.
    tariff: TariffView,
    /// Unit of the quantity.
    unit: PriceUnit,
    /// Requested quantity.
    quantity: u64,
    /// Billed quantity: the requested quantity, or the tariff's minimum.
    billed: u64,
    /// Rounding of the price.
    rounding: PriceRounding,
    /// Price of the line, in micro-Flycoins.
    amount_micro: i64,
}

impl From<&Quote> for PriceLine {
    fn from(quote: &Quote) -> Self {
        let (kind, rate, at_least_s) = match quote.tariff {
            Tariff::PerMinute { rate, at_least_s } => (TariffKind::PerMinute, rate, Some(at_least_s)),
            Tariff::PerPiece { rate } => (TariffKind::PerPiece, rate, None),
        };
        Self {
            service: quote.service.to_string(),
            version: quote.version,
            tariff: TariffView { kind, rate_micro: rate.0, at_least_s },
            unit: match quote.unit {
                Unit::Second => PriceUnit::Second,
                Unit::Piece => PriceUnit::Piece,
            },
            quantity: quote.quantity,
            billed: quote.billed,
            rounding: match quote.rounding {
                Rounding::Exact => PriceRounding::Exact,
                Rounding::HalfUp => PriceRounding::HalfUp,
            },
            amount_micro: quote.amount.0,
        }
    }
}

impl Example for PriceLine {
    fn example() -> Self {
        Self {
            service: Service::RECOGNITION.to_owned(),
            version: 1,
            tariff: TariffView { kind: TariffKind::PerMinute, rate_micro: 2_500_000, at_least_s: Some(15) },
            unit: PriceUnit::Second,
            quantity: 95,
            billed: 95,
            rounding: PriceRounding::HalfUp,
            amount_micro: 3_958_333,
        }
    }
}

/// Requested lines with their prices.
#[derive(Debug, Clone, Default)]
pub(super) struct PricedLines {
    /// One quote per line, in the same order.
    pub(super) quotes: Vec<Quote>,
    /// Sum of the quotes.
    pub(super) total: MicroCoins,
}

impl PricedLines {
    /// The lines that the ledger posts. A free line appears only in the receipt.
    pub(super) fn lines(&self) -> Result<Vec<Line>, Problem> {
        let costs = self.quotes.iter().filter(|quote| quote.amount.is_positive());
        let lines: Vec<Line> =
            costs.map(|quote| Line { service: quote.service.clone(), amount: quote.amount }).collect();
        if lines.is_empty() {
            let detail = "the lines cost nothing, so there is nothing to charge; release the hold instead of capturing it";
            return Err(Problem::new(ProblemCode::InvalidRequest, detail));
        }
        Ok(lines)
    }

    /// The receipt for the response.
    pub(super) fn receipt(&self) -> Vec<PriceLine> {
        self.quotes.iter().map(PriceLine::from).collect()
    }

    /// The receipt as it is stored with the transaction.
    pub(super) fn details(&self) -> Value {
        json!({ "receipt": self.quotes })
    }
}

/// The stored receipt of a transaction; empty if it has none.
pub(crate) fn receipt_of(details: Option<&Value>) -> Vec<PriceLine> {
    let receipt = details.and_then(|details| details.get("receipt")).cloned();
    let quotes: Vec<Quote> = receipt.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    quotes.iter().map(PriceLine::from).collect()
}

/// Prices lines by the rules in force at `now`; used by estimates, charges and holds.
pub(super) async fn price_lines(
    deps: &Deps,
    widget: &Widget,
    lines: &[PriceLineInput],
    now: DateTime<Utc>,
) -> Result<PricedLines, Problem> {
    let services: Vec<Service> =
        lines.iter().map(|line| service_of(widget, &line.service)).collect::<Result<_, _>>()?;
    let rules = ledger::list_prices_of(&mut *deps.conn().await?, &services, now).await?;
    let mut quotes = Vec::with_capacity(lines.len());
    for (service, line) in services.iter().zip(lines) {
        let rule = rules
            .iter()
            .find(|rule| rule.service == *service)
            .ok_or_else(|| unknown_service(service.as_str()))?;
        quotes.push(rule.quote(line.quantity).map_err(|_| price_overflow(line))?);
    }
    let total = MicroCoins::total(quotes.iter().map(|quote| quote.amount));
    Ok(PricedLines { total: total.map_err(|OutOfRange| price_overflow(&lines[0]))?, quotes })
}

/// Parses a service name. Services of other widgets are unknown.
fn service_of(widget: &Widget, text: &str) -> Result<Service, Problem> {
    let service: Option<Service> = text.parse().ok();
    service.filter(|service| service.is_of(&widget.code)).ok_or_else(|| unknown_service(text))
}

fn unknown_service(service: &str) -> Problem {
    Problem::new(
        ProblemCode::UnknownService,
        format!("`{service:.48}` is not a priced service of this widget"),
    )
}

fn price_overflow(line: &PriceLineInput) -> Problem {
    let detail = format!("the price of {} of `{:.48}` is out of range", line.quantity, line.service);
    Problem::new(ProblemCode::InvalidRequest, detail)
}
