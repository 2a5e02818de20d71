//! Roles of operators and stages of their sessions.

use crate::UnknownText;
use crate::text_enum::labeled_enum;

labeled_enum!(
    /// Role of an operator. Each role may do everything that the roles before it may do.
    OperatorRole {
        /// Reads everything, replays jobs and events, sends reconnect links.
        Support = "support", "Поддержка";
        /// Moves money: compensations, refunds, packages, prices, reviews.
        Billing = "billing", "Биллинг";
        /// Changes widgets, settings and states of installs.
        Operator = "operator", "Оператор";
        /// Manages operators.
        Owner = "owner", "Владелец";
    }
);

impl OperatorRole {
    /// Whether this role may do what `needed` may do.
    pub fn includes(self, needed: Self) -> bool {
        self >= needed
    }
}

/// How far somebody has signed in; the stored text of a session's row.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStage {
    /// The password was right; the second factor is missing.
    Password,
    /// Signed in.
    Full,
}

#[cfg(test)]
mod tests {
    use super::OperatorRole::{Billing, Operator, Owner, Support};

    #[test]
    fn a_role_includes_itself_and_the_smaller_ones() {
        let order = [Support, Billing, Operator, Owner];
        for (at, role) in order.iter().enumerate() {
            for (other_at, other) in order.iter().enumerate() {
                assert_eq!(role.includes(*other), at >= other_at, "{role} and {other}");
            }
        }
    }
}
