//! Text columns that store enums and ids.
//!
//! Rows decode an enum with `#[sqlx(try_from = "TextColumn")]`, for nullable columns too; writes bind its `as_str()`.
//! A text that names no variant is a [`StoreError::InvalidRow`].

use std::fmt::Display;
use std::str::FromStr;

use flysk_domain::UnknownText;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySql, MySqlTypeInfo, MySqlValueRef};
use sqlx::{Decode, Type, ValueRef as _};

use crate::{StoreError, StoreResult};

/// Text of a column before it is decoded to an enum; `None` is NULL.
#[derive(Debug)]
pub struct TextColumn(Option<String>);

impl Type<MySql> for TextColumn {
    fn type_info() -> MySqlTypeInfo {
        <str as Type<MySql>>::type_info()
    }

    fn compatible(column: &MySqlTypeInfo) -> bool {
        <str as Type<MySql>>::compatible(column)
    }
}

impl<'r> Decode<'r, MySql> for TextColumn {
    fn decode(value: MySqlValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() { Ok(Self(None)) } else { Ok(Self(Some(String::decode(value)?))) }
    }
}

impl TextColumn {
    fn required<T: FromStr<Err = UnknownText>>(&self) -> Result<T, UnknownText> {
        self.0.as_deref().unwrap_or("NULL").parse().inspect_err(log_unknown)
    }

    fn optional<T: FromStr<Err = UnknownText>>(&self) -> Result<Option<T>, UnknownText> {
        self.0.as_deref().map(str::parse).transpose().inspect_err(log_unknown)
    }
}

/// sqlx drops the error of a conversion, so it is logged here.
fn log_unknown(unknown: &UnknownText) {
    tracing::error!(error = %unknown, kind = unknown.kind, "a column holds an unknown text");
}

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

pub(crate) fn decode_text<T: FromStr<Err: Display>>(what: &'static str, text: &str) -> StoreResult<T> {
    text.parse().map_err(|reason: T::Err| StoreError::InvalidRow { what, reason: reason.to_string() })
}
