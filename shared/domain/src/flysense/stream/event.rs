//! The stream's messages told apart.

use super::analysis::{ConversationAnalysis, SpeakerAnalysis};
use super::messages::{
    AlternativeUpdate, AudioCursors, ClassifierUpdate, EouUpdate, FinalRefinement, StatusCode,
    StreamingResponse, Summarization,
};
use crate::flysense::channel::ChannelTag;

/// One event of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// Whose: an audio channel, or a speaker when labeling is on; empty for call-level events.
    pub channel: ChannelTag,
    /// How far the service had come.
    pub cursors: AudioCursors,
    /// What happened.
    pub payload: EventPayload,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventPayload {
    /// Text that may still change.
    Partial(AlternativeUpdate),
    /// Text that will not change, before normalization.
    Final(AlternativeUpdate),
    /// The normalized form of an earlier final.
    FinalRefinement(FinalRefinement),
    /// The end of an utterance.
    EouUpdate(EouUpdate),
    /// The service about itself.
    StatusCode(StatusCode),
    /// A classifier's verdict.
    ClassifierUpdate(ClassifierUpdate),
    /// Statistics of one speaker.
    SpeakerAnalysis(SpeakerAnalysis),
    /// Statistics of the call.
    ConversationAnalysis(ConversationAnalysis),
    /// Answers of the language model.
    Summarization(Summarization),
    /// An event newer than this code, or one that only moves the cursors.
    Other,
}

impl StreamEvent {
    /// The events of one message, in the order of the proto's fields. A message holds one; that a gateway
    /// might print several must not lose any.
    pub(super) fn of_message(message: StreamingResponse) -> Vec<Self> {
        let cursors = message.audio_cursors;
        let channel_tag = message.channel_tag;
        let mut events = Vec::with_capacity(1);
        let mut push = |copy_of_tag: &str, payload| {
            let tag = if channel_tag.is_empty() { copy_of_tag } else { &channel_tag };
            events.push(Self { channel: ChannelTag::from(tag), cursors, payload });
        };
        if let Some(update) = message.partial {
            push(&update.channel_tag.clone(), EventPayload::Partial(update));
        }
        if let Some(update) = message.final_update {
            push(&update.channel_tag.clone(), EventPayload::Final(update));
        }
        if let Some(refinement) = message.final_refinement {
            push(&refinement.normalized_text.channel_tag.clone(), EventPayload::FinalRefinement(refinement));
        }
        if let Some(update) = message.eou_update {
            push("", EventPayload::EouUpdate(update));
        }
        if let Some(status) = message.status_code {
            push("", EventPayload::StatusCode(status));
        }
        if let Some(update) = message.classifier_update {
            push("", EventPayload::ClassifierUpdate(update));
        }
        if let Some(analysis) = message.speaker_analysis {
            push("", EventPayload::SpeakerAnalysis(analysis));
        }
        if let Some(analysis) = message.conversation_analysis {
            push("", EventPayload::ConversationAnalysis(analysis));
        }
        if let Some(answers) = message.summarization {
            push("", EventPayload::Summarization(answers));
        }
        events.extend(message.streaming_responses.into_iter().flat_map(Self::of_message));
        if events.is_empty() {
            events.push(Self { channel: ChannelTag(channel_tag), cursors, payload: EventPayload::Other });
        }
        events
    }
}
