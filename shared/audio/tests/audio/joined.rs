//! Recordings that telephony joins from several ones, cuts, or labels with a wrong number of frames.

use std::path::PathBuf;

use flysk_audio::{Decoder, Options, Prepared};

use crate::corpus::both;
use crate::kit::{TestDir, convert, fixture, with_ffmpeg};
use crate::reference::compare;

/// Five seconds of a call, by `ffmpeg`.
fn part(dir: &TestDir, from_s: u32, arguments: &str, name: &str) -> Vec<u8> {
    let path = dir.path(name);
    convert(&fixture("support-stereo-pcm.wav"), &format!("-ss {from_s} -t 5 {arguments}"), &path);
    std::fs::read(path).expect("the part")
}

fn mp3(dir: &TestDir, from_s: u32, arguments: &str) -> Vec<u8> {
    part(dir, from_s, &format!("-id3v2_version 0 -c:a libmp3lame -b:a 32k {arguments}"), "part.mp3")
}

fn prepare(dir: &TestDir, bytes: &[u8]) -> (PathBuf, Prepared) {
    let input = dir.write("in", bytes);
    let prepared = dir.prepare(&input, &with_ffmpeg()).expect("a recording");
    (input, prepared)
}

/// Whether there is speech in both halves of ten seconds.
fn has_both_halves(prepared: &Prepared) -> bool {
    let segments = || prepared.speech.iter().flat_map(|channel| &channel.segments);
    segments().any(|it| it.start_ms < 3_000) && segments().any(|it| it.start_ms > 5_500)
}

fn assert_whole(prepared: &Prepared, what: &str) {
    assert!(prepared.duration_ms.abs_diff(10_150) <= 250, "{what}: {} ms", prepared.duration_ms);
    assert!(!prepared.partial && !prepared.passthrough, "{what}: {prepared:?}");
    assert!(has_both_halves(prepared), "{what}: {:?}", prepared.speech);
}

/// The frames of a tag at the place where the second recording begins are no sound, and no foreign bytes either.
#[test]
fn joined_mp3s_are_decoded_whole_with_tags_of_any_kind_between_them() {
    let dir = TestDir::new();
    let (one, two) = (mp3(&dir, 0, "-ac 1"), mp3(&dir, 8, "-ac 1"));
    let id3v2 = [b"ID3\x03\0\0\0\0\x07\x76".to_vec(), vec![0; 1014]].concat();
    let id3v1 = [b"TAG".to_vec(), vec![b' '; 125]].concat();
    for between in [Vec::new(), id3v2, id3v1] {
        let what = format!("{} bytes between", between.len());
        let (input, prepared) = prepare(&dir, &[one.clone(), between, two.clone()].concat());
        assert_whole(&prepared, &what);
        assert_eq!(prepared.decoder, Decoder::Native, "{what}");
        let (_, ours, other) = both(&input, false);
        let found = compare(&ours.part(0..4_900), &other.part(0..4_900), 40);
        assert!(found.lag_ms == 0 && found.snr_db > 40.0, "{what}: {found:?}");
        // ffmpeg plays the tag frame of the second recording as 72 ms of silence.
        let found = compare(&ours.part(5_600..9_500), &other.part(5_600..9_600), 800);
        assert!((-80..=0).contains(&found.lag_ms) && found.snr_db > 20.0, "{what}: {found:?}");
    }
}

#[test]
fn joined_mp3s_of_different_rates_or_channels_are_left_to_ffmpeg_and_decoded_whole() {
    let dir = TestDir::new();
    let narrow = || mp3(&dir, 0, "-ac 1 -ar 8000");
    for other in ["-ac 1 -ar 16000", "-ac 2 -ar 8000", "-ac 1 -ar 16000 -write_xing 0"] {
        for first in [true, false] {
            let (one, two) = (narrow(), mp3(&dir, 8, other));
            let joined = if first { [one, two].concat() } else { [two, one].concat() };
            let (input, prepared) = prepare(&dir, &joined);
            assert_whole(&prepared, other);
            assert_eq!(prepared.decoder, Decoder::Ffmpeg, "{other}");
            let error = dir.prepare(&input, &Options::default()).expect_err("two formats without ffmpeg");
            assert_eq!(error.code(), "unsupported_codec", "{other}");
        }
    }
}

