//! Macros for the two payloads that most kinds use.

/// Declares a stage of a call. The payload names the transcription, and the account as the tenant. Waiting jobs of one
/// kind are deduplicated by call.
macro_rules! call_job {
    (
        $(#[$doc:meta])*
        $name:ident, $kind:literal;
        policy: $policy:expr;
        trigger: $trigger:literal;
        description: $description:literal;
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            /// Row of `transcriptions`.
            pub transcription_id: flysk_domain::id::TranscriptionId,
            /// amoCRM's number of the account.
            pub account_id: flysk_domain::id::AccountId,
        }

        impl flysk_queue::Job for $name {
            const KIND: &'static str = $kind;
            const POLICY: flysk_queue::Policy = $policy;
            const TRIGGER: &'static str = $trigger;
            const DESCRIPTION: &'static str = $description;

            fn dedup_key(&self) -> Option<String> {
                Some(self.transcription_id.to_string())
            }

            fn tenant(&self) -> Option<String> {
                Some(self.account_id.to_string())
            }
        }
    };
}

/// Declares a job of the schedule: an empty payload, at most one of a kind waiting.
macro_rules! recurring_job {
    (
        $(#[$doc:meta])*
        $name:ident, $kind:literal;
        policy: $policy:expr;
        trigger: $trigger:literal;
        description: $description:literal;
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        pub struct $name {}

        impl flysk_queue::Job for $name {
            const KIND: &'static str = $kind;
            const POLICY: flysk_queue::Policy = $policy;
            const TRIGGER: &'static str = $trigger;
            const DESCRIPTION: &'static str = $description;

            fn dedup_key(&self) -> Option<String> {
                Some("all".to_owned())
            }
        }
    };
}

pub(crate) use {call_job, recurring_job};
