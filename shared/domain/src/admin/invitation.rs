//! Invitations of a vendor's people to the portal.

use chrono::{DateTime, TimeDelta, Utc};

use crate::text_enum::labeled_enum;

/// The address must accept an invitation within this time.
pub const INVITATION_TTL: TimeDelta = TimeDelta::days(7);

labeled_enum!(
    /// Whether an invitation can be accepted.
    Invited {
        /// Can be accepted.
        Open = "open", "ждёт ответа";
        /// Accepted: an invitation works once.
        Accepted = "accepted", "принято";
        /// An operator revoked it, or a later one replaced it.
        Revoked = "revoked", "отозвано";
        /// Not accepted within [`INVITATION_TTL`].
        Expired = "expired", "истекло";
    }
);

/// The state of an invitation at `now`.
pub fn check_invited(
    accepted_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Invited {
    if accepted_at.is_some() {
        Invited::Accepted
    } else if revoked_at.is_some() {
        Invited::Revoked
    } else if now >= expires_at {
        Invited::Expired
    } else {
        Invited::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_works_once_and_until_its_end() {
        let now = DateTime::from_timestamp(1_796_000_000, 0).unwrap();
        let end = now + INVITATION_TTL;
        assert_eq!(check_invited(None, None, end, now), Invited::Open);
        assert_eq!(check_invited(None, None, end, end), Invited::Expired);
        assert_eq!(check_invited(Some(now), None, end, now), Invited::Accepted);
        assert_eq!(check_invited(None, Some(now), end, now), Invited::Revoked);
    }
}
