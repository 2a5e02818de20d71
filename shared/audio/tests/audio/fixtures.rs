//! Every recording of `tests/fixtures/calls` against its manifest.

use crate::kit::{TestDir, fixture, with_ffmpeg};
use flysk_audio::{Container, Layout, Prepared};
use serde_json::Value;

fn manifest() -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(fixture("manifest.json")).expect("the manifest");
    match serde_json::from_str(&text).expect("the manifest is JSON") {
        Value::Object(map) => map,
        other => panic!("the manifest is not an object: {other}"),
    }
}

#[test]
fn good_recordings_have_the_stated_length_and_channels() {
    for (name, entry) in manifest() {
        let (Some(duration_ms), Some(channels)) = (entry["duration_ms"].as_u64(), entry["channels"].as_u64())
        else {
            continue;
        };
        let prepared = TestDir::new().prepare(&fixture(&name), &with_ffmpeg()).expect(&name);
        // GSM has frames of 40 ms; all other formats are exact to a millisecond.
        let tolerance = if name.contains("gsm") { 40 } else { 1 };
        assert!(
            prepared.duration_ms.abs_diff(duration_ms) <= tolerance,
            "{name}: {} ms instead of {duration_ms}",
            prepared.duration_ms
        );
        assert_eq!(u64::from(prepared.channels), channels, "{name}");
        assert_eq!(prepared.speech.len(), usize::from(prepared.channels), "{name}");
        assert!(!prepared.partial, "{name}");
    }
}

#[test]
fn speech_is_found_where_the_manifest_has_turns() {
    for (name, entry) in manifest() {
        let Some(turns) = entry["turns"].as_array() else { continue };
        let prepared = TestDir::new().prepare(&fixture(&name), &with_ffmpeg()).expect(&name);
        assert_eq!(prepared.has_speech(), !turns.is_empty(), "{name}");
    }
}

#[test]
fn each_turn_of_a_second_is_covered_by_segments_of_its_own_channel() {
    let mut checked = 0;
    for (name, entry) in manifest() {
        if entry["channels"].as_u64() != Some(2) {
            continue;
        }
        let prepared = TestDir::new().prepare(&fixture(&name), &with_ffmpeg()).expect(&name);
        assert_eq!(prepared.layout, Layout::Stereo, "{name}");
        for turn in entry["turns"].as_array().expect("turns") {
            let own = usize::from(turn["speaker"] == "client");
            let (start, end) =
                (turn["start_ms"].as_u64().expect("start"), turn["end_ms"].as_u64().expect("end"));
            if end - start < 1000 {
                continue;
            }
            let needed = (end - start) * 8 / 10;
            assert!(covered(&prepared, own, start, end) >= needed, "{name}: turn at {start} ms");
            let echo = covered(&prepared, 1 - own, start, end);
            assert!(echo <= 250, "{name}: {echo} ms of the other side's channel in the turn at {start} ms");
            checked += 1;
        }
    }
    assert!(checked >= 20, "only {checked} turns were checked");
}

/// Milliseconds of `start..end` that the segments of a channel cover.
fn covered(prepared: &Prepared, channel: usize, start: u64, end: u64) -> u64 {
    let segments = &prepared.speech[channel].segments;
    segments.iter().map(|it| it.end_ms.min(end).saturating_sub(it.start_ms.max(start))).sum()
}

#[test]
fn turns_of_one_speaker_stay_apart_and_begin_on_time() {
    let prepared =
        TestDir::new().prepare(&fixture("answerphone-mono-8k.mp3"), &with_ffmpeg()).expect("a good file");
    let segments = &prepared.speech[0].segments;
    for begin in [500_u64, 6522] {
        assert!(
            segments.iter().any(|it| it.start_ms.abs_diff(begin) <= 60),
            "nothing begins at {begin} ms: {segments:?}"
        );
    }
    assert!(
        !segments.iter().any(|it| it.start_ms < 6077 && it.end_ms > 6522),
        "two turns became one: {segments:?}"
    );
    assert!(
        segments.windows(2).all(|pair| pair[0].end_ms < pair[1].start_ms),
        "segments touch: {segments:?}"
    );
}

