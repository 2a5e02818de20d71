//! Files that are too large, too long, too slow, hostile or broken.

use std::time::Duration;

use flysk_audio::{AudioError, Ffmpeg, Limits, Options};

use crate::kit::{TestDir, Wav, decode, ffmpeg, fixture, noise, silence, with_ffmpeg};

fn limited(change: impl FnOnce(&mut Limits)) -> Options {
    let mut options = with_ffmpeg();
    change(&mut options.limits);
    options
}

#[test]
fn a_byte_over_the_size_limit_is_too_large() {
    let name = "sales-mono-8k.mp3";
    let bytes = std::fs::metadata(fixture(name)).expect("the fixture").len();
    let dir = TestDir::new();
    assert!(dir.prepare(&fixture(name), &limited(|it| it.max_bytes = bytes)).is_ok());
    let error = dir.prepare(&fixture(name), &limited(|it| it.max_bytes = bytes - 1)).expect_err("too large");
    assert!(matches!(error, AudioError::TooLarge { limit, .. } if limit == bytes - 1));
    assert_eq!(error.code(), "too_large");
}

#[test]
fn a_recording_over_the_duration_limit_is_too_long_with_any_decoder() {
    for name in
        ["sales-mono-8k.mp3", "support-mono-alaw.wav", "support-mono-opus.ogg", "support-mono-gsm.wav"]
    {
        let dir = TestDir::new();
        let error = dir.prepare(&fixture(name), &limited(|it| it.max_duration_ms = 41_000)).expect_err(name);
        assert_eq!(error.code(), "too_long", "{name}: {error}");
        assert_eq!(dir.files(), Vec::<String>::new(), "{name} left something behind");
        assert!(dir.prepare(&fixture(name), &limited(|it| it.max_duration_ms = 43_000)).is_ok(), "{name}");
    }
}

#[test]
fn the_defaults_are_the_limits_of_recognition() {
    let limits = Limits::default();
    assert_eq!((limits.max_bytes, limits.max_duration_ms), (1_000_000_000, 14_400_000));
}

