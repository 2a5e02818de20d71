//! From what is asked for to what it costs, by the prices in force.

use chrono::{DateTime, Utc};
use flysk_domain::money::{MicroCoins, OutOfRange};
use flysk_domain::platform::ledger::price::{Quote, Rounding, Tariff, Unit};
use flysk_domain::platform::ledger::{Line, Service};
use flysk_store::ledger;
use flysk_store::platform::widgets::Widget;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde_json::{Value, json};

use crate::deps::{Deps, on};
use crate::problem::{Problem, ProblemCode};

/// So much of a service.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct WantedLine {
    /// `<widget code>.<service>`.
    #[oai(validator(max_length = 48))]
    pub(super) service: String,
    /// Seconds or pieces, as the service's price counts.
    pub(super) quantity: u64,
}

impl Example for WantedLine {
    fn example() -> Self {
        Self { service: Service::RECOGNITION.to_owned(), quantity: 95 }
    }
}

/// How a quantity becomes a price.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum TariffKind {
    /// By the second, at a price for the minute.
    PerMinute,
    /// By the piece.
    PerPiece,
}

/// A price.
#[derive(Debug, Clone, Object)]
pub(crate) struct TariffView {
    /// How a quantity becomes a price.
    kind: TariffKind,
    /// For one minute or one piece.
    rate_micro: i64,
    /// The least that is paid for, seconds; null by the piece.
    at_least_s: Option<u64>,
}

/// What a quantity counts.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum UnitView {
    /// Seconds.
    Second,
    /// Pieces.
    Piece,
}

/// What happened to the rest of a division.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum RoundingView {
    /// There was none.
    Exact,
    /// To the nearest millionth, halves up.
    HalfUp,
}

/// A price and how it came about.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct QuoteView {
    /// For what.
    service: String,
    /// By which version of its price.
    version: u32,
    /// The price.
    tariff: TariffView,
    /// What the quantity counts.
    unit: UnitView,
    /// What was asked for.
    quantity: u64,
    /// What is paid for: the quantity, or the price's least.
    billed: u64,
    /// What happened to the rest.
    rounding: RoundingView,
    /// What it costs.
    amount_micro: i64,
}

impl From<&Quote> for QuoteView {
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
                Unit::Second => UnitView::Second,
                Unit::Piece => UnitView::Piece,
            },
            quantity: quote.quantity,
            billed: quote.billed,
            rounding: match quote.rounding {
                Rounding::Exact => RoundingView::Exact,
                Rounding::HalfUp => RoundingView::HalfUp,
            },
            amount_micro: quote.amount.0,
        }
    }
}

impl Example for QuoteView {
    fn example() -> Self {
        Self {
            service: Service::RECOGNITION.to_owned(),
            version: 1,
            tariff: TariffView { kind: TariffKind::PerMinute, rate_micro: 2_500_000, at_least_s: Some(15) },
            unit: UnitView::Second,
            quantity: 95,
            billed: 95,
            rounding: RoundingView::HalfUp,
            amount_micro: 3_958_333,
        }
    }
}

/// What was asked for and what it costs.
#[derive(Debug, Clone, Default)]
pub(super) struct Priced {
    /// A quote a line, in order.
    pub(super) quotes: Vec<Quote>,
    /// Their sum.
    pub(super) total: MicroCoins,
}

impl Priced {
    /// What the ledger books. A line that costs nothing is on the receipt only.
    pub(super) fn lines(&self) -> Result<Vec<Line>, Problem> {
        let costs = self.quotes.iter().filter(|quote| quote.amount.is_positive());
        let lines: Vec<Line> =
            costs.map(|quote| Line { service: quote.service.clone(), amount: quote.amount }).collect();
        if lines.is_empty() {
            let detail =
                "the lines cost nothing: there is nothing to take; a hold is given back by releasing it";
            return Err(Problem::new(ProblemCode::InvalidRequest, detail));
        }
        Ok(lines)
    }

    /// The same for the answer.
    pub(super) fn receipt(&self) -> Vec<QuoteView> {
        self.quotes.iter().map(QuoteView::from).collect()
    }

    /// The same as it is kept with the transaction.
    pub(super) fn details(&self) -> Value {
        json!({ "receipt": self.quotes })
    }
}

/// The receipt a transaction was kept with; empty if it has none.
pub(crate) fn receipt_of(details: Option<&Value>) -> Vec<QuoteView> {
    let receipt = details.and_then(|details| details.get("receipt")).cloned();
    let quotes: Vec<Quote> = receipt.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    quotes.iter().map(QuoteView::from).collect()
}

/// What lines cost at this moment: estimates and charges alike.
pub(super) async fn price(
    deps: &Deps,
    widget: &Widget,
    wanted: &[WantedLine],
    now: DateTime<Utc>,
) -> Result<Priced, Problem> {
    let services: Vec<Service> =
        wanted.iter().map(|line| service_of(widget, &line.service)).collect::<Result<_, _>>()?;
    let rules = ledger::list_prices_of(on(&mut deps.conn().await?), &services, now).await?;
    let mut quotes = Vec::with_capacity(wanted.len());
    for (service, line) in services.iter().zip(wanted) {
        let rule =
            rules.iter().find(|rule| rule.service == *service).ok_or_else(|| unknown(service.as_str()))?;
        quotes.push(rule.quote(line.quantity).map_err(|_| too_much(line))?);
    }
    let total = MicroCoins::total(quotes.iter().map(|quote| quote.amount));
    Ok(Priced { total: total.map_err(|OutOfRange| too_much(&wanted[0]))?, quotes })
}

/// A widget sells its own services only.
fn service_of(widget: &Widget, text: &str) -> Result<Service, Problem> {
    let service: Option<Service> = text.parse().ok();
    service.filter(|service| service.is_of(&widget.code)).ok_or_else(|| unknown(text))
}

fn unknown(service: &str) -> Problem {
    Problem::new(
        ProblemCode::UnknownService,
        format!("`{service:.48}` is no service of this widget with a price"),
    )
}

fn too_much(line: &WantedLine) -> Problem {
    let detail = format!("{} of `{:.48}` cost more than can be counted", line.quantity, line.service);
    Problem::new(ProblemCode::InvalidRequest, detail)
}