#[test]
fn invalid_recordings_fail_with_their_error_codes() {
    for (name, code) in
        [("bad-html-login.mp3", "not_audio"), ("bad-empty.mp3", "empty"), ("bad-noise.bin", "not_audio")]
    {
        let dir = TestDir::new();
        let error = dir.prepare(&fixture(name), &with_ffmpeg()).expect_err(name);
        assert_eq!(error.code(), code, "{name}: {error}");
        assert_eq!(dir.files(), Vec::<String>::new(), "{name} left something behind");
    }
}

#[test]
fn an_html_page_is_named_in_the_error() {
    let error = TestDir::new().prepare(&fixture("bad-html-login.mp3"), &with_ffmpeg()).expect_err("no audio");
    assert_eq!(error.to_string(), "the file is not audio: it is an HTML page");
}

#[test]
fn a_truncated_recording_is_decoded_up_to_the_cut() {
    let dir = TestDir::new();
    let prepared = dir.prepare(&fixture("bad-truncated.mp3"), &with_ffmpeg()).expect("a third of a call");
    assert!(prepared.partial);
    assert!((13_500..14_200).contains(&prepared.duration_ms), "{} ms", prepared.duration_ms);
    assert!(prepared.has_speech());
    // Its header declares three times the audio, so it is not uploaded unchanged.
    assert_eq!((prepared.passthrough, prepared.container), (false, Container::Mp3));
    let again = TestDir::new().prepare(&dir.output(), &with_ffmpeg()).expect("our own output");
    assert!(again.passthrough && !again.partial);
}

#[test]
fn less_than_half_a_second_of_voice_is_speech() {
    let prepared = TestDir::new().prepare(&fixture("short-400ms.wav"), &with_ffmpeg()).expect("a short file");
    assert_eq!(prepared.duration_ms, 400);
    assert!(prepared.has_speech());
}

#[test]
fn formats_supported_by_recognition_are_passed_through() {
    for (name, container) in [
        ("sales-mono-8k.mp3", Container::Mp3),
        ("sales-stereo-44k.mp3", Container::Mp3),
        ("support-stereo-pcm.wav", Container::Wav),
        ("support-mono-opus.ogg", Container::OggOpus),
    ] {
        let dir = TestDir::new();
        let prepared = dir.prepare(&fixture(name), &with_ffmpeg()).expect(name);
        assert_eq!((prepared.passthrough, prepared.container), (true, container), "{name}");
        assert_eq!(prepared.bytes, std::fs::metadata(fixture(name)).expect("the fixture").len(), "{name}");
        assert_eq!(dir.files(), Vec::<String>::new(), "{name}: something was written");
    }
}

#[test]
fn other_formats_become_pcm_which_is_passed_through() {
    for (name, sample_rate) in [
        ("support-mono-alaw.wav", 8_000),
        ("support-stereo-mulaw.wav", 8_000),
        ("support-mono-gsm.wav", 8_000),
        ("support-stereo.flac", 8_000),
        ("support-stereo-vorbis.ogg", 16_000),
        ("support-mono-aac.m4a", 16_000),
    ] {
        let dir = TestDir::new();
        let first = dir.prepare(&fixture(name), &with_ffmpeg()).expect(name);
        assert_eq!(
            (first.passthrough, first.container, first.sample_rate),
            (false, Container::Wav, sample_rate),
            "{name}"
        );
        assert_eq!(first.bytes, std::fs::metadata(dir.output()).expect("the output").len(), "{name}");
        assert_eq!(dir.files(), ["output"], "{name}");
        let second = TestDir::new().prepare(&dir.output(), &with_ffmpeg()).expect(name);
        assert!(second.passthrough, "{name}");
        assert_eq!((second.duration_ms, second.channels), (first.duration_ms, first.channels), "{name}");
    }
}
