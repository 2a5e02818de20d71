//! Recordings as recorders of calls write them: pauses that are not transmitted, streams without a length, odd containers.

use std::path::{Path, PathBuf};
use std::process::Command;

use flysk_audio::{Decoder, Options, Prepared};

use crate::corpus::{against_ffmpeg, both};
use crate::kit::{TestDir, convert, decode, ffmpeg, fixture, with_ffmpeg};
use crate::reference::compare;

fn made(dir: &TestDir, arguments: &str, name: &str) -> PathBuf {
    let path = dir.path(name);
    convert(&fixture("support-stereo-pcm.wav"), arguments, &path);
    path
}

fn whole(dir: &TestDir, input: &Path, options: &Options) -> Prepared {
    let prepared = dir.prepare(input, options).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
    assert!(!prepared.partial, "{} is partial", input.display());
    prepared
}

/// Frames of AMR: 20 ms each (RFC 4867, 5.3). `D` is a silence descriptor, `.` an empty frame, others are sound.
fn amr(frames: &str, wide: bool) -> Vec<u8> {
    let mut bytes = if wide { b"#!AMR-WB\n".to_vec() } else { b"#!AMR\n".to_vec() };
    for frame in frames.chars() {
        match frame {
            'D' => bytes.extend([if wide { 0x4c } else { 0x44 }, 0x12, 0x34, 0x56, 0x78, 0x9a]),
            '.' => bytes.push(0x7c),
            _ => {
                bytes.push(0x04);
                bytes.extend(vec![0x5a; if wide { 17 } else { 12 }]);
            }
        }
    }
    bytes
}

/// A second of sound, two of silence, half a second of sound, and a pause of 1.5 s at the end.
fn amr_with_pauses(wide: bool) -> Vec<u8> {
    let pause = |descriptors: usize| "D.......".repeat(descriptors);
    let frames = ["s".repeat(50), pause(12), "....".to_owned(), "s".repeat(25), pause(9), "...".to_owned()];
    amr(&frames.concat(), wide)
}

#[test]
fn pauses_of_amr_that_were_not_transmitted_keep_their_length() {
    for wide in [false, true] {
        let dir = TestDir::new();
        let input = dir.write("in.amr", &amr_with_pauses(wide));
        let (decoded, sink) = decode(&input, &with_ffmpeg()).expect("AMR");
        assert_eq!((decoded.duration_ms, decoded.partial), (5_000, false), "wide: {wide}");
        assert_eq!(sink.samples.len() as u64, decoded.frames);
        let per_ms = (decoded.format.sample_rate / 1000) as usize;
        let loud = |from_ms: usize, until_ms: usize| {
            sink.samples[from_ms * per_ms..until_ms * per_ms].iter().any(|sample| sample.abs() > 0.001)
        };
        assert!(loud(0, 900) && loud(3_050, 3_450), "wide: {wide}: the sound is in its place");
        assert!(!loud(1_100, 2_900) && !loud(3_600, 5_000), "wide: {wide}: the pauses are in their places");
    }
}

#[test]
fn pauses_of_amr_in_3gp_keep_their_length() {
    let dir = TestDir::new();
    let bare = dir.write("in.amr", &amr_with_pauses(false));
    let wrapped = dir.path("in.3gp");
    convert(&bare, "-c copy", &wrapped);
    let (decoded, _) = decode(&wrapped, &with_ffmpeg()).expect("AMR");
    assert!(decoded.duration_ms.abs_diff(5_000) <= 20, "{} ms", decoded.duration_ms);
}

#[test]
fn what_a_cut_3gp_lacks_is_not_replaced_by_silence() {
    let dir = TestDir::new();
    let bare = dir.write("in.amr", &amr(&"s".repeat(250), false));
    let wrapped = dir.path("in.3gp");
    convert(&bare, "-c copy -movflags +faststart", &wrapped);
    let bytes = std::fs::read(&wrapped).expect("the 3gp");
    // A second is 650 bytes.
    let cut = dir.write("cut.3gp", &bytes[..bytes.len() - 1_300]);
    let (decoded, _) = decode(&cut, &with_ffmpeg()).expect("AMR");
    assert!(decoded.partial && decoded.duration_ms < 4_000, "{} ms", decoded.duration_ms);
}

