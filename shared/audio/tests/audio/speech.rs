//! Detection of speech, tones, noise and channels.

use flysk_audio::{
    ChannelSpeech, Layout, MIN_SPEECH_MS, Options, PcmFormat, Prepared, VoiceActivityDetector,
};

use crate::kit::{TestDir, Wav, convert, fixture, noise, pcm_of, silence, tone, with_ffmpeg};

const TELEPHONE: PcmFormat = PcmFormat { sample_rate: 8_000, channels: 1 };

fn measure(format: PcmFormat, samples: &[i16]) -> Vec<ChannelSpeech> {
    let mut vad = VoiceActivityDetector::new(format);
    let samples: Vec<f32> = samples.iter().map(|&it| f32::from(it) / 32_768.0).collect();
    // Blocks with an odd number of frames, because decoders return blocks of any size.
    for block in samples.chunks(333 * usize::from(format.channels)) {
        vad.push(block);
    }
    vad.finish()
}

fn mono(samples: &[i16]) -> ChannelSpeech {
    measure(TELEPHONE, samples).remove(0)
}

/// The operator of a conversation for `ms` milliseconds from the first word.
fn voice(ms: usize) -> Vec<i16> {
    let stereo = pcm_of("support-stereo-pcm.wav");
    stereo.chunks_exact(2).skip(500 * 8).take(ms * 8).map(|it| it[0]).collect()
}

fn scaled(samples: &[i16], percent: i32) -> Vec<i16> {
    samples.iter().map(|&it| i16::try_from(i32::from(it) * percent / 100).expect("not louder")).collect()
}

fn added(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b).map(|(&a, &b)| a.saturating_add(b)).collect()
}

#[test]
fn silence_hum_and_line_noise_are_not_speech() {
    let dither = noise(40_000, 2);
    let line_noise = noise(80_000, 300);
    let offset = vec![2_000; 40_000];
    for (name, samples) in
        [("silence", silence(5_000)), ("dither", dither), ("line noise", line_noise), ("an offset", offset)]
    {
        let speech = mono(&samples);
        assert!(!speech.is_speech(), "{name}: {speech:?}");
    }
}

#[test]
fn ring_back_and_busy_tones_are_not_speech() {
    for hertz in [400.0, 412.0, 425.0, 440.0, 450.0] {
        for (on, off) in [(1_000, 4_000), (350, 350), (200, 200)] {
            for gain in [1.0, 0.05] {
                let cadence: Vec<i16> =
                    (0..4).flat_map(|_| [tone(hertz, on, gain), silence(off)].concat()).collect();
                let speech = mono(&added(&cadence, &noise(cadence.len(), 20)));
                assert!(!speech.is_speech(), "{hertz} Hz {on}/{off} ms: {speech:?}");
                assert!(
                    speech.tone_ms + 160 >= 4 * on as u64,
                    "{hertz} Hz {on}/{off} ms: {} ms of tone",
                    speech.tone_ms
                );
            }
        }
    }
}

#[test]
fn ring_back_is_detected_through_telephony_codecs() {
    let dir = TestDir::new();
    let cadence: Vec<i16> = (0..3).flat_map(|_| [tone(425.0, 1_000, 0.3), silence(4_000)].concat()).collect();
    let source = dir.write("ring.wav", &Wav::pcm16(1, 8_000, &cadence).bytes());
    for (arguments, name) in [
        ("-c:a pcm_alaw", "a.wav"),
        ("-c:a libgsm_ms", "g.wav"),
        ("-c:a libmp3lame -b:a 16k", "m.mp3"),
        ("-ar 44100 -ac 2 -c:a libmp3lame -b:a 64k", "w.mp3"),
        ("-c:a libopus -application voip -b:a 12k", "o.ogg"),
    ] {
        let coded = dir.path(name);
        convert(&source, arguments, &coded);
        let prepared = dir.prepare(&coded, &with_ffmpeg()).expect(name);
        assert!(!prepared.has_speech(), "{name}: {:?}", prepared.speech);
    }
}

