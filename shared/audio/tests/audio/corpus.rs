//! One call in every format, decoded by us and by `ffmpeg`, compared sample by sample.
//!
//! The call has speech of the fixtures, pauses and tones, at 8, 16 or 44.1 kHz, with one or two channels.

use std::path::{Path, PathBuf};

use flysk_audio::Decoder;

use crate::kit::{TestDir, Wav, convert, decode, pcm_of, silence, tone, with_ffmpeg};
use crate::reference::{Match, Signal, by_ffmpeg, compare};

/// A format: arguments of `ffmpeg`, name of the file, minimum signal-to-noise ratio to `ffmpeg`'s samples in dB, maximum shift
/// and maximum difference in length in milliseconds.
type Format = (&'static str, &'static str, f64, i64, i64);

/// Decoded to the same samples, up to the rounding of `ffmpeg`'s output.
const EXACT: f64 = 80.0;
/// Decoded by floating point in another order.
const CLOSE: f64 = 60.0;
/// Decoded at another rate than by `ffmpeg`, which then converts it.
const RESAMPLED: f64 = 15.0;

const IN_PROCESS: [Format; 24] = [
    ("-c:a pcm_u8", "a.wav", EXACT, 0, 0),
    ("-c:a pcm_s16le", "b.wav", EXACT, 0, 0),
    ("-c:a pcm_s24le", "c.wav", EXACT, 0, 0),
    ("-c:a pcm_s32le", "d.wav", EXACT, 0, 0),
    ("-c:a pcm_f32le", "e.wav", EXACT, 0, 0),
    ("-c:a pcm_f64le", "f.wav", EXACT, 0, 0),
    ("-c:a pcm_alaw", "g.wav", EXACT, 0, 0),
    ("-c:a pcm_mulaw", "h.wav", EXACT, 0, 0),
    ("-c:a adpcm_ima_wav", "i.wav", EXACT, 0, 0),
    ("-c:a adpcm_ms", "j.wav", EXACT, 0, 0),
    ("-c:a libmp3lame -b:a 32k", "k.mp3", CLOSE, 0, 80),
    ("-c:a libmp3lame -b:a 32k -ar 16000", "l.mp3", CLOSE, 0, 80),
    ("-c:a libmp3lame -q:a 5 -ar 44100", "m.mp3", CLOSE, 0, 80),
    ("-c:a libmp3lame -q:a 9 -write_xing 0", "n.mp3", CLOSE, 0, 0),
    ("-c:a flac -sample_fmt s16", "o.flac", EXACT, 0, 0),
    ("-c:a flac -sample_fmt s16", "p.oga", EXACT, 0, 0),
    ("-c:a libvorbis", "q.ogg", CLOSE, 0, 1),
    ("-c:a libvorbis -ar 16000", "r.webm", CLOSE, 0, 70),
    ("-c:a aac -ar 16000", "s.m4a", CLOSE, 0, 130),
    ("-c:a aac -ar 44100", "t.m4a", CLOSE, 0, 50),
    ("-c:a aac -ar 16000", "u.aac", CLOSE, 0, 0),
    ("-c:a libopus -application voip", "v.ogg", RESAMPLED, 1, 21),
    ("-c:a libopus -application voip", "w.webm", RESAMPLED, 1, 21),
    // ffmpeg 5.1 begins 4 to 6 ms late.
    ("-c:a libopus", "x.mp4", 12.0, 8, 21),
];