#[test]
fn a_cut_frame_of_amr_makes_it_partial() {
    let dir = TestDir::new();
    let bytes = amr(&"s".repeat(50), false);
    let (decoded, _) = decode(&dir.write("in", &bytes[..bytes.len() - 5]), &with_ffmpeg()).expect("AMR");
    assert!(decoded.partial);
}

/// Browsers record `audio/mp4` with Opus, whole or in fragments.
#[test]
fn opus_in_mp4_is_decoded_from_its_beginning() {
    let fragmented = "-ar 16000 -c:a libopus -movflags +frag_keyframe+empty_moov -frag_duration 1000000";
    for (arguments, name) in [("-ar 16000 -c:a libopus", "a.mp4"), (fragmented, "b.mp4")] {
        let dir = TestDir::new();
        let input = made(&dir, &format!("-t 10 {arguments}"), name);
        let prepared = whole(&dir, &input, &Options::default());
        assert!(prepared.duration_ms.abs_diff(10_000) <= 21, "{name}: {} ms", prepared.duration_ms);
        let (decoder, found) = against_ffmpeg(&input, false, 400);
        assert_eq!(decoder, Decoder::Native, "{name}");
        // ffmpeg 5.1 itself begins 4 to 6 ms late.
        assert!(found.lag_ms.abs() <= 8 && found.snr_db > 12.0, "{name}: {found:?}");
    }
    let dir = TestDir::new();
    let narrow = made(&dir, "-t 2 -ar 8000 -c:a libopus", "c.mp4");
    assert_eq!(whole(&dir, &narrow, &Options::default()).sample_rate, 8_000);
}

/// A live recorder does not know the length, so the end of the file is the end of the recording, unless an element is cut.
#[test]
fn webm_without_a_length_is_whole_and_a_cut_one_is_partial() {
    let opus = "-c:a libopus -live 1 -f webm";
    for (arguments, name) in
        [(opus, "a.webm"), ("-c:a libvorbis -live 1 -f webm", "b.webm"), ("-c:a aac -f matroska", "c.mka")]
    {
        let dir = TestDir::new();
        let input = live(&dir, arguments, name);
        let prepared = whole(&dir, &input, &Options::default());
        // AAC at 8 kHz has a delay and a last block of 128 ms each.
        assert!(prepared.duration_ms.abs_diff(10_000) <= 260, "{name}: {} ms", prepared.duration_ms);
        let bytes = std::fs::read(&input).expect("the file");
        let cut = dir.write("cut", &bytes[..bytes.len() - 20]);
        assert!(dir.prepare(&cut, &Options::default()).expect(name).partial, "{name}");
        let with_zeros = dir.write("zeros", &[bytes.as_slice(), &[0; 4096]].concat());
        assert!(!dir.prepare(&with_zeros, &Options::default()).expect(name).partial, "{name}");
    }
}

