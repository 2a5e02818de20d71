//! The list of all kinds.

/// Passes every durable kind, as a list of types, to the macro named by its argument.
#[macro_export]
macro_rules! durable_kinds {
    ($callback:ident) => {
        $callback! {
            $crate::platform::oauth::ConfirmDisconnect,
            $crate::platform::oauth::ExchangeCode,
            $crate::platform::oauth::ExchangeVouchedCode,
            $crate::platform::oauth::RefreshDue,
            $crate::platform::oauth::RefreshToken,
            $crate::platform::lifecycle::DeliverEvent,
            $crate::platform::lifecycle::ReplayEvents,
            $crate::platform::billing::ApplyTbankNotification,
            $crate::platform::billing::OpenPayment,
            $crate::platform::billing::ReconcileDay,
            $crate::platform::billing::ReconcileDue,
            $crate::platform::billing::ReconcilePayment,
            $crate::platform::billing::RefundPayment,
            $crate::platform::billing::VerifySubscriptions,
            $crate::platform::subscriptions::AdvanceSubscription,
            $crate::platform::subscriptions::AnnouncePrices,
            $crate::platform::subscriptions::ChargeInvoice,
            $crate::platform::subscriptions::FreeBlockedSeats,
            $crate::platform::subscriptions::OpenInvoiceForm,
            $crate::platform::subscriptions::QueryInvoicePayment,
            $crate::platform::subscriptions::ReconcileInvoices,
            $crate::platform::subscriptions::RefundInvoicePayment,
            $crate::platform::subscriptions::SendClosingReceipt,
            $crate::platform::subscriptions::SubscriptionsDue,
            $crate::flysense::activation::CheckMaxWebhook,
            $crate::flysense::activation::CheckTelegramWebhook,
            $crate::flysense::activation::Enable,
            $crate::flysense::activation::FollowDeactivation,
            $crate::flysense::activation::HandleUpdate,
            $crate::flysense::activation::ReadUser,
            $crate::flysense::activation::SendLetter,
            $crate::flysense::activation::SendMaxMessage,
            $crate::flysense::activation::SendNotices,
            $crate::flysense::activation::SendNoticesDue,
            $crate::flysense::activation::SendTelegramMessage,
            $crate::flysense::calls::CapturePayment,
            $crate::flysense::calls::ConvertAudio,
            $crate::flysense::calls::DeleteAudio,
            $crate::flysense::calls::FetchRecording,
            $crate::flysense::calls::HoldPayment,
            $crate::flysense::calls::IngestNote,
            $crate::flysense::calls::PreparePlayback,
            $crate::flysense::calls::ReconcileAccount,
            $crate::flysense::calls::ReconcileDue,
            $crate::flysense::calls::ReleasePayment,
            $crate::flysense::calls::ResolveEvents,
            $crate::flysense::calls::ResumePolls,
            $crate::flysense::calls::ResumeUnpaid,
            $crate::flysense::calls::RetryUnpaid,
            $crate::flysense::calls::Settle,
            $crate::flysense::calls::StartRecognition,
            $crate::flysense::calls::StoreTranscript,
            $crate::flysense::calls::Summarize,
            $crate::flysense::calls::SweepPlayback,
            $crate::flysense::calls::SweepStorage,
            $crate::flysense::calls::UploadAudio,
            $crate::flysense::erasure::EraseCalls,
            $crate::flysense::hooks::CheckHooks,
            $crate::flysense::hooks::CheckHooksDue,
            $crate::flysense::hooks::SubscribeHooks,
            $crate::flysense::hooks::UnsubscribeHooks,
            $crate::platform::flycoins::ExpireHolds,
            $crate::platform::flycoins::PublishWalletEvents,
            $crate::platform::flycoins::VerifyLedger,
            $crate::platform::panel::EraseCustomer,
            $crate::platform::panel::RunBulkAct,
            $crate::platform::panel::SweepExports,
            $crate::platform::panel::WriteExport,
            $crate::platform::mail::SendMailNotice,
            $crate::platform::upkeep::PruneHistory,
            $crate::platform::upkeep::PruneJobs,
            $crate::platform::upkeep::RollUpFigures,
            $crate::platform::upkeep::SealAuditLog,
            $crate::platform::upkeep::VerifyAuditLog,
        }
    };
}

/// Passes every ephemeral kind, as a list of types, to the macro named by its argument.
#[macro_export]
macro_rules! ephemeral_kinds {
    ($callback:ident) => {
        $callback! {
            $crate::flysense::calls::PollRecognition,
        }
    };
}
