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
    /// The enum of a column that is not NULL.
    pub(crate) fn required<T: FromStr<Err = UnknownText>>(&self) -> Result<T, UnknownText> {
        self.0.as_deref().unwrap_or("NULL").parse().inspect_err(log_unknown)
    }

    /// The enum of a column; `None` for NULL.
    pub(crate) fn optional<T: FromStr<Err = UnknownText>>(&self) -> Result<Option<T>, UnknownText> {
        self.0.as_deref().map(str::parse).transpose().inspect_err(log_unknown)
    }
}

/// sqlx drops the error of a conversion, so it is logged here.
fn log_unknown(unknown: &UnknownText) {
    tracing::error!(error = %unknown, kind = unknown.kind, "a column holds an unknown text");
}

pub(crate) fn decode_text<T: FromStr<Err: Display>>(what: &'static str, text: &str) -> StoreResult<T> {
    text.parse().map_err(|reason: T::Err| StoreError::InvalidRow { what, reason: reason.to_string() })
}