const BY_FFMPEG: [Format; 20] = [
    ("-ac 1 -c:a libgsm_ms", "a.wav", EXACT, 0, 0),
    ("-ac 1 -ar 16000 -c:a g722", "b.wav", EXACT, 0, 0),
    ("-ac 1 -c:a g726", "c.wav", EXACT, 0, 0),
    ("-c:a wmav2 -ar 22050", "d.wma", EXACT, 0, 0),
    ("-ac 1 -c:a libspeex", "e.spx", CLOSE, 0, 0),
    ("-c:a pcm_mulaw", "f.au", EXACT, 0, 0),
    ("-c:a pcm_s16be", "g.aiff", EXACT, 0, 0),
    ("-c:a pcm_alaw", "h.caf", EXACT, 0, 0),
    ("-c:a pcm_s16le", "i.w64", EXACT, 0, 0),
    ("-c:a alac", "j.m4a", EXACT, 0, 0),
    ("-c:a mp2 -b:a 64k -ar 16000", "k.mp2", EXACT, 0, 0),
    ("-c:a mp2 -b:a 128k -ar 44100", "l.mp2", EXACT, 0, 0),
    ("-c:a pcm_mulaw", "m.avi", EXACT, 0, 0),
    ("-c:a aac -ar 16000", "n.ts", EXACT, 0, 0),
    ("-c:a aac -ar 16000", "o.flv", EXACT, 0, 0),
    ("-c:a aac -ar 16000 -f latm", "p.latm", EXACT, 0, 0),
    ("-c:a pcm_u8 -ac 1", "q.voc", EXACT, 0, 0),
    ("-c:a pcm_s16le -f ircam", "r.sf", EXACT, 0, 0),
    ("-c:a wavpack", "s.wv", EXACT, 0, 0),
    ("-c:a tta", "t.tta", EXACT, 0, 0),
];

/// Two speakers with pauses, a dial tone and silence at the end: 7.5 s in two channels at 8 kHz.
pub(crate) fn call(dir: &TestDir) -> PathBuf {
    let conversation = pcm_of("support-stereo-pcm.wav");
    let speech = |from_ms: usize, ms: usize| conversation[from_ms * 16..(from_ms + ms) * 16].to_vec();
    let both = |mono: Vec<i16>| mono.into_iter().flat_map(|sample| [sample, sample]).collect::<Vec<i16>>();
    let samples = [
        speech(500, 2_000),
        both(silence(700)),
        both(tone(425.0, 800, 0.4)),
        speech(8_700, 2_500),
        both(silence(300)),
        speech(3_000, 1_000),
        both(silence(200)),
    ]
    .concat();
    dir.write("call", &Wav::pcm16(2, 8_000, &samples).bytes())
}

/// Our samples of a file, and those of `ffmpeg`.
pub(crate) fn both(input: &Path, timed: bool) -> (Decoder, Signal, Signal) {
    let name = input.display();
    let (decoded, sink) = decode(input, &with_ffmpeg()).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!decoded.partial, "{name} is partial");
    let (sample_rate, channels) = (decoded.format.sample_rate, decoded.format.channels);
    let ours = Signal { samples: sink.samples, sample_rate, channels };
    let other = by_ffmpeg(input, &ours, timed);
    (decoded.decoder, ours, other)
}

/// Our samples of a file compared with those of `ffmpeg`.
pub(crate) fn against_ffmpeg(input: &Path, timed: bool, max_lag_ms: i64) -> (Decoder, Match) {
    let (decoder, ours, other) = both(input, timed);
    (decoder, compare(&ours, &other, i64::from(ours.sample_rate) * max_lag_ms / 1000))
}

fn check(formats: &[Format], decoder: Decoder) {
    let dir = TestDir::new();
    let call = call(&dir);
    let mut faults = Vec::new();
    for &(arguments, name, min_snr_db, max_lag_ms, max_longer_ms) in formats {
        let input = dir.path(name);
        convert(&call, arguments, &input);
        let (used, found) = against_ffmpeg(&input, false, 20);
        let fits = used == decoder
            && found.snr_db >= min_snr_db
            && found.lag_ms.abs() <= max_lag_ms
            && found.longer_ms.abs() <= max_longer_ms;
        if !fits {
            faults.push(format!("{name} ({arguments}): {used:?}, {found:?}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn formats_decoded_in_process_have_the_samples_of_ffmpeg() {
    check(&IN_PROCESS, Decoder::Native);
}

#[test]
fn formats_left_to_ffmpeg_arrive_unchanged() {
    check(&BY_FFMPEG, Decoder::Ffmpeg);
}
