//! Formats that `ffmpeg` creates from one conversation of 42,024 ms, and the behaviour without `ffmpeg`.

use std::path::PathBuf;

use flysk_audio::{Container, Decoder, Kind, Layout, Options};

use crate::kit::{TestDir, convert, decode, fixture, with_ffmpeg};

/// Arguments, file, detected type, and tolerance of its length in milliseconds.
const IN_PROCESS: [(&str, &str, Kind, u64); 12] = [
    ("-c:a libopus -application voip", "a.webm", Kind::Webm, 20),
    ("-c:a libvorbis", "b.webm", Kind::Webm, 40),
    ("-c:a libopus", "c.mkv", Kind::Webm, 20),
    ("-c:a libopus -application voip -frame_duration 60", "d.ogg", Kind::OggOpus, 1),
    ("-c:a libvorbis", "e.ogg", Kind::OggVorbis, 1),
    ("-c:a flac", "f.oga", Kind::OggFlac, 1),
    ("-c:a flac -sample_fmt s16", "g.flac", Kind::Flac, 1),
    ("-c:a aac", "h.m4a", Kind::Mp4, 1),
    ("-c:a aac -movflags +faststart -ar 44100", "i.mp4", Kind::Mp4, 1),
    // ADTS has no field for the encoder delay: 1,024 samples and the last block.
    ("-c:a aac", "j.aac", Kind::Adts, 260),
    ("-c:a libmp3lame -q:a 5", "k.mp3", Kind::Mp3, 1),
    ("-c:a pcm_s24le -ar 48000", "l.wav", Kind::Wav, 1),
];

/// The same for formats that only `ffmpeg` decodes.
const BY_FFMPEG: [(&str, &str, Kind, u64); 8] = [
    ("-ac 1 -c:a libgsm_ms", "a.wav", Kind::Wav, 40),
    ("-ac 1 -ar 16000 -c:a g722", "b.wav", Kind::Wav, 2),
    ("-ac 1 -c:a g726", "c.wav", Kind::Wav, 2),
    ("-c:a wmav2 -ar 22050", "d.wma", Kind::Asf, 200),
    ("-ac 1 -c:a libspeex", "e.spx", Kind::OggSpeex, 60),
    ("-c:a pcm_mulaw", "f.au", Kind::Au, 1),
    ("-c:a pcm_s16be", "g.aiff", Kind::Aiff, 1),
    ("-c:a alac", "h.m4a", Kind::Mp4, 1),
];

fn made(dir: &TestDir, arguments: &str, name: &str) -> PathBuf {
    let path = dir.path(name);
    convert(&fixture("support-stereo-pcm.wav"), arguments, &path);
    path
}

#[test]
fn formats_of_symphonia_and_libopus_need_no_ffmpeg() {
    for (arguments, name, kind, tolerance) in IN_PROCESS {
        let dir = TestDir::new();
        let input = made(&dir, arguments, name);
        let prepared = dir.prepare(&input, &Options::default()).expect(name);
        assert_eq!(
            (prepared.input, prepared.decoder, prepared.partial),
            (kind, Decoder::Native, false),
            "{name}"
        );
        assert_eq!(prepared.layout, Layout::Stereo, "{name}");
        assert!(prepared.duration_ms.abs_diff(42_024) <= tolerance, "{name}: {} ms", prepared.duration_ms);
        let starts: Vec<_> = prepared.speech.iter().map(|it| it.segments[0].start_ms).collect();
        assert!(starts[0].abs_diff(500) <= 60 + tolerance, "{name}: the operator starts at {} ms", starts[0]);
        assert!(starts[1].abs_diff(8736) <= 60 + tolerance, "{name}: the client starts at {} ms", starts[1]);
    }
}

#[test]
fn other_formats_are_decoded_by_ffmpeg() {
    for (arguments, name, kind, tolerance) in BY_FFMPEG {
        let dir = TestDir::new();
        let input = made(&dir, arguments, name);
        let prepared = dir.prepare(&input, &with_ffmpeg()).expect(name);
        assert_eq!(
            (prepared.input, prepared.decoder, prepared.partial),
            (kind, Decoder::Ffmpeg, false),
            "{name}"
        );
        assert_eq!((prepared.container, prepared.passthrough), (Container::Wav, false), "{name}");
        assert!(prepared.duration_ms.abs_diff(42_024) <= tolerance, "{name}: {} ms", prepared.duration_ms);
        assert!(prepared.has_speech(), "{name}");
    }
}

#[test]
fn without_ffmpeg_the_error_names_the_codec() {
    for (arguments, name, _, _) in BY_FFMPEG {
        let dir = TestDir::new();
        let error = dir.prepare(&made(&dir, arguments, name), &Options::default()).expect_err(name);
        assert_eq!(error.code(), "unsupported_codec", "{name}: {error}");
        assert!(error.to_string().contains("ffmpeg"), "{name}: {error}");
    }
    let error =
        TestDir::new().prepare(&fixture("support-mono-gsm.wav"), &Options::default()).expect_err("GSM");
    assert!(error.to_string().contains("GSM 6.10"), "{error}");
}

