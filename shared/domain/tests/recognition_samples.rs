//! Complete result streams of recognitions, assembled into dialogues. The streams are handwritten in the
//! documented format with invented values. In stereo and labeled streams the first word starts at 459 ms while
//! the alternative starts at 0, as in the official sample.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use flysk_domain::flysense::call::Direction;
use flysk_domain::flysense::call_metrics::TalkStatistics;
use flysk_domain::flysense::classifiers::{self, Gender};
use flysk_domain::flysense::roles::{Role, RoleRule, Roles, Separation};
use flysk_domain::flysense::sentiment::Sentiment;
use flysk_domain::flysense::stream::{StreamError, parse};
use flysk_domain::flysense::summary::parse_answer;
use flysk_domain::flysense::transcript_assembly::{AssembledTranscript, SegmentationLimits, assemble};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("samples/", $name, ".json")).as_slice()
    };
}

fn folded(body: &[u8]) -> AssembledTranscript {
    match parse(body) {
        Ok(events) => assemble(events, SegmentationLimits::default()),
        Err(error) => panic!("{error}"),
    }
}

/// One line per utterance: `<tag> <start>-<end> <text>`.
fn dialogue(folded: &AssembledTranscript) -> Vec<String> {
    let told = folded.utterances.iter();
    told.map(|said| format!("{} {}-{} {}", said.channel, said.start_ms, said.end_ms, said.text)).collect()
}

#[test]
fn labeled_mono_becomes_a_dialogue_of_refined_texts_with_word_times() {
    let call = folded(sample!("mono_labeled"));
    assert_eq!(
        dialogue(&call),
        [
            "0 459-1309 Магазин Ромашка, здравствуйте.",
            "1 2000-3450 Добрый день! Сколько стоит доставка?",
            "0 4600-5150 300 рублей.",
            "1 6100-6350 Спасибо.",
        ]
    );
    assert_eq!(call.facts.received_data_ms, 14_000);
    let heard = classifiers::summarize(&call.facts.classifier_updates);
    let separation = Separation::Labeling { direction: Some(Direction::Incoming) };
    let roles = Roles::resolve(&call.utterances, &heard, separation);
    assert_eq!((roles.of(&"1".into()), roles.rule), (Role::Client, RoleRule::FirstSpeaker));
}

#[test]
fn stereo_channels_become_one_dialogue_with_analysis() {
    let call = folded(sample!("stereo"));
    assert_eq!(
        dialogue(&call),
        [
            "0 500-1050 Слушаю вас.",
            "1 1500-2950 У меня не работает виджет!",
            "0 2700-3250 Понял, минуту.",
            "1 4000-4250 Жду.",
        ]
    );
    let totals: Vec<_> =
        call.facts.speakers.iter().map(|it| (it.speaker_tag.as_str(), it.total_speech_ms)).collect();
    assert_eq!(totals, [("0", 1_150), ("1", 1_700)], "running values are dropped");
    assert!(
        call.facts.speakers.iter().all(|it| it.letters_per_second.std == 0.0),
        "NaN cannot be kept in JSON"
    );
    assert_eq!(call.facts.conversation.as_ref().unwrap().speaker_interrupts[0].interrupts_count, 1);
    let answers = call.facts.summarization.as_ref().unwrap();
    assert_eq!(answers.content_usage.total_tokens, 170);
    assert_eq!(parse_answer(&answers.results[0].response).unwrap().sentiment, Some(Sentiment::Negative));
    let ours = TalkStatistics::of(&call.utterances, call.facts.received_data_ms);
    assert_eq!((ours.silence_ms, ours.overlap_ms), (17_450, 250));
}

#[test]
fn facts_are_serialized_in_snake_case() {
    let facts = folded(sample!("stereo")).facts;
    let json = serde_json::to_string(&facts).unwrap();
    assert!(json.contains("\"total_speech_ms\":1150") && !json.contains("totalSpeechMs"));
    assert_eq!(
        serde_json::from_str::<flysk_domain::flysense::transcript_assembly::CallFacts>(&json).unwrap(),
        facts
    );
}

#[test]
fn late_and_repeated_messages_change_only_their_own_text() {
    assert_eq!(
        dialogue(&folded(sample!("refinements_late"))),
        ["0 500-1650 Заказ номер 25.", "0 2500-3050 Адрес прежний.", "0 4000-4550 Всё верно."]
    );
}

#[test]
fn a_final_index_over_all_channels_is_supported() {
    assert_eq!(
        dialogue(&folded(sample!("final_index_global"))),
        ["0 300-550 Алло?", "1 900-1150 Здравствуйте!", "0 1500-1750 Слушаю.", "1 2100-2650 Это доставка."]
    );
}

#[test]
fn a_single_utterance_is_split_at_pauses_and_keeps_its_punctuation() {
    // A pause of 900 ms splits; one of 899 ms does not, nor does the one inside "пять тысяч", which became
    // "5000".
    assert_eq!(
        dialogue(&folded(sample!("one_giant_utterance"))),
        [
            "0 400-1850 Здравствуйте, вы позвонили в компанию.",
            "0 7900-8750 Дождитесь ответа оператора.",
            "0 9650-11349 Спасибо, что ждёте.",
            "0 16399-21149 Ваш заказ, 5000 рублей, — готов!",
        ]
    );
}

#[test]
fn classifier_updates_become_counts_by_channel_and_a_sentiment() {
    let call = folded(sample!("classifier_updates"));
    let heard = classifiers::summarize(&call.facts.classifier_updates);
    let told: Vec<_> =
        heard.iter().map(|it| (it.classifier.as_str(), it.channel.0.as_str(), it.windows, it.hits)).collect();
    assert_eq!(
        told,
        [
            ("insult", "1", 1, 1),
            ("negative", "0", 1, 0),
            ("negative", "1", 3, 2),
            ("profanity", "0", 1, 0),
            ("profanity", "1", 3, 0),
        ]
    );
    assert_eq!(heard[0].highlights[0].text, "безобразие");
    let voices: Vec<_> =
        classifiers::genders(&call.facts.classifier_updates).into_iter().map(|it| it.gender).collect();
    assert_eq!(voices, [Gender::Male, Gender::Female]);
    let roles = Roles::resolve(&call.utterances, &heard, Separation::Channels { left: Role::Operator });
    assert_eq!(Sentiment::from_negative_share(&heard, &roles), Some(Sentiment::Negative));
}

#[test]
fn no_speech_is_an_empty_dialogue_and_not_an_error() {
    let call = folded(sample!("no_speech"));
    assert_eq!((dialogue(&call).len(), call.facts.received_data_ms), (0, 5_000));
    assert_eq!(call.facts.warnings, ["no speech detected"]);
    assert_eq!(folded(b"").utterances, []);
}

#[test]
fn an_error_in_the_middle_is_no_transcript() {
    let refused = StreamError::Refused { code: 14, message: "backend is unavailable".into() };
    assert_eq!(parse(sample!("error_mid_stream")), Err(refused));
}
