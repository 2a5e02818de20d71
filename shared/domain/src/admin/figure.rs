//! Figures of the dashboard, by day.

use crate::text_enum::labeled_enum;

labeled_enum!(
    /// A figure of the dashboard.
    Figure {
        /// Installs created on the day.
        InstallsNew = "installs_new", "Новые установки";
        /// Installs that work now.
        InstallsActive = "installs_active", "Активные установки";
        /// Installs that wait for a reconnect.
        InstallsReconnect = "installs_reconnect", "Ждут переподключения";
        /// Trials that began on the day.
        TrialsStarted = "trials_started", "Новые пробные периоды";
        /// Trials that run now.
        Trials = "trials", "Идут пробные периоды";
        /// First periods that were paid on the day.
        Conversions = "conversions", "Первые оплаты подписок";
        /// Subscriptions with a paid period now.
        SubscriptionsActive = "subscriptions_active", "Активные подписки";
        /// Subscriptions about which a person must decide.
        SubscriptionsInReview = "subscriptions_in_review", "Подписки ждут решения";
        /// Invoices of subscriptions that were paid on the day, kopecks.
        SubscriptionRevenue = "subscription_revenue", "Продажи подписок";
        /// Money of subscriptions that was refunded, kopecks.
        SubscriptionRefunds = "subscription_refunds", "Возвраты по подпискам";
        /// Payments of subscriptions in review.
        PaymentsInReview = "payments_in_review", "Платежи на проверке";
        /// Price of purchases that were credited on the day, kopecks.
        Revenue = "revenue", "Продажи Flycoins";
        /// Money of purchases that was refunded, kopecks.
        Refunds = "refunds", "Возвраты за Flycoins";
        /// Coins of purchases that were credited on the day, with their bonus, micro-Flycoins.
        CoinsSold = "coins_sold", "Flycoins продано";
        /// Coins charged, without refunds of charges, micro-Flycoins.
        CoinsSpent = "coins_spent", "Flycoins израсходовано";
        /// Calls created on the day.
        Calls = "calls", "Звонки";
        /// Recognized audio of calls that ended on the day, seconds.
        SecondsBilled = "seconds_billed", "Распознано";
        /// Failed calls of the day.
        CallsFailed = "calls_failed", "Неудачные звонки";
        /// Calls that wait for coins.
        CallsNoBalance = "calls_no_balance", "Звонки без баланса";
        /// Events of the day that were not delivered.
        EventsFailed = "events_failed", "Недоставленные события";
        /// Purchases in review.
        PurchasesInReview = "purchases_in_review", "Покупки на проверке";
        /// Jobs that wait.
        JobsQueued = "jobs_queued", "Заданий в очереди";
        /// Time since the oldest of the 10,000 jobs that are pushed next became due, seconds.
        JobsOldest = "jobs_oldest", "Старейшее задание ждёт";
        /// Dead jobs.
        JobsDead = "jobs_dead", "Остановленные задания";
    }
);

/// Largest amount of a figure that is [`Figure::is_counted_to_limit`]; more is stored as one more. A whole count of many rows,
/// every minute, would cost more than it tells.
pub const FIGURE_COUNT_LIMIT: u32 = 10_000;

/// Unit in which a figure is stored and summed; the panel formats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureUnit {
    /// A count without unit.
    Number,
    /// Hundredths of a rouble.
    Kopecks,
    /// Micro-Flycoins.
    MicroCoins,
    /// Durations, whole seconds.
    Seconds,
}

impl Figure {
    /// Unit in which the figure is stored.
    pub const fn unit(self) -> FigureUnit {
        match self {
            Self::Revenue | Self::Refunds | Self::SubscriptionRevenue | Self::SubscriptionRefunds => {
                FigureUnit::Kopecks
            }
            Self::CoinsSold | Self::CoinsSpent => FigureUnit::MicroCoins,
            Self::SecondsBilled | Self::JobsOldest => FigureUnit::Seconds,
            _ => FigureUnit::Number,
        }
    }

    /// Whether the figure is the state at the time of its computation, and not a sum over the day.
    pub const fn is_present_state(self) -> bool {
        matches!(
            self,
            Self::InstallsActive
                | Self::InstallsReconnect
                | Self::Trials
                | Self::SubscriptionsActive
                | Self::SubscriptionsInReview
                | Self::PaymentsInReview
                | Self::CallsNoBalance
                | Self::PurchasesInReview
                | Self::JobsQueued
                | Self::JobsOldest
                | Self::JobsDead
        )
    }

    /// Whether the figure counts what waits, which may be very much, only up to [`FIGURE_COUNT_LIMIT`].
    pub const fn is_counted_to_limit(self) -> bool {
        matches!(
            self,
            Self::InstallsReconnect
                | Self::SubscriptionsInReview
                | Self::PaymentsInReview
                | Self::CallsNoBalance
                | Self::PurchasesInReview
                | Self::JobsQueued
                | Self::JobsDead
        )
    }

    /// Whether the figure counts all customers. It changes slowly and is computed less often.
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::InstallsActive | Self::Trials | Self::SubscriptionsActive)
    }

    /// Whether anything above zero needs an operator.
    pub const fn is_alarming(self) -> bool {
        matches!(
            self,
            Self::InstallsReconnect
                | Self::SubscriptionsInReview
                | Self::PaymentsInReview
                | Self::CallsFailed
                | Self::CallsNoBalance
                | Self::EventsFailed
                | Self::PurchasesInReview
                | Self::JobsDead
        )
    }
}