/// The connection broke inside a frame, and the recorder went on at another rate.
#[test]
fn an_mp3_cut_in_a_frame_and_continued_at_another_rate_is_decoded_whole() {
    let dir = TestDir::new();
    let (one, two) = (mp3(&dir, 0, "-ac 1"), mp3(&dir, 8, "-ac 1 -ar 16000"));
    let (_, prepared) = prepare(&dir, &[&one[..one.len() / 2 + 7], two.as_slice()].concat());
    assert!(prepared.duration_ms.abs_diff(7_600) <= 400, "{} ms", prepared.duration_ms);
    assert!(prepared.speech[0].segments.iter().any(|it| it.start_ms > 4_000));
}

/// Recorders write the tag at the first flush, or before they know the length.
#[test]
fn an_mp3_whose_tag_states_too_few_frames_is_decoded_whole() {
    let dir = TestDir::new();
    let whole = part(&dir, 0, "-t 10 -ac 1 -id3v2_version 0 -c:a libmp3lame -b:a 32k", "whole.mp3");
    let frames = whole.windows(4).position(|it| it == b"Info" || it == b"Xing").expect("a tag") + 8;
    let exact = dir.prepare(&dir.write("exact", &whole), &Options::default()).expect("an MP3");
    assert!(exact.passthrough);
    for stated in [0_u32, 1, 70] {
        let mut bytes = whole.clone();
        bytes[frames..frames + 4].copy_from_slice(&stated.to_be_bytes());
        let (_, prepared) = prepare(&dir, &bytes);
        assert!(
            prepared.duration_ms.abs_diff(exact.duration_ms) <= 1,
            "{stated}: {} ms",
            prepared.duration_ms
        );
        assert!(!prepared.partial && !prepared.passthrough, "{stated}: recognition would believe the tag");
        assert_eq!(prepared.speech[0].segments.len(), exact.speech[0].segments.len(), "{stated}");
    }
}

/// Without a tag the demuxer estimates the length from the first frames and mutes the rest: loud ones mean a short file.
#[test]
fn an_mp3_of_variable_bitrate_without_a_tag_is_decoded_whole() {
    let dir = TestDir::new();
    let loud = mp3(&dir, 0, "-ac 1 -ar 16000 -b:a 160k -write_xing 0");
    let soft = mp3(&dir, 8, "-ac 1 -ar 16000 -b:a 8k -write_xing 0");
    let (_, prepared) = prepare(&dir, &[loud, soft].concat());
    assert!(prepared.duration_ms.abs_diff(10_150) <= 250, "{} ms", prepared.duration_ms);
    assert!(has_both_halves(&prepared), "{:?}", prepared.speech);
}

#[test]
fn joined_aac_of_different_rates_is_left_to_ffmpeg_and_decoded_whole() {
    let dir = TestDir::new();
    let wide = part(&dir, 0, "-ac 1 -ar 16000 -c:a aac", "wide.aac");
    let narrow = part(&dir, 8, "-ac 1 -ar 8000 -c:a aac", "narrow.aac");
    let (_, prepared) = prepare(&dir, &[wide, narrow].concat());
    assert_whole(&prepared, "16 and 8 kHz");
    assert_eq!(prepared.decoder, Decoder::Ffmpeg);
}

#[test]
fn aac_that_begins_inside_a_frame_or_has_a_single_one_is_decoded() {
    let dir = TestDir::new();
    let whole = part(&dir, 0, "-ac 1 -ar 16000 -c:a aac", "whole.aac");
    let (_, prepared) = prepare(&dir, &whole[5_001..]);
    assert!(!prepared.partial && prepared.has_speech(), "{prepared:?}");
    assert!((3_000..5_000).contains(&prepared.duration_ms), "{} ms", prepared.duration_ms);
    let len = |at: usize| {
        usize::from(whole[at + 3] & 3) << 11
            | usize::from(whole[at + 4]) << 3
            | usize::from(whole[at + 5] >> 5)
    };
    for (frames, end) in [(1, len(0)), (2, len(0) + len(len(0)))] {
        let prepared = dir.prepare(&dir.write("short", &whole[..end]), &Options::default()).expect("AAC");
        assert_eq!((prepared.duration_ms, prepared.partial), (64 * frames, false), "{frames} frames");
    }
    let cut = dir.prepare(&dir.write("cut", &whole[..len(0) * 3 / 2]), &Options::default());
    assert!(cut.is_err() || cut.is_ok_and(|it| it.partial), "a cut frame looks complete");
}
