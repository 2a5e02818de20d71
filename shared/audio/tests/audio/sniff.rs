//! Detection of types from content.

use flysk_audio::{Kind, sniff};

use crate::kit::{fixture, noise};

#[test]
fn types_of_fixtures_are_detected() {
    for (name, kind) in [
        ("sales-mono-8k.mp3", Some(Kind::Mp3)),
        ("sales-stereo-44k.mp3", Some(Kind::Mp3)),
        ("support-mono-gsm.wav", Some(Kind::Wav)),
        ("support-stereo-vorbis.ogg", Some(Kind::OggVorbis)),
        ("support-mono-opus.ogg", Some(Kind::OggOpus)),
        ("support-mono-aac.m4a", Some(Kind::Mp4)),
        ("support-stereo.flac", Some(Kind::Flac)),
        ("bad-html-login.mp3", None),
        ("bad-noise.bin", None),
        ("bad-empty.mp3", None),
    ] {
        assert_eq!(sniff(&std::fs::read(fixture(name)).expect(name)), kind, "{name}");
    }
}

#[test]
fn the_first_kilobytes_are_enough() {
    let bytes = std::fs::read(fixture("sales-stereo-44k.mp3")).expect("the fixture");
    assert_eq!(sniff(&bytes[..4096]), Some(Kind::Mp3));
}

#[test]
fn noise_with_sync_words_is_not_mp3() {
    let mut bytes: Vec<u8> = noise(200_000, i16::MAX).iter().flat_map(|it| it.to_le_bytes()).collect();
    for index in (0..bytes.len() - 4).step_by(1009) {
        // A valid header every 1,009 bytes, but never at the offset that the previous one gives.
        bytes[index..index + 4].copy_from_slice(&[0xff, 0xfb, 0x90, 0x00]);
    }
    assert_eq!(sniff(&bytes), None);
}

#[test]
fn truncated_magic_numbers_are_not_detected() {
    for bytes in [b"RIFF".as_slice(), b"OggS", b"ID3", b"\xff\xfb", b"fty", b"#!AM", b""] {
        assert_eq!(sniff(bytes), None, "{bytes:?}");
    }
}
