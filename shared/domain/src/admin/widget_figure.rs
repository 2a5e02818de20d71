//! Figures of a widget by day, for its vendor.

use crate::text_enum::labeled_enum;

labeled_enum!(
    /// A figure of a widget.
    WidgetFigure {
        /// Installs created on the day.
        InstallsNew = "installs_new", "Новые установки";
        /// Installs that work at the end of the day.
        InstallsActive = "installs_active", "Активные установки";
        /// Subscriptions with a paid period at the end of the day.
        SubscriptionsActive = "subscriptions_active", "Активные подписки";
        /// Invoices of subscriptions that were paid on the day, kopecks.
        SubscriptionRevenue = "subscription_revenue", "Оплачено подписок";
        /// Money of subscriptions that was refunded on the day, kopecks.
        SubscriptionRefunds = "subscription_refunds", "Возвращено за подписки";
        /// Price of purchases of Flycoins that were credited on the day, kopecks.
        CoinRevenue = "coin_revenue", "Куплено Flycoins";
        /// Money of purchases that was refunded on the day, kopecks.
        CoinRefunds = "coin_refunds", "Возвращено за Flycoins";
        /// Coins that the widget charged on the day, without refunded charges, micro-Flycoins.
        CoinsSpent = "coins_spent", "Списано Flycoins";
    }
);

/// Unit in which a widget's figure is stored and summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WidgetFigureUnit {
    /// A count without unit.
    Number,
    /// Hundredths of a rouble.
    Kopecks,
    /// Micro-Flycoins.
    MicroCoins,
}

impl WidgetFigure {
    /// Unit in which the figure is stored.
    pub const fn unit(self) -> WidgetFigureUnit {
        match self {
            Self::InstallsNew | Self::InstallsActive | Self::SubscriptionsActive => WidgetFigureUnit::Number,
            Self::SubscriptionRevenue | Self::SubscriptionRefunds | Self::CoinRevenue | Self::CoinRefunds => {
                WidgetFigureUnit::Kopecks
            }
            Self::CoinsSpent => WidgetFigureUnit::MicroCoins,
        }
    }

    /// Whether the figure is a state and not a sum over the day: a month then has that of its last day.
    pub const fn is_state(self) -> bool {
        matches!(self, Self::InstallsActive | Self::SubscriptionsActive)
    }

    /// The amount of a period, from its days in their order.
    pub fn over(self, days: impl Iterator<Item = i64>) -> i64 {
        if self.is_state() { days.last().unwrap_or_default() } else { days.fold(0, i64::saturating_add) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_sums_what_happened_and_ends_with_the_last_state() {
        assert_eq!(WidgetFigure::CoinRevenue.over([5, 0, 7].into_iter()), 12);
        assert_eq!(WidgetFigure::InstallsActive.over([5, 9, 7].into_iter()), 7);
        assert_eq!(WidgetFigure::InstallsActive.over(std::iter::empty()), 0);
    }
}