#[test]
fn amr_is_detected_by_its_magic_number_and_decoded() {
    let dir = TestDir::new();
    // A second of 4.75 kbit/s frames: a header byte and 12 bytes of parameters each 20 ms (RFC 4867, 5.3).
    let mut bytes = b"#!AMR\n".to_vec();
    for _ in 0..50 {
        bytes.push(0x04);
        bytes.extend([0x5a; 12]);
    }
    let (decoded, _) = decode(&dir.write("in", &bytes), &with_ffmpeg()).expect("AMR");
    assert_eq!((decoded.kind, decoded.duration_ms, decoded.format.sample_rate), (Kind::Amr, 1000, 8_000));
}

#[test]
fn narrowband_opus_stays_at_its_sample_rate() {
    let dir = TestDir::new();
    let input = made(&dir, "-ar 8000 -c:a libopus -application voip", "a.webm");
    let prepared = dir.prepare(&input, &Options::default()).expect("WebM");
    assert_eq!(prepared.sample_rate, 8_000);
    // At most 42,024 ms of two channels and the codec's last packet.
    assert!(prepared.bytes <= 42_060 * 8 * 4 + 44, "{} bytes", prepared.bytes);
}

#[test]
fn a_container_cut_in_the_middle_is_partial() {
    for (arguments, name) in [
        ("-c:a libopus", "a.ogg"),
        ("-c:a libvorbis", "b.ogg"),
        ("-c:a flac", "c.flac"),
        ("-c:a libopus", "d.webm"),
        ("-c:a aac -movflags +faststart", "e.m4a"),
    ] {
        let dir = TestDir::new();
        let bytes = std::fs::read(made(&dir, arguments, name)).expect("the file");
        let cut = dir.write("cut", &bytes[..bytes.len() / 2]);
        let prepared = dir.prepare(&cut, &Options::default()).expect(name);
        assert!(prepared.partial, "{name}");
        assert!(!prepared.passthrough, "{name}");
        assert!((10_000..32_000).contains(&prepared.duration_ms), "{name}: {} ms", prepared.duration_ms);
    }
}

#[test]
fn ffmpeg_formats_are_partial_if_cut_and_complete_if_their_size_is_unset() {
    for (arguments, name, open) in [
        ("-c:a pcm_mulaw", "a.au", Some((8, 4))),
        ("-c:a pcm_s16be", "b.aiff", None),
        ("-c:a pcm_mulaw", "c.caf", None),
        ("-c:a pcm_s16le", "d.w64", None),
        ("-ac 1 -c:a libspeex", "e.spx", None),
    ] {
        let dir = TestDir::new();
        let mut bytes = std::fs::read(made(&dir, arguments, name)).expect("the file");
        let whole = dir.prepare(&dir.write("whole", &bytes), &with_ffmpeg()).expect(name);
        assert!(!whole.partial, "{name}");
        for keep in [bytes.len() / 2, bytes.len() - 1_000] {
            let cut = dir.prepare(&dir.write("cut", &bytes[..keep]), &with_ffmpeg()).expect(name);
            assert!(cut.partial, "{name}, {keep} of {} bytes", bytes.len());
            assert!(cut.duration_ms < whole.duration_ms, "{name}: {} ms", cut.duration_ms);
        }
        if let Some((at, len)) = open {
            bytes[at..at + len].fill(0xff);
            let streamed = dir.prepare(&dir.write("open", &bytes), &with_ffmpeg()).expect(name);
            assert_eq!((streamed.partial, streamed.duration_ms), (false, whole.duration_ms), "{name}");
        }
    }
}

#[test]
fn an_m4a_without_its_index_is_damaged() {
    let dir = TestDir::new();
    let bytes = std::fs::read(made(&dir, "-c:a aac", "a.m4a")).expect("the file");
    let cut = dir.write("cut", &bytes[..bytes.len() / 2]);
    for options in [Options::default(), with_ffmpeg()] {
        let error = dir.prepare(&cut, &options).expect_err("no index");
        assert!(matches!(error.code(), "damaged" | "unsupported_codec"), "{}: {error}", error.code());
    }
}

#[test]
fn two_ogg_streams_in_one_file_are_not_passed_on() {
    let dir = TestDir::new();
    let one = std::fs::read(made(&dir, "-t 5 -c:a libopus", "a.ogg")).expect("the file");
    let both = dir.write("both", &[one.as_slice(), &one].concat());
    let prepared = dir.prepare(&both, &with_ffmpeg()).expect("a chained stream");
    assert!(!prepared.passthrough);
    assert!(prepared.duration_ms >= 9_900, "{} ms", prepared.duration_ms);
}

#[test]
fn file_names_are_ignored() {
    let dir = TestDir::new();
    let bytes = std::fs::read(fixture("support-mono-alaw.wav")).expect("the fixture");
    for name in ["call.mp3", "call", "-i", "concat:x|y.ogg", "звонок.html"] {
        let prepared =
            dir.prepare(&dir.write(name.replace('/', "_").as_str(), &bytes), &with_ffmpeg()).expect(name);
        assert_eq!(prepared.input, Kind::Wav, "{name}");
    }
    let gsm = std::fs::read(fixture("support-mono-gsm.wav")).expect("the fixture");
    let prepared = dir.prepare(&dir.write("-f concat:a|b", &gsm), &with_ffmpeg()).expect("a strange name");
    assert_eq!(prepared.decoder, Decoder::Ffmpeg);
}
