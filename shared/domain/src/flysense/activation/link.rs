//! Links that activate FlySense.

use chrono::{DateTime, TimeDelta, Utc};

use super::messenger::Messenger;
use crate::UnknownText;

/// A link must be opened and confirmed within this time.
pub const LINK_TTL: TimeDelta = TimeDelta::minutes(15);
/// Lifetime of a link's short code.
pub const CODE_TTL: TimeDelta = TimeDelta::minutes(10);
/// Wrong codes that a dialogue may send within [`WRONG_CODES_WINDOW`].
pub const MAX_WRONG_CODES: u32 = 5;
/// Window of wrong codes, from the first of them.
pub const WRONG_CODES_WINDOW: TimeDelta = TimeDelta::hours(1);

/// State of a link. Expiry is not a state: it follows from the time.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Nobody has opened it.
    Waiting,
    /// Opened by a person who is asked for the phone number.
    Opened,
    /// The phone number is confirmed; FlySense is switched on, or is being switched on.
    Bound,
    /// The phone number is confirmed, but FlySense could not be switched on.
    Failed,
    /// A newer link of the same user replaces it, or FlySense was removed.
    Replaced,
}

/// State of a link as its creator sees it. More states may be added.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkProgress {
    /// Nobody has opened it.
    Waiting,
    /// Opened by a person who is asked for the phone number.
    Opened,
    /// The phone number is confirmed; FlySense is switched on, or is being switched on.
    Bound,
    /// The phone number is confirmed, but FlySense could not be switched on.
    Failed,
    /// A newer link replaces it, or FlySense was removed.
    Replaced,
    /// Not used in time.
    Expired,
}

impl LinkState {
    /// The state as the link's creator sees it.
    pub fn progress(self, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> LinkProgress {
        match self {
            Self::Waiting | Self::Opened if now >= expires_at => LinkProgress::Expired,
            Self::Waiting => LinkProgress::Waiting,
            Self::Opened => LinkProgress::Opened,
            Self::Bound => LinkProgress::Bound,
            Self::Failed => LinkProgress::Failed,
            Self::Replaced => LinkProgress::Replaced,
        }
    }
}

/// Why FlySense could not be switched on after the phone number was confirmed.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnableFailure {
    /// The account has lost or withdrawn access: an administrator must connect FlySense again.
    AccessLost,
    /// FlySense is no longer installed in the account.
    NotInstalled,
    /// The platform refused for another reason.
    Refused,
}

/// A person in a messenger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presenter {
    /// Telegram and MAX number their users apart.
    pub messenger: Messenger,
    /// The person's id in it.
    pub user_id: i64,
}

/// Facts that decide about a presented link.
#[derive(Debug, Clone, Copy)]
pub struct LinkFacts {
    /// As it is stored, before the presentation.
    pub state: LinkState,
    /// Expiry of what was presented: the link, or its code.
    pub expires_at: DateTime<Utc>,
    /// First person who presented it.
    pub opened_by: Option<Presenter>,
}

/// Result of presenting a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presentation {
    /// The person is the first: the link belongs to them now.
    Opens,
    /// The person has opened it before and may go on.
    GoesOn,
    /// The person has already confirmed the number through this link.
    AlreadyBound,
    /// Too late.
    Expired,
    /// A newer link replaces it.
    Replaced,
    /// Opened or used by another person.
    Foreign(Presenter),
}

impl LinkFacts {
    /// Decides about a link that `who` presents.
    pub fn present(&self, who: Presenter, now: DateTime<Utc>) -> Presentation {
        if self.state == LinkState::Replaced {
            return Presentation::Replaced;
        }
        match self.opened_by {
            Some(owner) if owner != who => Presentation::Foreign(owner),
            Some(_) if matches!(self.state, LinkState::Bound | LinkState::Failed) => {
                Presentation::AlreadyBound
            }
            _ if now >= self.expires_at => Presentation::Expired,
            Some(_) => Presentation::GoesOn,
            None => Presentation::Opens,
        }
    }
}

/// Whether a dialogue may try another code; `wrong` codes were sent since `since`.
pub fn may_try_code(wrong: u32, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    wrong < MAX_WRONG_CODES || since.is_none_or(|since| now >= since + WRONG_CODES_WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: Presenter = Presenter { messenger: Messenger::Telegram, user_id: 555 };
    const BORIS: Presenter = Presenter { messenger: Messenger::Telegram, user_id: 556 };
    const ANNA_IN_MAX: Presenter = Presenter { messenger: Messenger::Max, user_id: 555 };

    fn present(state: LinkState, opened_by: Option<Presenter>, who: Presenter, minute: i64) -> Presentation {
        let start = DateTime::UNIX_EPOCH;
        let facts = LinkFacts { state, expires_at: start + LINK_TTL, opened_by };
        facts.present(who, start + TimeDelta::minutes(minute))
    }

    #[test]
    fn the_first_presenter_owns_a_link_until_it_expires() {
        assert_eq!(present(LinkState::Waiting, None, ANNA, 14), Presentation::Opens);
        assert_eq!(present(LinkState::Waiting, None, ANNA, 15), Presentation::Expired);
        assert_eq!(present(LinkState::Opened, Some(ANNA), ANNA, 14), Presentation::GoesOn);
        assert_eq!(present(LinkState::Opened, Some(ANNA), ANNA, 15), Presentation::Expired);
        for state in [LinkState::Bound, LinkState::Failed] {
            assert_eq!(present(state, Some(ANNA), ANNA, 90), Presentation::AlreadyBound);
        }
    }

    #[test]
    fn nobody_else_gets_a_link_whatever_its_state() {
        for state in [LinkState::Opened, LinkState::Bound, LinkState::Failed] {
            for other in [BORIS, ANNA_IN_MAX] {
                for minute in [1, 90] {
                    assert_eq!(present(state, Some(ANNA), other, minute), Presentation::Foreign(ANNA));
                }
            }
        }
        assert_eq!(present(LinkState::Replaced, Some(ANNA), ANNA, 1), Presentation::Replaced);
    }

    #[test]
    fn a_dialogue_has_five_wrong_codes_an_hour() {
        let (start, minutes) = (DateTime::UNIX_EPOCH, TimeDelta::minutes);
        assert!(may_try_code(0, None, start) && may_try_code(4, Some(start), start));
        assert!(!may_try_code(5, Some(start), start + minutes(59)));
        assert!(may_try_code(5, Some(start), start + minutes(60)));
    }
}
