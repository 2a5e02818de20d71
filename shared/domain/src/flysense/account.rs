//! Accounts that use FlySense.

use crate::UnknownText;

/// Whether FlySense is active in an account, by the latest lifecycle event.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// Calls are processed.
    Active,
    /// Calls are not processed.
    Inactive,
}

/// State of the subscription to amoCRM's note hooks.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HooksState {
    /// amoCRM sends hooks about new notes.
    Subscribed,
    /// Not subscribed, or unsubscribed.
    Unsubscribed,
    /// amoCRM refused: the account's plan has no hooks.
    Refused,
}
