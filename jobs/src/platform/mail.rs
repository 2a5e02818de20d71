//! Notices by e-mail.

use flysk_domain::id::MailNoticeId;
use flysk_queue::{Job, Policy};
use serde::{Deserialize, Serialize};

use crate::queues::LETTER_POLICY;

/// Sends a notice by e-mail.
///
/// The intent is stored before the letter is handed over. A run that finds an intent does not send it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendMailNotice {
    /// The notice.
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
