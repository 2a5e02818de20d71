//! Parser of SpeechKit's result stream.
//!
//! The body of `getRecognition` is a server stream converted by a gateway: JSON objects `{"result": {…}}`, separated by
//! any white space, pretty-printed or not. It is read with a streaming decoder, never line by line.
//! Source: SpeechKit API v3, `AsyncRecognizer.GetRecognition`.

mod analysis;
mod event;
mod messages;
mod window;

use serde::Deserialize;

pub use analysis::{
    ConversationAnalysis, DescriptiveStatistics, Interrupts, Quantile, SpeakerAnalysis, TimeSpan,
};
pub use event::{EventPayload, StreamEvent};
pub use messages::{
    Alternative, AlternativeUpdate, AudioCursors, ClassifierLabel, ClassifierResult, ClassifierUpdate,
    ContentUsage, EouUpdate, FinalRefinement, Highlight, StatusCode, Summarization, SummarizationResult,
    Word,
};

pub use window::Window;

use messages::StreamingResponse;

use crate::serde_lenient;

/// The stream could not be read to its end. The error never contains text of the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The service ended the stream with an error; the events before it are not the whole call.
    #[error("recognition stream ended with an error, code {code}: {message}")]
    Refused {
        /// gRPC status code, or 0 if none was given.
        code: i64,
        /// Message of the service, English.
        message: String,
    },
    /// The body ends inside a message: the connection was lost, the stream must be read again.
    #[error("recognition stream is cut off after {events} events")]
    Truncated {
        /// Number of complete events.
        events: usize,
    },
    /// The body is not a valid stream.
    #[error("recognition stream is not readable at line {line}, column {column}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
}

/// One object of the stream. Errors and statuses at its top level are not documented, but are read in case they occur.
#[derive(Deserialize)]
struct Envelope {
    result: Option<StreamingResponse>,
    error: Option<Status>,
    #[serde(default, alias = "streamingResponses", deserialize_with = "serde_lenient::nullable")]
    streaming_responses: Vec<StreamingResponse>,
    #[serde(default, alias = "grpcCode", deserialize_with = "serde_lenient::signed")]
    code: i64,
    #[serde(default, deserialize_with = "serde_lenient::text")]
    message: String,
}

impl Envelope {
    fn into_messages(self) -> Result<impl Iterator<Item = StreamingResponse>, StreamError> {
        let bare = (self.code != 0).then_some(Status { code: self.code, message: self.message });
        match self.error.or(bare) {
            Some(Status { code, message }) => Err(StreamError::Refused { code, message }),
            None => Ok(self.result.into_iter().chain(self.streaming_responses)),
        }
    }
}

/// `google.rpc.Status` in both spellings that gateways use.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(alias = "grpcCode", deserialize_with = "serde_lenient::signed")]
    code: i64,
    #[serde(deserialize_with = "serde_lenient::text")]
    message: String,
}

/// Parses a whole body. An empty body is a call without events.
pub fn parse(body: &[u8]) -> Result<Vec<StreamEvent>, StreamError> {
    let mut events = Vec::new();
    for envelope in serde_json::Deserializer::from_slice(body).into_iter::<Envelope>() {
        let envelope = envelope.map_err(|error| unreadable(&error, events.len()))?;
        for message in envelope.into_messages()? {
            events.extend(StreamEvent::of_message(message));
        }
    }
    Ok(events)
}

