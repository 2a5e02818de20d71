//! Doubled mono, and its distinction from true stereo with crosstalk.

use flysk_audio::{Layout, Options, Prepared};

use crate::kit::{TestDir, Wav, convert, noise, pcm_of};

/// Samples of one channel as floats.
type Channel = Vec<f64>;

/// The two sides of a conversation of 42 s at 8 kHz.
fn sides() -> (Channel, Channel) {
    let stereo = pcm_of("support-stereo-pcm.wav");
    stereo.chunks_exact(2).map(|pair| (f64::from(pair[0]), f64::from(pair[1]))).unzip()
}

/// The sum of both sides.
fn both() -> Channel {
    let (operator, client) = sides();
    sum(&operator, &client)
}

fn sum(a: &[f64], b: &[f64]) -> Channel {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn gain(samples: &[f64], decibels: f64) -> Channel {
    let factor = 10_f64.powf(decibels / 20.0);
    samples.iter().map(|it| it * factor).collect()
}

fn inverted(samples: &[f64]) -> Channel {
    samples.iter().map(|it| -it).collect()
}

/// Delays by this many samples of 125 µs.
fn later(samples: &[f64], by: usize) -> Channel {
    [vec![0.0; by], samples[..samples.len() - by].to_vec()].concat()
}

/// Delays by half a sample.
fn half_later(samples: &[f64]) -> Channel {
    samples.iter().zip(later(samples, 1)).map(|(a, b)| (a + b) / 2.0).collect()
}

/// Adds white noise this many decibels below the mean power of `samples`.
fn noisy(samples: &[f64], snr_db: f64) -> Channel {
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    let count = samples.len() as f64;
    let power = samples.iter().map(|it| it * it).sum::<f64>() / count;
    // Uniform noise has a third of the power of its peak.
    let peak = (3.0 * power * 10_f64.powf(-snr_db / 10.0)).sqrt();
    let white = noise(samples.len(), i16::MAX);
    samples.iter().zip(white).map(|(sample, white)| sample + f64::from(white) / 32_767.0 * peak).collect()
}

/// Applies ffmpeg's filters to a channel.
fn filtered(samples: &[f64], filters: &str) -> Channel {
    let dir = TestDir::new();
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    let pcm: Vec<i16> = samples.iter().map(|it| it.round() as i16).collect();
    let input = dir.write("in.wav", &Wav::pcm16(1, 8_000, &pcm).bytes());
    convert(&input, &format!("-af {filters} -c:a pcm_s16le -f s16le"), &dir.path("out.raw"));
    let raw = std::fs::read(dir.path("out.raw")).expect("the filtered samples");
    let mut out: Channel =
        raw.chunks_exact(2).map(|it| f64::from(i16::from_le_bytes([it[0], it[1]]))).collect();
    out.resize(samples.len(), 0.0);
    out
}

/// Filters that a channel of a call may have passed.
const FILTERS: [&str; 9] = [
    "highpass=f=300",
    "highpass=f=300:p=2,lowpass=f=3400",
    "highpass=f=500,highpass=f=500",
    "lowpass=f=1000",
    "lowpass=f=2000,lowpass=f=2000",
    "bandpass=f=1200:width_type=h:w=1400",
    "equalizer=f=700:width_type=h:w=600:g=12",
    "aecho=0.8:0.7:45:0.5",
    "allpass=f=900:width_type=h:w=400",
];

fn stereo(dir: &TestDir, left: &[f64], right: &[f64]) -> std::path::PathBuf {
    #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
    let samples: Vec<i16> =
        left.iter().zip(right).flat_map(|(&l, &r)| [l.round() as i16, r.round() as i16]).collect();
    dir.write("in.wav", &Wav::pcm16(2, 8_000, &samples).bytes())
}

fn prepared(left: &[f64], right: &[f64]) -> (TestDir, Prepared) {
    let dir = TestDir::new();
    let input = stereo(&dir, left, right);
    let prepared = dir.prepare(&input, &Options::default()).expect("a stereo file");
    (dir, prepared)
}

/// Differences between the two channels of a doubled recording.
fn doubles(voice: &[f64]) -> Vec<(String, Channel, Channel)> {
    let mut doubles = Vec::new();
    let mut add = |name: String, right: Channel| doubles.push((name, voice.to_vec(), right));
    for decibels in [-20.0, -12.0, -6.0, -3.0, -1.0] {
        add(format!("{decibels} dB"), gain(voice, decibels));
        add(format!("{decibels} dB and inverted"), inverted(&gain(voice, decibels)));
    }
    for by in [1, 3, 8, 24, 56, 120, 240, 480, 700] {
        add(format!("{by} samples later"), later(voice, by));
        add(format!("{by} samples later, inverted, -4 dB"), inverted(&gain(&later(voice, by), -4.0)));
    }
    add("half a sample later".to_owned(), half_later(voice));
    for snr in [10.0, 15.0, 20.0, 30.0] {
        add(format!("noise at {snr} dB"), noisy(voice, snr));
        add(
            format!("noise at {snr} dB, later, quieter, inverted"),
            inverted(&gain(&later(&noisy(voice, snr), 40), -6.0)),
        );
    }
    for (name, left, right) in doubles.clone() {
        doubles.push((format!("{name}, channels swapped"), right, left));
    }
    doubles
}

#[test]
fn any_linear_relation_between_the_channels_is_one_channel() {
    for (name, left, right) in doubles(&both()) {
        let (dir, prepared) = prepared(&left, &right);
        assert_eq!((prepared.layout, prepared.channels), (Layout::DoubledMono, 1), "{name}");
        assert_eq!((prepared.speech.len(), prepared.passthrough), (1, false), "{name}");
        assert!(prepared.has_speech(), "{name}");
        // The output is one of the two channels, sample by sample, and not their sum.
        let written = std::fs::read(dir.output()).expect("the output");
        let input = std::fs::read(dir.path("in.wav")).expect("the input");
        let of = |channel: usize| -> Vec<u8> {
            input[44..]
                .chunks_exact(4)
                .flat_map(|frame| [frame[2 * channel], frame[2 * channel + 1]])
                .collect()
        };
        let louder = usize::from(power(&right) > power(&left) * 1.3);
        let alike = (power(&right) / power(&left)).ln().abs() < 0.3;
        assert!(
            written[44..] == of(louder) || alike && written[44..] == of(1 - louder),
            "{name}: not the louder channel"
        );
    }
}

#[test]
fn a_filter_between_the_channels_makes_no_second_voice() {
    let voice = both();
    for filters in FILTERS {
        let right = filtered(&voice, filters);
        for (name, right) in [
            ("", right.clone()),
            (", quieter, later, inverted", inverted(&gain(&later(&right, 40), -8.0))),
            (", noisy", noisy(&right, 20.0)),
        ] {
            for (order, left, right) in [("", &voice, &right), (", swapped", &right, &voice)] {
                let (_desk, prepared) = prepared(left, right);
                assert_eq!(prepared.layout, Layout::DoubledMono, "{filters}{name}{order}");
            }
        }
    }
}

#[test]
fn a_filter_in_either_channel_makes_no_second_voice() {
    let voice = both();
    for (left, right) in [
        ("highpass=f=300", "lowpass=f=2000"),
        ("lowpass=f=1200", "highpass=f=400,lowpass=f=3000"),
        ("aecho=0.8:0.7:30:0.4", "lowpass=f=1500"),
    ] {
        let (_desk, prepared) = prepared(&filtered(&voice, left), &filtered(&voice, right));
        assert_eq!(prepared.layout, Layout::DoubledMono, "{left} | {right}");
    }
}

#[test]
fn two_sides_with_filtered_crosstalk_stay_two() {
    let (operator, client) = sides();
    let mut merged = Vec::new();
    for filters in FILTERS {
        let (echo, answer) = (filtered(&client, filters), filtered(&operator, filters));
        for leak in [-9.0, -10.0, -15.0, -20.0, -30.0] {
            for (name, left, right) in [
                ("both", sum(&operator, &gain(&echo, leak)), sum(&client, &gain(&answer, leak))),
                ("one", operator.clone(), sum(&client, &gain(&answer, leak))),
                (
                    "both, later",
                    sum(&operator, &gain(&later(&echo, 64), leak)),
                    sum(&client, &gain(&later(&answer, 120), leak)),
                ),
            ] {
                for (order, left, right) in [("", &left, &right), (", swapped", &right, &left)] {
                    if prepared(left, right).1.layout != Layout::Stereo {
                        merged.push(format!("{filters}, {leak} dB, {name}{order}"));
                    }
                }
            }
        }
    }
    assert!(merged.is_empty(), "{merged:#?}");
}

/// The operator's channel of 5.6 minutes, and a client who says one second in the end.
fn a_word_after_minutes() -> (Channel, Channel) {
    let (operator, client) = sides();
    let long: Channel = std::iter::repeat_n(operator, 8).flatten().collect();
    let mut answer = vec![0.0; long.len()];
    let turn = client.iter().position(|it| it.abs() > 3_000.0).expect("a loud word");
    let at = long.len() - 20_000;
    answer[at..at + 8_000].copy_from_slice(&client[turn..turn + 8_000]);
    (long, answer)
}

#[test]
fn a_word_of_the_client_is_detected_after_minutes_of_filtered_crosstalk() {
    let (long, answer) = a_word_after_minutes();
    for filters in FILTERS {
        let left = sum(&long, &gain(&filtered(&answer, filters), -15.0));
        let right = sum(&answer, &gain(&filtered(&long, filters), -15.0));
        assert_eq!(prepared(&left, &right).1.layout, Layout::Stereo, "{filters}");
    }
}

#[test]
fn seconds_of_a_filtered_doubled_recording_are_enough() {
    let voice = both();
    for filters in FILTERS {
        let part = &voice[4_000..28_000];
        assert_eq!(prepared(part, &filtered(part, filters)).1.layout, Layout::DoubledMono, "{filters}");
    }
}

fn power(samples: &[f64]) -> f64 {
    samples.iter().map(|it| it * it).sum()
}

#[test]
fn a_second_of_a_doubled_recording_is_enough() {
    let voice = both();
    for (from, len) in [(4_000, 8_000), (4_000, 16_000), (4_000, 40_000), (80_000, 24_000)] {
        let part = &voice[from..from + len];
        for (name, right) in
            [("quieter", gain(part, -3.0)), ("inverted", inverted(part)), ("later", later(part, 40))]
        {
            assert_eq!(prepared(part, &right).1.layout, Layout::DoubledMono, "{len} samples, {name}");
        }
    }
}

/// Lossy codecs with joint stereo at telephony rates.
const JOINT: [(&str, &str); 6] = [
    ("-c:a libmp3lame -b:a 16k -joint_stereo 1", "a.mp3"),
    ("-ar 44100 -c:a libmp3lame -b:a 48k -joint_stereo 1", "b.mp3"),
    ("-c:a libopus -b:a 24k -application voip", "c.ogg"),
    ("-ar 16000 -c:a aac -b:a 24k", "d.m4a"),
    ("-ar 16000 -c:a libvorbis -q:a -1", "e.ogg"),
    ("-c:a adpcm_ima_wav", "f.wav"),
];

fn coded(left: &[f64], right: &[f64], arguments: &str, name: &str) -> Prepared {
    let dir = TestDir::new();
    let source = stereo(&dir, left, right);
    convert(&source, arguments, &dir.path(name));
    dir.prepare(&dir.path(name), &Options::default()).expect(name)
}

#[test]
fn doubled_recordings_are_detected_through_joint_stereo_codecs() {
    let voice = both();
    for (arguments, file) in JOINT {
        for (name, right) in [
            ("the same", voice.clone()),
            ("quieter", gain(&voice, -3.0)),
            ("much quieter", gain(&voice, -12.0)),
            ("inverted", inverted(&voice)),
            ("7 ms later", later(&voice, 56)),
            ("all of it", inverted(&gain(&later(&noisy(&voice, 25.0), 56), -4.0))),
        ] {
            let prepared = coded(&voice, &right, arguments, file);
            assert_eq!((prepared.layout, prepared.channels), (Layout::DoubledMono, 1), "{name}, {arguments}");
        }
    }
}

/// Calls with crosstalk of many kinds, or with one barely audible side.
fn real_calls() -> Vec<(String, Channel, Channel)> {
    let (operator, client) = sides();
    let silence = vec![0.0; operator.len()];
    let mut calls = Vec::new();
    for leak in [-6.0, -9.0, -12.0, -16.0, -20.0, -30.0] {
        let name = format!("crosstalk of {leak} dB");
        calls.push((name, sum(&operator, &gain(&client, leak)), sum(&client, &gain(&operator, leak))));
        let (echo, other) = (gain(&later(&client, 64), leak), inverted(&gain(&later(&operator, 120), leak)));
        calls.push((format!("echo of {leak} dB"), sum(&operator, &echo), sum(&client, &other)));
        calls.push((
            format!("one echo of {leak} dB"),
            operator.clone(),
            sum(&client, &gain(&operator, leak)),
        ));
    }
    calls.push(("a silent client".to_owned(), operator.clone(), silence.clone()));
    calls.push(("a silent operator".to_owned(), silence.clone(), client.clone()));
    let quiet = gain(&client, -15.0);
    calls.push((
        "a quiet client".to_owned(),
        sum(&operator, &gain(&quiet, -20.0)),
        sum(&quiet, &gain(&operator, -25.0)),
    ));
    // The client says one word of half a second.
    let turn = client.iter().position(|it| it.abs() > 3_000.0).expect("a loud word");
    let mut word = silence;
    word[turn..turn + 4_000].copy_from_slice(&client[turn..turn + 4_000]);
    calls.push(("one word".to_owned(), operator.clone(), word.clone()));
    calls.push((
        "one word and crosstalk".to_owned(),
        sum(&operator, &gain(&word, -15.0)),
        sum(&word, &gain(&operator, -15.0)),
    ));
    calls
}

#[test]
fn two_sides_with_crosstalk_stay_two() {
    let mut merged = Vec::new();
    for (name, left, right) in real_calls() {
        for (order, left, right) in [("", &left, &right), (", swapped", &right, &left)] {
            let (_desk, prepared) = prepared(left, right);
            if (prepared.layout, prepared.channels, prepared.passthrough) != (Layout::Stereo, 2, true) {
                merged.push(format!("{name}{order}"));
            }
        }
    }
    assert!(merged.is_empty(), "{merged:#?}");
}

#[test]
fn two_sides_stay_two_through_joint_stereo_codecs() {
    for (arguments, file) in JOINT {
        for (name, left, right) in
            real_calls().into_iter().filter(|(name, ..)| name.contains("-12") || name.contains("-20"))
        {
            let prepared = coded(&left, &right, arguments, file);
            assert_eq!((prepared.layout, prepared.channels), (Layout::Stereo, 2), "{name}, {arguments}");
        }
    }
}

#[test]
fn a_word_of_the_client_is_detected_after_minutes_of_crosstalk() {
    let (long, answer) = a_word_after_minutes();
    let (_desk, prepared) = prepared(&sum(&long, &gain(&answer, -15.0)), &sum(&answer, &gain(&long, -15.0)));
    assert_eq!(prepared.layout, Layout::Stereo);
}

#[test]
fn music_in_both_channels_before_the_call_does_not_make_it_one() {
    let (operator, client) = sides();
    let music: Channel = both().into_iter().rev().collect();
    let left = [music.clone(), operator].concat();
    let right = [music, client].concat();
    assert_eq!(prepared(&left, &right).1.layout, Layout::Stereo);
}

#[test]
fn a_ring_back_before_a_doubled_call_does_not_hide_the_delay() {
    let ring: Channel = (0..3)
        .flat_map(|_| [crate::kit::tone(425.0, 4_000, 0.4), crate::kit::silence(500)].concat())
        .map(f64::from)
        .collect();
    let voice = [ring, both()].concat();
    let right = inverted(&later(&voice, 77));
    assert_eq!(prepared(&voice, &right).1.layout, Layout::DoubledMono);
}