/// Ten seconds, written to a pipe as live recorders do.
fn live(dir: &TestDir, arguments: &str, name: &str) -> PathBuf {
    let run = Command::new(ffmpeg().path)
        .args(["-nostdin", "-loglevel", "error", "-t", "10", "-i"])
        .arg(fixture("support-stereo-pcm.wav"))
        .args(arguments.split_whitespace())
        .arg("pipe:1")
        .output()
        .expect("ffmpeg starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    dir.write(name, &run.stdout)
}

/// Two seconds, a hole of four, and two seconds.
fn with_hole(dir: &TestDir, arguments: &str, extension: &str) -> PathBuf {
    for (from_s, name) in [(0, "one"), (8, "two")] {
        made(dir, &format!("-ss {from_s} -t 2 -ac 1 -ar 16000 {arguments}"), &format!("{name}.{extension}"));
    }
    let list = format!("file one.{extension}\nduration 6\nfile two.{extension}\n");
    let list = dir.write("list", list.as_bytes());
    let path = dir.path(&format!("hole.{extension}"));
    let run = Command::new(ffmpeg().path)
        .args(["-nostdin", "-loglevel", "error", "-y", "-f", "concat", "-i"])
        .arg(list)
        .args(["-c", "copy"])
        .arg(&path)
        .output()
        .expect("ffmpeg starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    path
}

/// Recorders write nothing while a side is muted.
#[test]
fn holes_between_packets_are_silence_of_their_length() {
    for (arguments, extension) in
        [("-c:a libopus", "webm"), ("-c:a libvorbis", "webm"), ("-c:a aac", "m4a"), ("-c:a aac", "mka")]
    {
        let dir = TestDir::new();
        let what = format!("{arguments} in {extension}");
        let input = with_hole(&dir, arguments, extension);
        let prepared = whole(&dir, &input, &Options::default());
        assert!(prepared.duration_ms.abs_diff(8_000) <= 140, "{what}: {} ms", prepared.duration_ms);
        assert_eq!(prepared.decoder, Decoder::Native, "{what}");
        assert_same_place(&input, &what);
    }
}

/// A live MP4 has the time of each fragment, which only `ffmpeg` reads.
#[test]
fn holes_between_fragments_are_silence_of_their_length() {
    let dir = TestDir::new();
    let joined = with_hole(&dir, "-c:a aac", "m4a");
    let input = dir.path("fragmented.mp4");
    convert(&joined, "-c copy -movflags +frag_keyframe+empty_moov -frag_duration 500000", &input);
    let prepared = whole(&dir, &input, &with_ffmpeg());
    assert!(prepared.duration_ms.abs_diff(8_000) <= 140, "{} ms", prepared.duration_ms);
    assert_same_place(&input, "fragments");
}

/// What follows the hole is where `ffmpeg` has it, up to the delay of the encoder, which it plays behind a hole.
fn assert_same_place(input: &Path, what: &str) {
    let (_, ours, other) = both(input, true);
    let max_lag = i64::from(ours.sample_rate) / 10;
    let found = compare(&ours.part(6_300..8_500), &other.part(6_300..8_500), max_lag);
    assert!(found.lag_ms.abs() <= 40 && found.snr_db > 10.0, "{what}: {found:?}");
}

/// A leg that began later has an empty edit at its start.
#[test]
fn an_mp4_that_begins_later_begins_with_silence() {
    let dir = TestDir::new();
    let plain = made(&dir, "-t 5 -ac 1 -ar 16000 -c:a aac", "plain.m4a");
    let input = dir.path("lead.m4a");
    let run = Command::new(ffmpeg().path)
        .args(["-nostdin", "-loglevel", "error", "-itsoffset", "2", "-i"])
        .arg(plain)
        .args(["-c", "copy", "-avoid_negative_ts", "disabled"])
        .arg(&input)
        .output()
        .expect("ffmpeg starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let prepared = whole(&dir, &input, &Options::default());
    assert!(prepared.duration_ms.abs_diff(7_000) <= 70, "{} ms", prepared.duration_ms);
    assert!(prepared.speech[0].segments.iter().all(|it| it.start_ms >= 2_300), "{:?}", prepared.speech);
}

/// HE-AAC announces band replication in its configuration. Its core alone is half of the rate.
#[test]
fn he_aac_is_left_to_ffmpeg_and_whole_without_it() {
    let dir = TestDir::new();
    let plain = made(&dir, "-t 5 -ac 1 -ar 8000 -c:a aac", "plain.m4a");
    let mut bytes = std::fs::read(plain).expect("the file");
    // ffmpeg's encoder says "no band replication" behind the configuration (ISO 14496-3, 1.6.2.1): say "to 16 kHz".
    let at = bytes.windows(3).position(|it| it == [0x56, 0xe5, 0x00]).expect("a sync extension");
    bytes[at + 2] = 0xc0;
    let input = dir.write("he.m4a", &bytes);
    let prepared = whole(&dir, &input, &with_ffmpeg());
    assert_eq!((prepared.decoder, prepared.sample_rate), (Decoder::Ffmpeg, 16_000));
    let core = whole(&dir, &input, &Options::default());
    assert_eq!((core.decoder, core.sample_rate), (Decoder::Native, 8_000));
    assert!(core.duration_ms.abs_diff(5_000) <= 1, "{} ms", core.duration_ms);
}

#[test]
fn flac_with_tags_at_its_end_keeps_its_last_frame() {
    let dir = TestDir::new();
    let bytes = std::fs::read(made(&dir, "-t 10 -ac 1 -c:a flac", "a.flac")).expect("the file");
    for title in [vec![0; 125], vec![b'x'; 125]] {
        let tagged = dir.write("tagged", &[bytes.as_slice(), b"TAG", &title].concat());
        assert_eq!(whole(&dir, &tagged, &Options::default()).duration_ms, 10_000);
    }
}
