//! The one list of handlers.

use flysk_jobs::{Registry, TickRegistry, amocrm, billing, calls, flycoins, lifecycle, oauth, upkeep};

use crate::App;

/// Every durable kind.
pub fn registry() -> Registry<App> {
    Registry::default()
        .with::<oauth::ConfirmDisconnect>()
        .with::<oauth::ExchangeCode>()
        .with::<oauth::ExchangeVouchedCode>()
        .with::<oauth::RefreshDue>()
        .with::<oauth::RefreshToken>()
        .with::<lifecycle::DeliverEvent>()
        .with::<billing::ApplyTbankNotice>()
        .with::<billing::OpenPayment>()
        .with::<billing::ReconcileDay>()
        .with::<billing::ReconcileDue>()
        .with::<billing::ReconcilePayment>()
        .with::<billing::RefundPayment>()
        .with::<calls::IngestNote>()
        .with::<calls::FetchRecording>()
        .with::<calls::ConvertAudio>()
        .with::<calls::HoldPayment>()
        .with::<calls::UploadAudio>()
        .with::<calls::StartRecognition>()
        .with::<calls::StoreTranscript>()
        .with::<calls::Summarize>()
        .with::<calls::Settle>()
        .with::<calls::CapturePayment>()
        .with::<calls::ReleasePayment>()
        .with::<calls::DeleteAudio>()
        .with::<calls::ResumePolls>()
        .with::<calls::RetryUnpaid>()
        .with::<calls::ResumeUnpaid>()
        .with::<calls::SweepStorage>()
        .with::<calls::ReconcileDue>()
        .with::<calls::ReconcileAccount>()
        .with::<amocrm::CheckHooksDue>()
        .with::<amocrm::CheckHooks>()
        .with::<amocrm::SubscribeHooks>()
        .with::<amocrm::UnsubscribeHooks>()
        .with::<flycoins::ExpireHolds>()
        .with::<flycoins::VerifyLedger>()
        .with::<upkeep::PruneJobs>()
}

/// Every tick of the cheap lane.
pub fn tick_registry() -> TickRegistry<App> {
    TickRegistry::default().with::<calls::PollRecognition>()
}