#[test]
fn slow_decoding_times_out() {
    for name in ["sales-mono-8k.mp3", "support-mono-gsm.wav"] {
        let options = limited(|it| it.max_decode_time = Duration::ZERO);
        let error = TestDir::new().prepare(&fixture(name), &options).expect_err(name);
        assert_eq!(error.code(), "decode_timeout", "{name}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ffmpeg_cannot_exceed_its_limits() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TestDir::new();
    for (name, script, complaint) in [
        // `tail` buffers an endless line.
        ("hungry", "#!/bin/sh\n/bin/sleep 2\nexec /usr/bin/tail -n 1 /dev/zero\n", "memory"),
        ("writer", "#!/bin/sh\n/bin/sleep 2\nexec /bin/cat /dev/zero > \"$0.out\"\n", ""),
    ] {
        let path = dir.write(name, script.as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("an executable");
        let mut options = limited(|it| it.max_decode_time = Duration::from_mins(1));
        options.ffmpeg = Some(Ffmpeg { path });
        let error = dir.prepare(&fixture("support-mono-gsm.wav"), &options).expect_err("it is stopped");
        assert_eq!(error.code(), "damaged", "{name}: {error}");
        assert!(error.to_string().contains(complaint), "{name}: {error}");
    }
    let written = std::fs::metadata(dir.path("writer.out")).expect("it began to write").len();
    assert!(written <= 1 << 20, "{written} bytes");
}

#[cfg(unix)]
#[test]
fn a_hanging_ffmpeg_is_killed_at_the_timeout() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TestDir::new();
    // Writes nothing and never ends; `exec` makes the sleeping process the one that is killed.
    for (name, script) in [
        ("silent", "#!/bin/sh\necho $$ > \"$0.pid\"\nexec /bin/sleep 1000\n"),
        // Closes its output and keeps running: the end of the pipe is not the end of the process.
        ("closed", "#!/bin/sh\necho $$ > \"$0.pid\"\nexec >&- 2>&-\nexec /bin/sleep 1000\n"),
    ] {
        let path = dir.write(name, script.as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("an executable");
        let mut options = limited(|it| it.max_decode_time = Duration::from_millis(500));
        options.ffmpeg = Some(Ffmpeg { path });
        let error = dir.prepare(&fixture("support-mono-gsm.wav"), &options).expect_err("it hangs");
        assert_eq!(error.code(), "decode_timeout", "{name}: {error}");
        let pid = std::fs::read_to_string(dir.path(&format!("{name}.pid"))).unwrap_or_default();
        // It may have been killed before it has written its number.
        if !pid.is_empty() {
            assert!(
                !std::path::Path::new("/proc").join(pid.trim()).exists(),
                "{name}: the process still runs"
            );
        }
    }
}

#[cfg(unix)]
#[test]
fn a_failing_ffmpeg_means_damaged_and_a_missing_one_unsupported_codec() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TestDir::new();
    let path =
        dir.write("fails", b"#!/bin/sh\necho '[wav @ 0x1] moov of file:/secret/place is odd' >&2\nexit 1\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("an executable");
    let options = |path| Options { ffmpeg: Some(Ffmpeg { path }), ..Options::default() };
    let error = dir.prepare(&fixture("support-mono-gsm.wav"), &options(path)).expect_err("it fails");
    assert_eq!(error.code(), "damaged");
    assert!(!error.to_string().contains("/secret"), "the error shows a path of the server: {error}");
    let missing = options(dir.path("nowhere"));
    let error = dir.prepare(&fixture("support-mono-gsm.wav"), &missing).expect_err("it is not there");
    assert_eq!(error.code(), "unsupported_codec", "{error}");
}

#[test]
fn ffmpeg_is_found_only_in_the_given_directories() {
    let dir = TestDir::new();
    assert_eq!(Ffmpeg::find(""), None);
    assert_eq!(Ffmpeg::find(&dir.path("").display().to_string()), None);
    assert_eq!(Ffmpeg::find("relative:../up"), None);
    let folder = ffmpeg().path.parent().expect("a folder").display().to_string();
    assert_eq!(Ffmpeg::find(&format!("/nowhere:{folder}")), Some(ffmpeg()));
}

#[test]
fn a_playlist_in_disguise_is_not_followed() {
    let dir = TestDir::new();
    let secret = fixture("support-mono-alaw.wav");
    for text in [
        format!("#EXTM3U\n#EXTINF:10,\nfile://{}\n", secret.display()),
        format!("ffconcat version 1.0\nfile '{}'\n", secret.display()),
    ] {
        let error =
            dir.prepare(&dir.write("in.mp3", text.as_bytes()), &with_ffmpeg()).expect_err("a playlist");
        assert_eq!(error.code(), "not_audio", "{error}");
        // After a magic number it reaches ffmpeg, which must treat it as noise.
        let disguised = [b"#!AMR\n".as_slice(), text.as_bytes()].concat();
        if let Ok((decoded, _)) = decode(&dir.write("in.amr", &disguised), &with_ffmpeg()) {
            assert!(decoded.duration_ms < 1_000, "{} ms were read from somewhere", decoded.duration_ms);
        }
    }
}

#[test]
fn flipped_and_missing_bytes_cause_no_panic_and_no_hang() {
    let options = with_ffmpeg();
    for name in [
        "sales-mono-8k.mp3",
        "support-mono-opus.ogg",
        "support-stereo-vorbis.ogg",
        "support-mono-aac.m4a",
        "support-stereo.flac",
        "support-mono-alaw.wav",
    ] {
        let dir = TestDir::new();
        let mut whole = std::fs::read(fixture(name)).expect(name);
        whole.truncate(60_000);
        for round in 0..12_usize {
            let mut bytes = whole.clone();
            let spread = noise(64, i16::MAX);
            for (index, &value) in spread.iter().enumerate() {
                // The first rounds damage headers, later ones any byte.
                let range = if round < 6 { 400 } else { bytes.len() };
                let at = (usize::from(value.unsigned_abs()) * (round + 1) * 7919 + index * 104_729) % range;
                bytes[at] ^= value.to_le_bytes()[0] | 1;
            }
            bytes.truncate(bytes.len() - round * 1000);
            if let Err(error) = dir.prepare(&dir.write("in", &bytes), &options) {
                assert_ne!(error.code(), "io", "{name}, round {round}: blamed on the disk: {error}");
            }
        }
    }
}

#[test]
fn a_missing_file_is_an_io_error() {
    let error =
        TestDir::new().prepare(std::path::Path::new("/nowhere/at/all"), &with_ffmpeg()).expect_err("missing");
    assert_eq!(error.code(), "io");
}

#[test]
fn an_unwritable_output_is_an_io_error() {
    let input = fixture("support-mono-alaw.wav");
    let error = flysk_audio::prepare(&input, std::path::Path::new("/nowhere/output"), &with_ffmpeg());
    assert_eq!(error.expect_err("no folder").code(), "io");
}

#[test]
fn an_older_output_survives_a_failure() {
    let dir = TestDir::new();
    dir.write("output", b"older");
    let wav = Wav::pcm16(1, 11_025, &silence(2_000)).bytes();
    let options = limited(|it| it.max_duration_ms = 100);
    dir.prepare(&dir.write("in", &wav), &options).expect_err("too long");
    assert_eq!(std::fs::read(dir.output()).expect("the older output"), b"older");
    assert_eq!(dir.files(), ["in", "output"]);
}
