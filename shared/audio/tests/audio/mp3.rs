//! MP3 with additions and losses by telephony systems, gateways and cut connections.

use flysk_audio::{Container, Options, Prepared};

use crate::kit::{TestDir, chunk, convert, fixture, noise, with_ffmpeg};

/// A clean recording of 42,447 ms: an `ID3v2` tag, a tag frame, and nothing after the last frame.
fn clean() -> Vec<u8> {
    std::fs::read(fixture("sales-mono-8k.mp3")).expect("the fixture")
}

/// The frames without the `ID3v2` tag of 20 bytes.
fn frames() -> Vec<u8> {
    clean()[20..].to_vec()
}

fn prepare(bytes: &[u8]) -> (TestDir, Prepared) {
    let dir = TestDir::new();
    let prepared = dir.prepare(&dir.write("in", bytes), &Options::default()).expect("an MP3");
    (dir, prepared)
}

/// An `ID3v2.3` tag with a picture of `len` random bytes, in which frame headers occur by chance.
fn id3_with_picture(len: usize) -> Vec<u8> {
    let mut picture: Vec<u8> = noise(len, i16::MAX).iter().map(|it| it.to_le_bytes()[0]).collect();
    for index in (0..len.saturating_sub(8)).step_by(997) {
        picture[index..index + 4].copy_from_slice(&[0xff, 0xe3, 0x38, 0xc0]);
    }
    let mut frame = b"APIC".to_vec();
    frame.extend(u32::try_from(picture.len()).expect("small").to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(picture);
    let mut tag = b"ID3\x03\0\0".to_vec();
    tag.extend([21, 14, 7, 0].map(|shift| u8::try_from(frame.len() >> shift & 0x7f).expect("seven bits")));
    tag.extend(frame);
    tag
}

#[test]
fn tags_with_pictures_do_not_hide_the_audio() {
    for len in [100, 300_000] {
        let (_desk, prepared) = prepare(&[id3_with_picture(len), clean()].concat());
        assert!(prepared.passthrough, "a picture of {len} bytes and a second tag behind it");
        assert_eq!(prepared.duration_ms, 42_447);
    }
}

#[test]
fn tags_at_the_end_are_not_garbage() {
    let mut id3v1 = b"TAG".to_vec();
    id3v1.resize(128, b' ');
    let mut ape = b"APETAGEX".to_vec();
    for field in [2000_u32, 32, 0, 0, 0, 0] {
        ape.extend(field.to_le_bytes());
    }
    let (_desk, prepared) = prepare(&[frames(), ape, id3v1].concat());
    assert!(prepared.passthrough);
    assert_eq!((prepared.duration_ms, prepared.partial), (42_447, false));
}

#[test]
fn garbage_before_the_first_frame_is_removed() {
    let junk: Vec<u8> = noise(10_000, i16::MAX).iter().flat_map(|it| it.to_le_bytes()).collect();
    for garbage in [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![0; 4096], junk, vec![0xff; 700]] {
        let (dir, prepared) = prepare(&[garbage.clone(), frames()].concat());
        assert!(!prepared.passthrough, "{} bytes of garbage went through", garbage.len());
        assert_eq!((prepared.container, prepared.partial), (Container::Mp3, false));
        assert_eq!(prepared.duration_ms, 42_447);
        let written = std::fs::read(dir.output()).expect("the output");
        assert!(frames().ends_with(&written), "the output is not a part of the frames");
        let again = TestDir::new().prepare(&dir.output(), &Options::default()).expect("our own output");
        assert!(again.passthrough);
        // Without the tag frame and its exact length, the encoder delay is part of the audio.
        assert!((42_447..42_447 + 250).contains(&again.duration_ms), "{} ms", again.duration_ms);
    }
}

#[test]
fn garbage_after_the_last_frame_is_removed() {
    let (dir, prepared) = prepare(&[frames(), vec![0; 1000]].concat());
    assert_eq!((prepared.passthrough, prepared.partial, prepared.container), (false, false, Container::Mp3));
    assert!(prepared.bytes < clean().len() as u64);
    assert_eq!(std::fs::metadata(dir.output()).expect("the output").len(), prepared.bytes);
}

#[test]
fn garbage_between_frames_is_skipped_and_the_rest_is_rewritten() {
    let frames = frames();
    let middle = 144 * (frames.len() / 288);
    for hole in [vec![0; 5000], vec![0x55; 70_000]] {
        let (_desk, prepared) = prepare(&[&frames[..middle], &hole, &frames[middle..]].concat());
        assert_eq!((prepared.passthrough, prepared.container), (false, Container::Wav));
        assert!(prepared.duration_ms.abs_diff(42_447) < 300, "{} ms", prepared.duration_ms);
    }
}

#[test]
fn every_cut_is_detected_and_everything_before_it_is_kept() {
    let whole = clean();
    for cut in [1_000, 20_000, 45_001, 85_000] {
        let (_desk, prepared) = prepare(&whole[..cut]);
        assert!(prepared.partial, "cut at {cut}");
        assert!(!prepared.passthrough, "cut at {cut}");
        let share = 42_447 * cut as u64 / whole.len() as u64;
        assert!(
            prepared.duration_ms.abs_diff(share) < 400,
            "cut at {cut}: {} ms of {share}",
            prepared.duration_ms
        );
    }
}

#[test]
fn a_recording_that_starts_inside_a_frame_is_decoded() {
    let whole = frames();
    let (_desk, prepared) = prepare(&whole[30_050..]);
    assert_eq!((prepared.passthrough, prepared.container), (false, Container::Mp3));
    assert!(prepared.has_speech());
}

#[test]
fn an_mp3_inside_a_wav_is_extracted() {
    let dir = TestDir::new();
    let wrapped = dir.path("wrapped.wav");
    convert(&fixture("support-stereo-pcm.wav"), "-ac 1 -c:a libmp3lame -b:a 32k", &wrapped);
    let prepared = dir.prepare(&wrapped, &Options::default()).expect("MP3 in WAV");
    assert_eq!((prepared.passthrough, prepared.container), (false, Container::Mp3));
    assert!(prepared.duration_ms.abs_diff(42_024) < 300, "{} ms", prepared.duration_ms);
    let again = TestDir::new().prepare(&dir.output(), &Options::default()).expect("our own output");
    assert!(again.passthrough);
}

#[test]
fn an_mp3_in_a_wav_that_was_cut_is_partial_wherever_the_cut_is() {
    let dir = TestDir::new();
    let wrapped = dir.path("wrapped.wav");
    convert(&fixture("support-stereo-pcm.wav"), "-ac 1 -c:a libmp3lame -b:a 32k -write_xing 0", &wrapped);
    let bytes = std::fs::read(&wrapped).expect("the file");
    let data = bytes.windows(4).position(|it| it == b"data").expect("a data chunk") + 8;
    // 32 kbit/s at 8 kHz: frames of 72 ms in 288 bytes.
    for keep in [data + 100 * 288, data + 100 * 288 + 100] {
        let prepared =
            dir.prepare(&dir.write("cut", &bytes[..keep]), &Options::default()).expect("MP3 in WAV");
        assert!(prepared.partial, "{keep} of {} bytes", bytes.len());
        assert!(prepared.duration_ms.abs_diff(7_200) < 200, "{} ms", prepared.duration_ms);
    }
    assert!(!dir.prepare(&wrapped, &Options::default()).expect("MP3 in WAV").partial);
}

#[test]
fn an_mp3_with_changing_sample_rate_is_decoded_by_ffmpeg_or_rejected() {
    let dir = TestDir::new();
    let wide = dir.path("wide.mp3");
    convert(&fixture("support-stereo-pcm.wav"), "-t 5 -ac 1 -ar 16000 -write_xing 0 -id3v2_version 0", &wide);
    let narrow = dir.path("narrow.mp3");
    convert(
        &fixture("support-stereo-pcm.wav"),
        "-t 5 -ac 1 -ar 8000 -write_xing 0 -id3v2_version 0",
        &narrow,
    );
    let both = [std::fs::read(wide).expect("wide"), std::fs::read(narrow).expect("narrow")].concat();
    let prepared = dir.prepare(&dir.write("in", &both), &with_ffmpeg()).expect("two recordings in one");
    assert!(!prepared.passthrough, "recognition would be given two rates in one file");
    assert!(prepared.duration_ms >= 4_900, "{} ms", prepared.duration_ms);
}

#[test]
fn a_tag_without_audio_is_not_audio() {
    let dir = TestDir::new();
    let tag = id3_with_picture(200);
    let error = dir.prepare(&dir.write("in", &tag), &with_ffmpeg()).expect_err("only a tag");
    assert_eq!(error.code(), "empty");
    let page = [tag, b"<!DOCTYPE html><html></html>".to_vec()].concat();
    let error = dir.prepare(&dir.write("in", &page), &with_ffmpeg()).expect_err("a page behind a tag");
    assert_eq!(error.code(), "not_audio");
}

#[test]
fn chunks_named_like_tags_do_not_make_an_mp3() {
    let dir = TestDir::new();
    let input = dir.write("in", &chunk(*b"ID3\x03", &[0; 64]));
    assert_eq!(dir.prepare(&input, &with_ffmpeg()).expect_err("no audio").code(), "not_audio");
}
