//! Events of the stream, by type.

use super::analysis::{ConversationAnalysis, SpeakerAnalysis};
use super::messages::{
    AlternativeUpdate, AudioCursors, ClassifierUpdate, EouUpdate, FinalRefinement, StatusCode,
    StreamingResponse, Summarization,
};
use crate::flysense::channel::ChannelTag;

/// One event of the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// Audio channel, or speaker if labeling is on; empty for events about the whole call.
    pub channel: ChannelTag,
    /// Progress of the service.
    pub cursors: AudioCursors,
    /// Type and content of the event.
    pub payload: EventPayload,
}

/// Type and content of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum EventPayload {
    /// Preliminary text.
    Partial(AlternativeUpdate),
    /// Final text, before normalization.
    Final(AlternativeUpdate),
    /// Normalized form of an earlier final text.
    FinalRefinement(FinalRefinement),
    /// End of an utterance.
    EouUpdate(EouUpdate),
    /// Status of the service.
    StatusCode(StatusCode),
    /// Result of a classifier.
    ClassifierUpdate(ClassifierUpdate),
    /// Statistics of one speaker.
    SpeakerAnalysis(SpeakerAnalysis),
    /// Statistics of the call.
    ConversationAnalysis(ConversationAnalysis),
    /// Responses of the language model.
    Summarization(Summarization),
    /// An unknown event, or one that only moves the cursors.
    Other,
}

impl StreamEvent {
    /// The events of a message, in the order of the proto's fields. A message contains one; if a gateway puts several into
    /// one message, none is lost.
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