fn unreadable(error: &serde_json::Error, events: usize) -> StreamError {
    if error.is_eof() {
        StreamError::Truncated { events }
    } else {
        StreamError::Malformed { line: error.line(), column: error.column() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finals(events: &[StreamEvent]) -> Vec<(&str, &str, u64)> {
        events
            .iter()
            .filter_map(|event| match &event.payload {
                EventPayload::Final(update) => {
                    let best = update.alternatives.first()?;
                    Some((event.channel.0.as_str(), best.text.as_str(), best.words.first()?.start_time_ms))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn objects_follow_each_other_with_any_white_space_or_none() {
        let one = r#"{"result":{"channelTag":"0","final":{"alternatives":[{"text":"да","words":[{"text":"да","startTimeMs":"459","endTimeMs":"600"}]}]}}}"#;
        let pretty =
            serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(one).unwrap()).unwrap();
        let events = parse(format!("{one}{one}\n\n{pretty}\r\n{one}").as_bytes()).unwrap();
        assert_eq!(finals(&events), vec![("0", "да", 459); 4]);
    }

    #[test]
    fn numbers_come_as_strings_or_numbers_and_null_is_a_default() {
        let body = r#"{"result":{"audioCursors":null,"channelTag":1,"final":{"alternatives":[
            {"text":"ну","confidence":"0","languages":null,"words":[{"text":"ну","startTimeMs":7,"endTimeMs":"9"}]}]},
            "summarization":null}}"#;
        assert_eq!(finals(&parse(body.as_bytes()).unwrap()), [("1", "ну", 7)]);
    }

    #[test]
    fn what_is_newer_than_this_code_does_no_harm() {
        let body = r#"{"result":{"channelTag":"0","moodUpdate":{"x":1},"audioCursors":{"receivedDataMs":"900","newCursor":"1"}}}
            {"result":{"speakerAnalysis":{"windowType":"LAST_MINUTE","speakerTag":"0","speechRatio":"NaN"}},"trailer":{}}"#;
        let events = parse(body.as_bytes()).unwrap();
        assert_eq!(events[0].payload, EventPayload::Other);
        assert_eq!(events[0].cursors.received_data_ms, 900);
        let EventPayload::SpeakerAnalysis(analysis) = &events[1].payload else { panic!("{:?}", events[1]) };
        assert_eq!((analysis.window_type, analysis.speech_ratio), (Window::Unknown, 0.0));
    }

    #[test]
    fn the_deprecated_tag_inside_a_final_is_used_when_the_envelope_has_none() {
        let body = r#"{"result":{"channelTag":"","final":{"channelTag":"1","alternatives":[{"text":"а","words":[{"text":"а"}]}]}}}"#;
        assert_eq!(finals(&parse(body.as_bytes()).unwrap()), [("1", "а", 0)]);
    }

    #[test]
    fn a_list_message_is_its_messages() {
        let list = r#"{"streamingResponses":[{"eouUpdate":{"timeMs":"5"}},{"eouUpdate":{"timeMs":6}}]}"#;
        let expected = [5, 6].map(|time_ms| EventPayload::EouUpdate(EouUpdate { time_ms }));
        for body in [list.to_owned(), format!(r#"{{"result":{list}}}"#)] {
            let payloads: Vec<_> =
                parse(body.as_bytes()).unwrap().into_iter().map(|event| event.payload).collect();
            assert_eq!(payloads, expected, "{body}");
        }
    }

    #[test]
    fn an_error_in_the_stream_is_ours_to_tell_in_every_shape() {
        let refused = StreamError::Refused { code: 13, message: "internal".into() };
        for error in [
            r#"{"error":{"code":13,"message":"internal","details":[]}}"#,
            r#"{"error":{"grpcCode":13,"httpCode":500,"message":"internal","httpStatus":"Internal Server Error"}}"#,
            r#"{"code":"13","message":"internal"}"#,
        ] {
            let body = format!(r#"{{"result":{{"eouUpdate":{{"timeMs":"5"}}}}}}{error}"#);
            assert_eq!(parse(body.as_bytes()), Err(refused.clone()), "{error}");
        }
    }

    #[test]
    fn a_cut_body_is_told_from_a_wrong_one_and_an_empty_one() {
        assert_eq!(parse(b" \n"), Ok(vec![]));
        assert_eq!(parse(br#"{"result":{}}{"result":{"fin"#), Err(StreamError::Truncated { events: 1 }));
        assert_eq!(parse(b"<html>"), Err(StreamError::Malformed { line: 1, column: 1 }));
        let wrong = parse(br#"{"result":{"eouUpdate":{"timeMs":"secret"}}}"#).unwrap_err();
        assert!(matches!(wrong, StreamError::Malformed { .. }) && !wrong.to_string().contains("secret"));
    }
}