#[test]
fn an_answer_after_the_ring_back_is_speech_without_the_tone() {
    let call =
        [tone(425.0, 1_000, 0.3), silence(2_000), tone(425.0, 1_000, 0.3), silence(1_000), voice(5_000)]
            .concat();
    let speech = mono(&call);
    assert!(speech.is_speech());
    assert!(speech.segments[0].start_ms.abs_diff(5_000) <= 60, "{:?}", speech.segments);
    assert!((1_900..=2_000).contains(&speech.tone_ms), "{} ms", speech.tone_ms);
}

#[test]
fn a_tone_right_before_the_first_word_is_excluded() {
    let call = [tone(425.0, 1_000, 0.3), voice(3_000)].concat();
    let speech = mono(&call);
    assert!(speech.segments[0].start_ms.abs_diff(1_000) <= 60, "{:?}", speech.segments);
}

#[test]
fn vowels_near_the_tones_frequency_are_speech() {
    let speech = mono(&voice(7_000));
    assert_eq!(speech.tone_ms, 0);
}

#[test]
fn quiet_and_noisy_voices_are_detected() {
    let loud = mono(&voice(7_000));
    for percent in [50, 10, 5] {
        let speech = mono(&scaled(&voice(7_000), percent));
        assert!(
            speech.speech_ms * 10 >= loud.speech_ms * 8,
            "at {percent} %: {} ms of {}",
            speech.speech_ms,
            loud.speech_ms
        );
    }
    let noisy = mono(&[noise(24_000, 250), added(&voice(7_000), &noise(56_000, 250))].concat());
    assert!(
        noisy.speech_ms * 10 >= loud.speech_ms * 7,
        "in noise: {} ms of {}",
        noisy.speech_ms,
        loud.speech_ms
    );
    assert!(noisy.segments[0].start_ms.abs_diff(3_000) <= 100, "in noise: {:?}", noisy.segments);
}

#[test]
fn clicks_are_not_speech_and_a_tenth_of_a_second_is() {
    let click = [silence(1_000), noise(240, 20_000), silence(1_000)].concat();
    assert!(!mono(&[click.clone(), click].concat()).is_speech());
    let word = [silence(1_000), voice(2_000)[4_000..4_000 + 8 * 160].to_vec(), silence(1_000)].concat();
    let speech = mono(&word);
    assert!(speech.speech_ms >= MIN_SPEECH_MS, "{speech:?}");
}

#[test]
fn any_sample_rate_gives_the_same_times() {
    let reference = mono(&voice(7_000));
    for rate in [6_000_u32, 11_025, 16_000, 22_050, 44_100, 48_000] {
        // Nearest-neighbour resampling is sufficient to keep times.
        let samples: Vec<i16> = (0..7 * rate).map(|index| voice_at(index, rate)).collect();
        let speech = measure(PcmFormat { sample_rate: rate, channels: 1 }, &samples).remove(0);
        let (first, last) =
            (reference.segments[0].start_ms, reference.segments.last().expect("speech").end_ms);
        assert!(speech.segments[0].start_ms.abs_diff(first) <= 40, "{rate} Hz: {:?}", speech.segments);
        assert!(
            speech.segments.last().expect("speech").end_ms.abs_diff(last) <= 40,
            "{rate} Hz: {:?}",
            speech.segments
        );
    }
}

fn voice_at(index: u32, rate: u32) -> i16 {
    thread_local! {
        static VOICE: Vec<i16> = voice(7_000);
    }
    let position = u64::from(index) * 8_000 / u64::from(rate);
    VOICE.with(|voice| voice.get(usize::try_from(position).expect("small")).copied().unwrap_or(0))
}

