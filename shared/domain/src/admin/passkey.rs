//! Passkeys of operators: what a challenge is for, how long it is valid, why an answer is refused.

use chrono::TimeDelta;

use crate::UnknownText;
use crate::text_enum::labeled_enum;

/// Lifetime of a challenge. Web Authentication (level 3, section 15.1) recommends 5 to 10 minutes.
pub const PASSKEY_CHALLENGE_TTL: TimeDelta = TimeDelta::minutes(5);

/// Largest number of passkeys of one operator.
pub const MAX_PASSKEYS: usize = 10;

/// Purpose of a challenge. An answer serves the purpose of its challenge only.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasskeyPurpose {
    /// Registration of a passkey.
    Register,
    /// The second factor of signing in.
    SignIn,
    /// The second factor once more, in a session.
    StepUp,
}

labeled_enum!(
    /// Why an answer to a challenge is refused. The label is for the operator, the code for the audit log.
    PasskeyRefusal {
        /// The session has no open challenge for this purpose: it was answered, or its time is over.
        NoChallenge = "no_challenge", "Запрос ключа доступа устарел или уже использован. Попробуйте ещё раз.";
        /// The answer is no answer of a browser.
        Unreadable = "unreadable", "Браузер не передал ответ ключа доступа. Попробуйте ещё раз.";
        /// Signature, challenge, address, person or passkey are not those that were asked for.
        Wrong = "wrong", "Ключ доступа не подошёл. Попробуйте ещё раз.";
        /// The signature counter did not grow: a copy of the passkey may be in use.
        Copied = "copied", "Ключ доступа не принят: похоже, есть его копия. Удалите его в профиле.";
    }
);
