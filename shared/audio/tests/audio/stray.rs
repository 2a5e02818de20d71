//! Stray bytes before and after a file, and headerless frames.

use std::path::PathBuf;

use flysk_audio::{Decoder, Kind, Options, sniff};

use crate::kit::{TestDir, convert, fixture, noise, with_ffmpeg};

/// Accidental output of scripts before a file.
fn stray() -> Vec<(&'static str, Vec<u8>)> {
    let warning = "<br />\n<b>Warning</b>:  Undefined variable $call in <b>/var/www/records.php</b> on line <b>12</b><br />\n";
    vec![
        ("a newline", b"\n".to_vec()),
        ("three line ends", b"\r\n\r\n\r\n".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf".to_vec()),
        ("a mark and a newline", b"\xef\xbb\xbf\n".to_vec()),
        ("a warning", warning.as_bytes().to_vec()),
        ("many warnings", warning.repeat(30).into_bytes()),
        ("a warning in Russian", "<b>Внимание</b>: файл записи открыт\n".as_bytes().to_vec()),
        ("the size of a chunk", b"1f40\r\n".to_vec()),
    ]
}

/// Every type with a magic number, created from one conversation.
const TYPES: [(&str, &str, Kind); 13] = [
    ("-c:a pcm_s16le", "a.wav", Kind::Wav),
    ("-c:a pcm_mulaw", "b.wav", Kind::Wav),
    ("-ac 1 -c:a libgsm_ms", "c.wav", Kind::Wav),
    ("-c:a libopus", "d.ogg", Kind::OggOpus),
    ("-c:a libvorbis", "e.ogg", Kind::OggVorbis),
    ("-c:a flac", "f.oga", Kind::OggFlac),
    ("-c:a flac", "g.flac", Kind::Flac),
    ("-c:a libopus", "h.webm", Kind::Webm),
    ("-c:a aac", "i.m4a", Kind::Mp4),
    ("-c:a pcm_s16be", "j.aiff", Kind::Aiff),
    ("-c:a pcm_mulaw", "k.au", Kind::Au),
    ("-c:a wmav2 -ar 22050", "l.wma", Kind::Asf),
    ("-c:a pcm_s16le", "m.w64", Kind::Wave64),
];

fn made(dir: &TestDir, arguments: &str, name: &str) -> PathBuf {
    let path = dir.path(name);
    convert(&fixture("support-stereo-pcm.wav"), &format!("-t 10 {arguments}"), &path);
    path
}

#[test]
fn stray_bytes_before_a_magic_number_are_removed() {
    for (arguments, name, kind) in TYPES {
        let dir = TestDir::new();
        let input = made(&dir, arguments, name);
        let clean = dir.prepare(&input, &with_ffmpeg()).expect(name);
        let bytes = std::fs::read(input).expect("the file");
        for (what, stray) in stray() {
            let dirty = dir.write("dirty", &[stray.as_slice(), &bytes].concat());
            let prepared = dir
                .prepare(&dirty, &with_ffmpeg())
                .unwrap_or_else(|error| panic!("{what} before {name}: {error}"));
            assert_eq!((prepared.input, prepared.partial), (kind, false), "{what} before {name}");
            assert_eq!(prepared.duration_ms, clean.duration_ms, "{what} before {name}");
            assert_eq!(prepared.speech, clean.speech, "{what} before {name}");
            assert!(!prepared.passthrough, "{what} before {name} goes to recognition");
        }
    }
}

#[test]
fn a_tag_before_a_wav_is_removed() {
    let dir = TestDir::new();
    let wav = std::fs::read(fixture("support-stereo-mulaw.wav")).expect("the fixture");
    let tag = [b"ID3\x04\0\0\0\0\0\x40".as_slice(), &[0; 64]].concat();
    let prepared = dir.prepare(&dir.write("in", &[tag, wav].concat()), &Options::default()).expect("a WAV");
    assert_eq!((prepared.input, prepared.duration_ms), (Kind::Wav, 42_024));
}

#[test]
fn pages_archives_and_noise_are_not_audio_despite_magic_numbers() {
    let words = b"RIFF OggS fLaC #!AMR .snd caff FORM ftyp ID3 WAVE ";
    let page = [b"<!DOCTYPE html><html><body>".as_slice(), &words.repeat(40), b"</body></html>"].concat();
    assert_eq!(sniff(&page), None);
    let mut binary: Vec<u8> = noise(60_000, i16::MAX).iter().flat_map(|it| it.to_le_bytes()).collect();
    for (index, name) in [b"RIFF", b"OggS", b"fLaC", b"ftyp", b"caff"].into_iter().enumerate() {
        binary[1_000 * index..1_000 * index + 4].copy_from_slice(name);
    }
    assert_eq!(sniff(&binary), None);
    let wav = std::fs::read(fixture("short-400ms.wav")).expect("the fixture");
    let archive = [b"PK\x03\x04\x14\0\0\0\0\0call.wav".as_slice(), &wav].concat();
    assert_eq!(sniff(&archive), None);
}

#[test]
fn foreign_bytes_after_a_file_do_not_make_it_partial() {
    let page = "<br />\n<b>Warning</b>: file closed in <b>/var/www/records.php</b><br />\n";
    for (arguments, name, kind) in TYPES {
        let dir = TestDir::new();
        let input = made(&dir, arguments, name);
        let clean = dir.prepare(&input, &with_ffmpeg()).expect(name);
        let bytes = std::fs::read(input).expect("the file");
        if !matches!(
            kind,
            Kind::OggOpus | Kind::OggVorbis | Kind::OggFlac | Kind::Flac | Kind::Webm | Kind::Mp4
        ) {
            continue;
        }
        for (what, behind) in [
            ("a newline", b"\n".to_vec()),
            ("a warning", page.as_bytes().to_vec()),
            ("a page", page.repeat(100).into_bytes()),
            ("zeros", vec![0; 1_000]),
        ] {
            let dirty = dir.write("dirty", &[bytes.as_slice(), &behind].concat());
            let prepared = dir
                .prepare(&dirty, &with_ffmpeg())
                .unwrap_or_else(|error| panic!("{what} behind {name}: {error}"));
            assert!(!prepared.partial, "{what} behind {name}");
            assert_eq!(prepared.duration_ms, clean.duration_ms, "{what} behind {name}");
            assert_eq!(prepared.decoder, clean.decoder, "{what} behind {name}");
            assert!(!prepared.passthrough, "{what} behind {name} goes to recognition");
        }
    }
}

/// 20 s of GSM without a header.
fn gsm(dir: &TestDir) -> Vec<u8> {
    let path = dir.path("made.gsm");
    convert(&fixture("support-stereo-pcm.wav"), "-t 20 -ac 1 -c:a libgsm -f gsm", &path);
    std::fs::read(path).expect("the file")
}

#[test]
fn headerless_gsm_is_detected_by_its_frames_and_decoded() {
    let dir = TestDir::new();
    let bytes = gsm(&dir);
    let prepared = dir.prepare(&dir.write("in", &bytes), &with_ffmpeg()).expect("GSM");
    assert_eq!((prepared.input, prepared.decoder, prepared.partial), (Kind::Gsm, Decoder::Ffmpeg, false));
    assert!(prepared.duration_ms.abs_diff(20_000) <= 20, "{} ms", prepared.duration_ms);
    assert!(prepared.has_speech());
    let cut = dir.prepare(&dir.write("in", &bytes[..bytes.len() - 10]), &with_ffmpeg()).expect("GSM");
    assert!(cut.partial, "cut in the middle of a frame");
    let error = dir.prepare(&dir.write("in", &bytes), &Options::default()).expect_err("no ffmpeg");
    assert_eq!(error.code(), "unsupported_codec");
    assert!(error.to_string().contains("GSM"), "{error}");
}

#[test]
fn headerless_gsm_with_damage_or_foreign_bytes_is_decoded_to_its_end() {
    let dir = TestDir::new();
    let bytes = gsm(&dir);
    let html = "<br />\n<b>Внимание</b>: file closed in <b>/var/www/records.php</b><br />\n";
    for (what, behind) in [
        ("a newline", b"\n".to_vec()),
        ("a warning", html.as_bytes().to_vec()),
        ("a page", html.repeat(60).into_bytes()),
        ("zeros", vec![0; 4096]),
        ("many zeros", vec![0; 300_000]),
    ] {
        let prepared =
            dir.prepare(&dir.write("in", &[bytes.as_slice(), &behind].concat()), &with_ffmpeg()).expect(what);
        assert_eq!((prepared.input, prepared.partial), (Kind::Gsm, false), "{what} behind");
        assert!(prepared.duration_ms.abs_diff(20_000) <= 20, "{what}: {} ms", prepared.duration_ms);
    }
    for damaged in [400, 990, bytes.len() / 33 - 1] {
        let mut broken = bytes.clone();
        broken[33 * damaged] = 0x20;
        let prepared = dir.prepare(&dir.write("in", &broken), &with_ffmpeg()).expect("GSM");
        assert_eq!((prepared.input, prepared.partial), (Kind::Gsm, false), "frame {damaged}");
        assert!(prepared.duration_ms.abs_diff(20_000) <= 20, "{damaged}: {} ms", prepared.duration_ms);
    }
}

#[test]
fn stray_bytes_before_headerless_frames_are_removed() {
    let dir = TestDir::new();
    let aac = std::fs::read(made(&dir, "-c:a aac", "a.aac")).expect("the file");
    for (bytes, kind) in [(gsm(&dir), Kind::Gsm), (aac, Kind::Adts)] {
        let clean = dir.prepare(&dir.write("in", &bytes), &with_ffmpeg()).expect("a recording");
        for (what, stray) in stray() {
            let dirty = dir.write("dirty", &[stray.as_slice(), &bytes].concat());
            let prepared = dir
                .prepare(&dirty, &with_ffmpeg())
                .unwrap_or_else(|error| panic!("{what} before {}: {error}", kind.name()));
            assert_eq!((prepared.input, prepared.partial), (kind, false), "{what}");
            assert_eq!(prepared.duration_ms, clean.duration_ms, "{what} before {}", kind.name());
        }
    }
}

#[test]
fn nothing_else_is_detected_as_headerless_gsm() {
    let dir = TestDir::new();
    let frames = gsm(&dir);
    // Too few frames, frames with an invalid start in one of ten or among the first, and A-law silence.
    assert_eq!(sniff(&frames[..33 * 6]), None);
    let mut broken = frames.clone();
    broken[33 * 5] = 0x20;
    assert_eq!(sniff(&broken), None);
    let mut broken = frames.clone();
    (14..frames.len() / 33 - 14).step_by(14).for_each(|frame| broken[33 * frame] = 0x20);
    assert_eq!(sniff(&broken), None);
    // Lines of 33 bytes that begin with a Russian capital letter, in UTF-8 and in a code page.
    let lines = "Линия номер один. \n".repeat(200);
    assert_eq!(lines.len() % 33, 0);
    assert_eq!(lines.len() / 200, 33);
    assert_eq!(sniff(lines.as_bytes()), None);
    let page = [b"\xd0\xee\xf1\xf1\xe8\xff".as_slice(), &[b' '; 26], b"\n"].concat().repeat(200);
    assert_eq!(sniff(&page), None);
    assert_eq!(sniff(&[b"<p>".as_slice(), &page].concat()), None);
    assert_eq!(sniff(&[0xd5; 8_000]), None);
    let russian = "РУССКИЙ ТЕКСТ БЕЗ ЗВУКА ".repeat(100);
    assert_eq!(sniff(russian.as_bytes()), None);
    for seed in 0..50 {
        let bytes: Vec<u8> =
            noise(2_000 + seed, i16::MAX)[seed..].iter().flat_map(|it| it.to_le_bytes()).collect();
        assert_eq!(sniff(&bytes), None, "noise {seed}");
    }
}