fn prepare_stereo(left: &[i16], right: &[i16]) -> (TestDir, Prepared) {
    let dir = TestDir::new();
    let samples: Vec<i16> = left.iter().zip(right).flat_map(|(&l, &r)| [l, r]).collect();
    let input = dir.write("in", &Wav::pcm16(2, 8_000, &samples).bytes());
    let prepared = dir.prepare(&input, &Options::default()).expect("a stereo file");
    (dir, prepared)
}

#[test]
fn the_same_voice_in_both_channels_becomes_one_channel() {
    let voice = voice(7_000);
    let (dir, prepared) = prepare_stereo(&voice, &voice);
    assert_eq!((prepared.layout, prepared.channels, prepared.passthrough), (Layout::DoubledMono, 1, false));
    assert_eq!(prepared.speech.len(), 1);
    let written = std::fs::read(dir.output()).expect("the output");
    assert!(written == Wav::pcm16(1, 8_000, &voice).bytes(), "not the left channel");
    assert_eq!(prepared.bytes, written.len() as u64);
}

#[test]
fn doubled_mono_is_detected_through_lossy_codecs() {
    let dir = TestDir::new();
    let source = dir.write("mono.wav", &Wav::pcm16(1, 8_000, &voice(7_000)).bytes());
    for (arguments, name) in [
        ("-ac 2 -ar 44100 -c:a libmp3lame -b:a 64k", "a.mp3"),
        ("-ac 2 -ar 44100 -c:a libmp3lame -b:a 64k -joint_stereo 0", "b.mp3"),
        ("-ac 2 -c:a libopus -application voip", "c.ogg"),
        ("-ac 2 -c:a libvorbis -ar 16000", "d.ogg"),
        ("-ac 2 -c:a pcm_mulaw", "e.wav"),
    ] {
        let coded = dir.path(name);
        convert(&source, arguments, &coded);
        let prepared = dir.prepare(&coded, &Options::default()).expect(name);
        assert_eq!((prepared.layout, prepared.channels), (Layout::DoubledMono, 1), "{name}");
        assert!(!prepared.passthrough, "{name}");
        let again = dir.prepare(&dir.output(), &Options::default()).expect(name);
        assert_eq!((again.layout, again.passthrough), (Layout::Mono, true), "{name}");
    }
}

#[test]
fn independent_line_noise_is_not_a_second_speaker() {
    let voice = voice(7_000);
    let (_desk, prepared) = prepare_stereo(&voice, &added(&voice, &noise(voice.len(), 40)));
    assert_eq!(prepared.layout, Layout::DoubledMono);
}

#[test]
fn one_word_in_the_other_channel_is_true_stereo() {
    let left = voice(7_000);
    let mut right = left.clone();
    right[40_000..44_000].copy_from_slice(&left[4_000..8_000]);
    let (_desk, prepared) = prepare_stereo(&left, &right);
    assert_eq!((prepared.layout, prepared.passthrough), (Layout::Stereo, true));
}

#[test]
fn a_silent_channel_is_still_a_channel() {
    let (_desk, prepared) = prepare_stereo(&voice(7_000), &silence(7_000));
    assert_eq!((prepared.layout, prepared.channels), (Layout::Stereo, 2));
    assert!(prepared.speech[0].is_speech() && !prepared.speech[1].is_speech() && prepared.has_speech());
}

#[test]
fn more_than_two_channels_become_one() {
    let dir = TestDir::new();
    let samples: Vec<i16> = voice(7_000).iter().flat_map(|&it| [0, it, 0, 0]).collect();
    let prepared =
        dir.prepare(&dir.write("in", &Wav::pcm16(4, 8_000, &samples).bytes()), &Options::default());
    let prepared = prepared.expect("four channels");
    assert_eq!((prepared.layout, prepared.channels, prepared.speech.len()), (Layout::Mono, 1, 1));
    assert!(prepared.has_speech());
}

#[test]
fn a_silent_recording_has_no_speech() {
    let prepared = TestDir::new().prepare(&fixture("silence-5s.wav"), &Options::default()).expect("silence");
    assert!(!prepared.has_speech());
    assert_eq!(prepared.duration_ms, 5_000);
}
