//! Examples of transcriptions in the OpenAPI document.

use flysk_domain::flysense::call::{Direction, EntityType};
use flysk_domain::flysense::roles::{Role, RoleRule};
use flysk_domain::flysense::sentiment::Sentiment;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::flysense::summary::SummarySource;
use poem_openapi::types::Example;

use super::{
    ClassifierResult, SpeakerStatistics, StageTiming, TranscriptionDetails, TranscriptionView, UtteranceView,
};
use crate::choice::{Choice, Labeled};
use crate::flysense::label_view::TranscriptionLabel;
use crate::time::Time;

impl Example for TranscriptionView {
    fn example() -> Self {
        Self {
            id: "tr_01KCQJ8C3P5R7T9V1X3Z5B7D9F".to_owned(),
            note_id: 920_001,
            entity_type: EntityType::Lead.into(),
            entity_id: 700_001,
            state: TranscriptionState::Done.into(),
            state_label: TranscriptionState::Done.label().to_owned(),
            failure_code: None,
            failure_label: None,
            failure_cause: None,
            waits_for: None,
            direction: Some(Choice(Direction::Incoming)),
            called_at: Some(Time::example()),
            duration_ms: Some(42_000),
            channels: Some(2),
            partial: false,
            seconds_billed: Some(42),
            summary: Some("Клиент просит перезвонить завтра.".to_owned()),
            short: Some("Клиент просит перезвонить завтра.".to_owned()),
            summary_written: None,
            summary_edited_by: None,
            summary_source: Some(Choice(SummarySource::SpeechKit)),
            summary_absence: None,
            sentiment: Some(Labeled(Sentiment::Neutral)),
            labels: vec![TranscriptionLabel::example()],
            tags: vec!["перезвонить".to_owned()],
            roles_swapped: false,
            link: "https://demo.amocrm.ru/leads/detail/700001#flysense=tr_01KCQJ8C3P5R7T9V1X3Z5B7D9F"
                .to_owned(),
            version: 1,
            created_at: Time::example(),
            updated_at: Time::example(),
            finished_at: Some(Time::example()),
        }
    }
}

impl Example for TranscriptionDetails {
    fn example() -> Self {
        Self {
            call: TranscriptionView::example(),
            utterances: vec![UtteranceView {
                speaker: Role::Operator.into(),
                channel: "0".to_owned(),
                start_ms: 320,
                end_ms: 1_980,
                text: "Добрый день, чем могу помочь?".to_owned(),
            }],
            classifiers: vec![ClassifierResult {
                classifier: "formal_greeting".to_owned(),
                speaker: Role::Operator.into(),
                max: 0.97,
                mean: 0.41,
                hits: 1,
                utterances: 7,
            }],
            talk: vec![SpeakerStatistics {
                speaker: Role::Operator.into(),
                talk_ms: 21_400,
                ratio: 0.58,
                utterances: 7,
                interruptions: 1,
                longest_monologue_ms: 6_200,
            }],
            silence_ms: Some(4_100),
            roles_rule: Some(Labeled(RoleRule::Channel)),
            sentiment_reason: None,
            payment: None,
            stages: vec![StageTiming {
                stage: "recognize".to_owned(),
                started_at: Time::example(),
                took_ms: 9_300,
            }],
        }
    }
}
