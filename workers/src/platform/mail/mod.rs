//! Notices by e-mail, and invitations to the portal.

mod send_invitation;
mod send_notice;
