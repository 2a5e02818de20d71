//! Prices of services in Flycoins.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::platform::ledger::Service;
use flysk_domain::platform::ledger::price::{PriceRule, Tariff};
use flysk_store::platform::{ledger, widgets};
use flysk_store::{Conn, StoreError};

/// Maximum of a minimum duration, seconds; a longer one would be a mistake.
pub const MAX_PRICE_MINIMUM_S: u64 = 3_600;
/// Bounds the start of a price: times are bound as MySQL's TIMESTAMP, which ends in 2038, and no price is planned so far ahead.
const MAX_TIME_AHEAD: TimeDelta = TimeDelta::days(5 * 365);

/// Why a price is not set.
#[derive(Debug, thiserror::Error)]
pub enum SetPriceError {
    /// The rate is not positive.
    #[error("the price must be positive")]
    Rate,
    /// The minimum duration is too long.
    #[error("the minimum must be at most {MAX_PRICE_MINIMUM_S} s")]
    Minimum,
    /// The price would start in the past.
    #[error("a price cannot start in the past, because charges were made with the previous one")]
    Past,
    /// The price would start too late.
    #[error("a price must start within five years")]
    TooLate,
    /// The service's name has no widget.
    #[error("the service must be `<widget code>.<service>`")]
    Service,
    /// There is no such widget.
    #[error("widget `{0}` not found")]
    UnknownWidget(String),
    /// Database error.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores a new version of a service's price; earlier versions are kept for the charges made with them. The caller commits.
///
/// # Errors
///
/// The price is invalid, or its service belongs to no widget.
pub async fn set_price(
    conn: &mut Conn,
    service: &Service,
    tariff: Tariff,
    valid_from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<PriceRule, SetPriceError> {
    let code = check(service, tariff, valid_from, now)?;
    if widgets::find_by_code(conn, code).await?.is_none() {
        return Err(SetPriceError::UnknownWidget(code.to_owned()));
    }
    let version = ledger::next_price_version(conn, service).await?;
    let rule = PriceRule { service: service.clone(), version, tariff };
    ledger::insert_price_rule(conn, &rule, valid_from, now).await?;
    Ok(rule)
}

/// Validates a price; returns the code of the widget that the service belongs to.
fn check(
    service: &Service,
    tariff: Tariff,
    valid_from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<&str, SetPriceError> {
    let (Tariff::PerMinute { rate, .. } | Tariff::PerPiece { rate }) = tariff;
    if !rate.is_positive() {
        return Err(SetPriceError::Rate);
    }
    if matches!(tariff, Tariff::PerMinute { at_least_s, .. } if at_least_s > MAX_PRICE_MINIMUM_S) {
        return Err(SetPriceError::Minimum);
    }
    if valid_from < now {
        return Err(SetPriceError::Past);
    }
    if valid_from > now + MAX_TIME_AHEAD {
        return Err(SetPriceError::TooLate);
    }
    service.as_str().split_once('.').map(|(code, _)| code).ok_or(SetPriceError::Service)
}

#[cfg(test)]
mod tests {
    use flysk_domain::money::MicroCoins;

    use super::*;

    #[test]
    fn a_price_is_positive_and_starts_soon() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let service: Service = "flysense.recognition".parse().unwrap();
        let per_piece = |micro| Tariff::PerPiece { rate: MicroCoins(micro) };
        assert_eq!(check(&service, per_piece(1), now, now).unwrap(), "flysense");
        assert!(matches!(check(&service, per_piece(0), now, now), Err(SetPriceError::Rate)));
        let long = Tariff::PerMinute { rate: MicroCoins(1), at_least_s: MAX_PRICE_MINIMUM_S + 1 };
        assert!(matches!(check(&service, long, now, now), Err(SetPriceError::Minimum)));
        let (past, late) = (now - TimeDelta::seconds(1), now + MAX_TIME_AHEAD + TimeDelta::seconds(1));
        assert!(matches!(check(&service, per_piece(1), past, now), Err(SetPriceError::Past)));
        assert!(matches!(check(&service, per_piece(1), late, now), Err(SetPriceError::TooLate)));
    }
}
