//! Forecast of how long a balance lasts.

use crate::money::MicroCoins;

/// Whole minutes of work that `balance` pays for at `rate` per minute, rounded down so that the forecast is
/// never too high. `None` if the rate is not above zero.
pub fn minutes_left(balance: MicroCoins, rate: MicroCoins) -> Option<u64> {
    if !rate.is_positive() {
        return None;
    }
    u64::try_from((balance.0 / rate.0).max(0)).ok()
}

/// The forecast as Russian text for users: `≈ 6 ч 25 мин`.
pub fn text(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("≈ {minutes} мин"),
        (hours, 0) => format!("≈ {hours} ч"),
        (hours, minutes) => format!("≈ {hours} ч {minutes} мин"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_hundred_sixty_three_coins_are_six_hours_and_twenty_five_minutes() {
        let minutes = minutes_left(MicroCoins(963_000_000), MicroCoins(2_500_000)).unwrap();
        assert_eq!(text(minutes), "≈ 6 ч 25 мин");
    }

    #[test]
    fn little_nothing_and_round_hours_read_well() {
        let left = |balance| minutes_left(MicroCoins(balance), MicroCoins(2_500_000));
        assert_eq!((left(2_499_999), left(0), left(-1)), (Some(0), Some(0), Some(0)));
        assert_eq!((text(0), text(59), text(120)), ("≈ 0 мин".into(), "≈ 59 мин".into(), "≈ 2 ч".into()));
        assert_eq!(minutes_left(MicroCoins(1), MicroCoins(0)), None);
    }
}
