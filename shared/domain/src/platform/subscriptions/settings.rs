//! A widget's settings for its subscriptions, part of its billing settings.

use serde::{Deserialize, Serialize};

use crate::UnknownText;

/// Maximum grace, days. A longer one would reach the boundary after next of a monthly subscription.
const MAX_GRACE_DAYS: u32 = 60;
/// Maximum number of automatic charges of one invoice.
const MAX_CHARGES: usize = 16;
/// Maximum number of days without use after which a seat goes to another user.
const MAX_SEAT_IDLE_DAYS: u32 = 366;
/// Last day of automatic charges after the boundary. Source: ceiling of Russian acquirers, one retry a day for 31 days.
pub(super) const MAX_CHARGE_DAY: u32 = 31;

/// Access after a trial, a grace or a subscription has ended.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterEnd {
    /// The widget shows its data, but does nothing that costs.
    Restricted,
    /// The widget does not work.
    #[default]
    Off,
}

/// Settings of a widget's subscriptions for late payers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SubscriptionSettings {
    /// Days after the end of the paid period for which access continues, although the renewal is not paid.
    pub grace_days: u32,
    /// Days after the end of the paid period on which the card is charged, ascending, the first one 0.
    pub charge_days: Vec<u32>,
    /// Access after the end.
    pub after_end: AfterEnd,
    /// Whether users of the account occupy the seats, so that a user without one is refused.
    pub seats_per_user: bool,
    /// Days without use after which a seat goes to another user who needs one; `None` for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat_idle_days: Option<u32>,
    /// Whether the widget sells no subscriptions at present, so that access is free. No setting of the vendor's file: the widget says it.
    #[serde(skip)]
    pub not_sold: bool,
}

impl Default for SubscriptionSettings {
    fn default() -> Self {
        Self {
            grace_days: 14,
            charge_days: vec![0, 1, 3, 5, 7, 10, 14],
            after_end: AfterEnd::Off,
            seats_per_user: false,
            seat_idle_days: None,
            not_sold: false,
        }
    }
}

/// Why the settings are invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSettings {
    /// Grace too long.
    #[error("subscriptions.grace_days is 0 to {MAX_GRACE_DAYS}")]
    Grace,
    /// Too many days, not ascending, out of range, or the first one is not 0.
    #[error(
        "subscriptions.charge_days are at most {MAX_CHARGES} ascending days from 0 to {MAX_CHARGE_DAY}, the first one 0"
    )]
    ChargeDays,
    /// Days without use of a seat out of range.
    #[error("subscriptions.seat_idle_days is 1 to {MAX_SEAT_IDLE_DAYS}; leave it out for never")]
    SeatIdleDays,
}

impl SubscriptionSettings {
    /// Checks the ranges of grace, days of charges and idle days; the error names the first fault.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        if self.grace_days > MAX_GRACE_DAYS {
            return Err(InvalidSettings::Grace);
        }
        if self.seat_idle_days.is_some_and(|days| !(1..=MAX_SEAT_IDLE_DAYS).contains(&days)) {
            return Err(InvalidSettings::SeatIdleDays);
        }
        let days = &self.charge_days;
        let ascending = days.windows(2).all(|pair| pair[0] < pair[1]);
        let in_range = days.first() == Some(&0) && days.last().is_some_and(|day| *day <= MAX_CHARGE_DAY);
        if days.len() > MAX_CHARGES || !ascending || !in_range {
            return Err(InvalidSettings::ChargeDays);
        }
        Ok(())
    }

    /// Whether all settings have their default values.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_one_charge_a_day_or_a_long_chase_is_refused() {
        let charged_on = |days: &[u32]| SubscriptionSettings {
            charge_days: days.to_vec(),
            ..SubscriptionSettings::default()
        };
        assert_eq!(SubscriptionSettings::default().check(), Ok(()));
        assert_eq!(charged_on(&[0, 31]).check(), Ok(()));
        for days in [&[][..], &[1], &[0, 0], &[0, 3, 2], &[0, 32]] {
            assert_eq!(charged_on(days).check(), Err(InvalidSettings::ChargeDays), "{days:?}");
        }
        let long = SubscriptionSettings { grace_days: 61, ..SubscriptionSettings::default() };
        assert_eq!(long.check(), Err(InvalidSettings::Grace));
    }

    #[test]
    fn seats_belong_to_nobody_unless_the_vendor_wants_it_and_are_not_released_at_once() {
        let settings = SubscriptionSettings::default();
        assert!(!settings.seats_per_user && settings.seat_idle_days.is_none());
        for days in [0, 367] {
            let settings = SubscriptionSettings { seat_idle_days: Some(days), ..settings.clone() };
            assert_eq!(settings.check(), Err(InvalidSettings::SeatIdleDays), "{days}");
        }
        let monthly = SubscriptionSettings { seats_per_user: true, seat_idle_days: Some(30), ..settings };
        assert_eq!(monthly.check(), Ok(()));
    }

    #[test]
    fn whether_subscriptions_are_sold_is_no_setting_of_the_vendors_file() {
        let free = SubscriptionSettings { not_sold: true, ..SubscriptionSettings::default() };
        let written = serde_json::to_value(&free).unwrap();
        assert!(written.get("not_sold").is_none(), "{written}");
        assert_eq!(
            serde_json::from_value::<SubscriptionSettings>(written).unwrap(),
            SubscriptionSettings::default()
        );
        let typed = serde_json::json!({ "not_sold": true });
        assert!(serde_json::from_value::<SubscriptionSettings>(typed).is_err());
    }
}
