//! People bound to accounts.

use crate::UnknownText;

/// Whether a person belongs to an account now.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingState {
    /// The person gets notices.
    Active,
    /// The person blocked the bot: nothing is sent until the person writes again.
    Blocked,
}

/// State of a bot's message.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// Not sent yet.
    Waiting,
    /// A request is on its way, or its process died.
    Sending,
    /// The messenger has accepted it.
    Sent,
    /// Possibly sent. Not sent again, because the person would read it twice.
    Unknown,
    /// The person blocked the bot, or is not bound any more, or has switched such notices off.
    Unreachable,
    /// The messenger refused it.
    Refused,
}
