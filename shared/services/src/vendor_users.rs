//! People of vendors: invitations to the portal, and the users who accept them.

use chrono::{DateTime, Utc};
use flysk_crypto::{Keyring, KeyringError};
use flysk_domain::Clock;
use flysk_domain::admin::{INVITATION_TTL, Invited};
use flysk_domain::id::{InvitationId, VendorId, VendorUserId};
use flysk_domain::platform::mail::MailState;
use flysk_domain::platform::purchases::Email;
use flysk_jobs::platform::mail::SendInvitation;
use flysk_queue::UnitOfWork;
use flysk_store::portal::invitations::{self, Invitation};
use flysk_store::portal::users::{self, NewVendorUser, VendorUser};
use flysk_store::portal::{recovery_codes, sessions};
use flysk_store::{Conn, StoreError, StoreResult};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

const AAD: &str = "vendor_invitation";
/// Name of the parameter with the ticket of an invitation.
pub const TICKET_PARAMETER: &str = "invitation";

/// Why nobody is invited or let in.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// The address belongs to a user of another vendor.
    #[error("the address belongs to a user of another vendor")]
    OtherVendor,
    /// The invitation was accepted or revoked, or is over.
    #[error("the invitation cannot be accepted any more")]
    NotOpen(Invited),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl flysk_store::Contention for InvitationError {
    fn is_contended(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_contended())
    }
}

/// The address to sign in with: case does not matter.
pub fn sign_in_address(email: &Email) -> String {
    email.as_str().to_ascii_lowercase()
}

/// Invites a person to a vendor's portal and enqueues the letter. Earlier invitations to the address end. A user of the vendor may
/// be invited again: accepting it replaces password and second factor. The caller commits.
///
/// # Errors
///
/// The address belongs to a user of another vendor, or the database fails.
pub async fn invite(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    vendor: VendorId,
    email: &Email,
    invited_by: &str,
) -> Result<Invitation, InvitationError> {
    let (email, now) = (sign_in_address(email), unit.now());
    let known = users::find_by_email(unit, &email).await?;
    if known.is_some_and(|user| user.vendor_id != vendor) {
        return Err(InvitationError::OtherVendor);
    }
    invitations::revoke_all(unit, &email, now).await?;
    let invitation = Invitation {
        id: InvitationId::generate(clock),
        vendor_id: vendor,
        email,
        invited_by: invited_by.to_owned(),
        mail_state: MailState::Waiting,
        expires_at: now + INVITATION_TTL,
        accepted_at: None,
        revoked_at: None,
        created_at: now,
    };
    invitations::insert(unit, &invitation).await?;
    unit.enqueue(&SendInvitation { invitation_id: invitation.id }).await?;
    Ok(invitation)
}

/// The page where an invitation is accepted. Whoever has the link can accept it, so it is written into the letter only, and never
/// logged: the ticket is a parameter, and logs have paths.
///
/// # Errors
///
/// The link cannot be encrypted.
pub fn invitation_link(
    portal_url: &Url,
    keyring: &Keyring,
    invitation: InvitationId,
) -> Result<Url, KeyringError> {
    let ticket = keyring.seal_token(&SecretString::from(invitation.to_string()), AAD)?;
    let mut url = portal_url.clone();
    url.set_path(&format!("{}portal/invitation", portal_url.path()));
    url.query_pairs_mut().clear().append_pair(TICKET_PARAMETER, &ticket);
    Ok(url)
}

/// The invitation of a ticket; `None` if it is made up.
pub fn open_ticket(keyring: &Keyring, ticket: &str) -> Option<InvitationId> {
    keyring.open_token(ticket, AAD).ok()?.expose_secret().parse().ok()
}

