//! Notices by e-mail, and invitations to the portal.

use flysk_domain::id::{InvitationId, MailNoticeId};
use flysk_queue::{Job, Policy, Priority};
use serde::{Deserialize, Serialize};

use crate::queues::LETTER_POLICY;

/// Sends a notice by e-mail.
///
/// The intent is stored before the letter is handed over. A run that finds an intent does not send it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendMailNotice {
    /// Row of `mail_notices`.
    pub notice_id: MailNoticeId,
}

impl Job for SendMailNotice {
    const KIND: &'static str = "mail.send_notice";
    const POLICY: Policy = LETTER_POLICY;
    const TRIGGER: &'static str = "a change of a subscription that its payer should know";
    const DESCRIPTION: &'static str = "sends a notice about a subscription to the address of its receipts";

    fn dedup_key(&self) -> Option<String> {
        Some(self.notice_id.to_string())
    }
}

/// Sends the invitation of a vendor's person to the portal.
///
/// The intent is stored before the letter is handed over. A run that finds an intent does not send it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendInvitation {
    /// Row of `vendor_invitations`.
    pub invitation_id: InvitationId,
}

impl Job for SendInvitation {
    const KIND: &'static str = "mail.send_invitation";
    const POLICY: Policy = LETTER_POLICY.priority(Priority::High);
    const TRIGGER: &'static str = "an operator's invitation in the panel, `vendor:invite`";
    const DESCRIPTION: &'static str = "sends the link of an invitation to the portal, once";

    fn dedup_key(&self) -> Option<String> {
        Some(self.invitation_id.to_string())
    }
}
