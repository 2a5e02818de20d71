//! Actions on a subscription.

use crate::text_enum::labeled_enum;

labeled_enum!(
    /// Action on a subscription; the code is used in the log and in metrics.
    SubscriptionAction {
        /// A subscription was created, with its trial.
        TrialStarted = "trial_started", "начался пробный период";
        /// The end of the trial is near.
        TrialEnding = "trial_ending", "пробный период заканчивается";
        /// The trial ended.
        TrialEnded = "trial_ended", "пробный период закончился";
        /// An invoice was written for a quote.
        InvoiceCreated = "invoice_created", "выставлен счёт";
        /// An open invoice was voided.
        InvoiceVoided = "invoice_voided", "счёт аннулирован";
        /// A first period, or a new one after an end, was paid.
        Activated = "activated", "первый период оплачен";
        /// The next period was paid.
        Renewed = "renewed", "продлена";
        /// The next period, which was paid ahead, began.
        PeriodBegan = "period_began", "начался оплаченный период";
        /// A charge at the end of the period is near.
        RenewalUpcoming = "renewal_upcoming", "скоро списание";
        /// The invoice of the next period was written.
        RenewalOpened = "renewal_opened", "счёт за следующий период";
        /// The open invoice of the next period was withdrawn, because the widget sold no subscriptions up to its end.
        RenewalWithdrawn = "renewal_withdrawn", "продление отозвано: виджет не продавал подписок";
        /// A payment failed.
        PaymentFailed = "payment_failed", "оплата не прошла";
        /// A charge failed by a fault of ours or of the terminal; it is made again, and the payer is not told.
        ChargePostponed = "charge_postponed", "списание отложено: сбой не у клиента";
        /// No saved card can be charged for the next period: the customer has to pay it by another means.
        CardNotChargeable = "card_not_chargeable", "с карты нельзя списать, ждёт оплаты вручную";
        /// Plan or seats changed.
        Changed = "changed", "условия изменены";
        /// A change waits for the next period.
        ChangePlanned = "change_planned", "изменение ждёт следующего периода";
        /// A change that waited was withdrawn.
        ChangeWithdrawn = "change_withdrawn", "изменение отозвано";
        /// A change that waited is not possible any more.
        ChangeUnavailable = "change_unavailable", "изменение больше невозможно";
        /// A cancellation at the end of the period was asked for.
        CancelRequested = "cancel_requested", "отмена в конце периода";
        /// A cancellation was revoked.
        Restored = "restored", "отмена отозвана";
        /// The subscription was cancelled.
        Cancelled = "cancelled", "отменена";
        /// The subscription ended unpaid.
        Expired = "expired", "закончилась без оплаты";
        /// The subscription reopened, because its money arrived late.
        Reopened = "reopened", "возобновлена поздней оплатой";
        /// Money arrived that must be returned.
        PaymentReturned = "payment_returned", "деньги возвращаются";
        /// A transfer arrived that the subscription cannot take: it is in the firm's balance.
        PaymentToBalance = "payment_to_balance", "перевод на балансе фирмы";
        /// More than one boundary went by unpaid: a person must decide.
        Lapsed = "lapsed", "ждёт решения";
        /// An operator granted days.
        BonusGranted = "bonus_granted", "начислены бонусные дни";
        /// An operator charged or invoiced the next period ahead of time.
        RenewalForced = "renewal_forced", "продление оператором";
        /// An operator ended a review.
        ReviewEnded = "review_ended", "разбор закончен";
        /// An operator reinstated the subscription after its end.
        Reinstated = "reinstated", "восстановлена оператором";
        /// An operator ended an attempt that kept an invoice from being paid.
        PaymentLockCleared = "payment_lock_cleared", "снята блокировка платежа";
        /// The next period, which was paid ahead, was taken back, because its payment is refunded whole.
        PrepaidWithdrawn = "prepaid_withdrawn", "оплаченный следующий период отменён: деньги возвращаются";
        /// The next period was given back, because the bank refused to return its payment.
        PrepaidRestored = "prepaid_restored", "оплаченный следующий период возвращён: банк отказал в возврате денег";
        /// An operator found the closing receipt registered.
        ReceiptRegistered = "receipt_registered", "закрывающий чек найден в кассе";
        /// An operator found no closing receipt registered, and had it sent again.
        ReceiptSentAgain = "receipt_sent_again", "закрывающий чек отправлен снова";
        /// The customer was notified of a new price.
        PriceAnnounced = "price_announced", "объявлена новая цена";
        /// A card was saved for renewals.
        CardSaved = "card_saved", "карта сохранена";
        /// A card was unlinked.
        CardUnlinked = "card_unlinked", "карта отвязана";
        /// A user's seat was freed.
        SeatFreed = "seat_freed", "место освобождено";
        /// Users lost their seats, because there are fewer of them.
        SeatsLost = "seats_lost", "мест стало меньше";
    }
);
