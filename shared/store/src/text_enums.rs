//! The enums that rows read from text columns.

use flysk_domain::UnknownText;

use crate::TextColumn;

/// Lets rows read these enums.
macro_rules! text_columns {
    ($($name:path),+ $(,)?) => {$(
        impl TryFrom<TextColumn> for $name {
            type Error = UnknownText;

            fn try_from(column: TextColumn) -> Result<Self, UnknownText> {
                column.required()
            }
        }

        impl TryFrom<TextColumn> for Option<$name> {
            type Error = UnknownText;

            fn try_from(column: TextColumn) -> Result<Self, UnknownText> {
                column.optional()
            }
        }
    )+};
}

text_columns!(
    flysk_domain::admin::BulkAction,
    flysk_domain::admin::BulkState,
    flysk_domain::admin::ErasedKind,
    flysk_domain::admin::ErasureState,
    flysk_domain::admin::Figure,
    flysk_domain::admin::OperatorRole,
    flysk_domain::admin::RowDensity,
    flysk_domain::admin::SessionStage,
    flysk_domain::admin::WidgetFigure,
    flysk_domain::flysense::account::AccountStatus,
    flysk_domain::flysense::account::HooksState,
    flysk_domain::flysense::activation::binding::BindingState,
    flysk_domain::flysense::activation::binding::MessageState,
    flysk_domain::flysense::activation::link::EnableFailure,
    flysk_domain::flysense::activation::link::LinkState,
    flysk_domain::flysense::activation::messenger::Messenger,
    flysk_domain::flysense::audio::AudioContainer,
    flysk_domain::flysense::audio::ChannelLayout,
    flysk_domain::flysense::call::Direction,
    flysk_domain::flysense::call::EntityType,
    flysk_domain::flysense::payment::PaymentState,
    flysk_domain::flysense::roles::Role,
    flysk_domain::flysense::sentiment::Sentiment,
    flysk_domain::flysense::state::TranscriptionState,
    flysk_domain::flysense::summary::SummaryProvenance,
    flysk_domain::platform::crm::Crm,
    flysk_domain::platform::events::EventKind,
    flysk_domain::platform::invoice_payments::AttemptKind,
    flysk_domain::platform::invoice_payments::AttemptState,
    flysk_domain::platform::ledger::HoldState,
    flysk_domain::platform::ledger::Origin,
    flysk_domain::platform::ledger::TransactionKind,
    flysk_domain::platform::lifecycle::InstallStatus,
    flysk_domain::platform::mail::MailKind,
    flysk_domain::platform::mail::MailState,
    flysk_domain::platform::purchases::Discrepancy,
    flysk_domain::platform::purchases::PurchaseState,
    flysk_domain::platform::transfers::TransferInvoiceState,
    crate::admin::bulk_acts::BulkOutcome,
    crate::admin::exports::ExportState,
    crate::admin::exports::FileFormat,
    crate::flysense::events::EventState,
    crate::flysense::playback_copies::CopyState,
    crate::jobs::AttemptOutcome,
    crate::jobs::JobState,
    crate::platform::events::EventState,
    crate::platform::invoice_payments::ReceiptState,
    crate::platform::oauth_codes::CodeState,
    crate::platform::tokens::PairState,
    crate::platform::purchases::NotificationState,
    crate::platform::purchases::RefundState,
);