/// The invitation of an id, if it can be accepted at `now`.
///
/// # Errors
///
/// [`InvitationError::NotOpen`], or the database fails.
pub async fn find_open(
    conn: &mut Conn,
    id: InvitationId,
    now: DateTime<Utc>,
) -> Result<Invitation, InvitationError> {
    let found = invitations::find(conn, id).await?;
    let Some(invitation) = found else { return Err(InvitationError::NotOpen(Invited::Expired)) };
    match invitation.state(now) {
        Invited::Open => Ok(invitation),
        state => Err(InvitationError::NotOpen(state)),
    }
}

/// Data of a person who accepts an invitation.
#[derive(Debug)]
pub struct Accepting<'a> {
    /// Used if the address belongs to no user yet.
    pub id: VendorUserId,
    /// Name to show.
    pub name: &'a str,
    /// Argon2id of the password, in PHC string format.
    pub password_hash: &'a str,
}

/// Uses up an invitation: creates its user, or renews the password of one who was invited again, and ends the user's sessions. The
/// second factor is set up next. The caller commits.
///
/// # Errors
///
/// [`InvitationError::NotOpen`] to all but the first of several at once; the address belongs to a user of another vendor; the database
/// fails.
pub async fn accept(
    conn: &mut Conn,
    invitation: &Invitation,
    accepting: &Accepting<'_>,
    now: DateTime<Utc>,
) -> Result<VendorUser, InvitationError> {
    if !invitations::accept(conn, invitation.id, now).await? {
        return Err(InvitationError::NotOpen(Invited::Accepted));
    }
    let known = users::find_by_email(conn, &invitation.email).await?;
    let id = match known {
        Some(user) if user.vendor_id != invitation.vendor_id => return Err(InvitationError::OtherVendor),
        Some(user) => {
            users::renew(conn, user.id, accepting.name, accepting.password_hash, now).await?;
            recovery_codes::remove_all(conn, user.id).await?;
            sessions::end_all(conn, user.id, now).await?;
            user.id
        }
        None => {
            let new = NewVendorUser {
                id: accepting.id,
                vendor_id: invitation.vendor_id,
                email: &invitation.email,
                name: accepting.name,
                password_hash: accepting.password_hash,
            };
            users::insert(conn, &new, now).await?;
            accepting.id
        }
    };
    let user = users::find(conn, id).await?;
    Ok(user.ok_or(StoreError::WrongState { what: "vendor's user" })?)
}

/// Disables a user of a vendor, or enables one: the sessions and the open invitations end. Returns the user as before. The caller
/// commits.
///
/// # Errors
///
/// The vendor has no such user, or the database fails.
pub async fn set_disabled(
    conn: &mut Conn,
    vendor: VendorId,
    id: VendorUserId,
    is_disabled: bool,
    now: DateTime<Utc>,
) -> StoreResult<VendorUser> {
    let user =
        users::lock(conn, vendor, id).await?.ok_or(StoreError::WrongState { what: "vendor's user" })?;
    users::write_disabled(conn, id, is_disabled.then_some(now), now).await?;
    if is_disabled {
        sessions::end_all(conn, id, now).await?;
        invitations::revoke_all(conn, &user.email, now).await?;
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use flysk_domain::SystemClock;

    use super::*;

    #[test]
    fn a_ticket_is_that_of_its_invitation_and_cannot_be_made_up() {
        let keyring = Keyring::parse("k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let id = InvitationId::generate(&SystemClock);
        let base = "https://portal.example.com/".parse().unwrap();
        let url = invitation_link(&base, &keyring, id).unwrap();
        assert_eq!(url.path(), "/portal/invitation");
        let ticket = url.query_pairs().next().unwrap().1.into_owned();
        assert_eq!(open_ticket(&keyring, &ticket), Some(id));
        assert_eq!(open_ticket(&keyring, &ticket[1..]), None);
        assert_eq!(open_ticket(&keyring, &id.to_string()), None);
    }

    #[test]
    fn the_case_of_an_address_does_not_matter() {
        let email: Email = "Anna@Romashka.Example".parse().unwrap();
        assert_eq!(sign_in_address(&email), "anna@romashka.example");
    }
}
