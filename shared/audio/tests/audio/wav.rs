//! WAV files of telephony systems: every codec, and incorrect headers.

use crate::kit::{TestDir, Wav, chunk, decode, fixture, pcm_of, with_ffmpeg};
use flysk_audio::{Decoder, Options};

/// Two seconds of a conversation in stereo at 8 kHz.
fn voice() -> Vec<i16> {
    pcm_of("support-stereo-pcm.wav")[16_000..48_000].to_vec()
}

/// Signal-to-noise ratio of `got` against `voice`, in dB.
fn snr(voice: &[i16], got: &[f32]) -> f64 {
    assert_eq!(voice.len(), got.len());
    let (mut signal, mut noise) = (0.0, 1e-12);
    for (&want, &got) in voice.iter().zip(got) {
        let want = f64::from(want) / 32_768.0;
        signal += want * want;
        noise += (want - f64::from(got)).powi(2);
    }
    10.0 * (signal / noise).log10()
}

fn check(name: &str, wav: &Wav, at_least_db: f64) {
    let dir = TestDir::new();
    let (decoded, kept) = decode(&dir.write("in", &wav.bytes()), &Options::default()).expect(name);
    assert_eq!(decoded.decoder, Decoder::Native, "{name}");
    assert_eq!((decoded.format.channels, decoded.format.sample_rate), (2, 8_000), "{name}");
    assert!(!decoded.partial, "{name}");
    let snr = snr(&voice(), &kept.samples);
    assert!(snr >= at_least_db, "{name}: {snr:.1} dB");
}

fn widen<const N: usize>(convert: impl Fn(i16) -> [u8; N]) -> Vec<u8> {
    voice().into_iter().flat_map(convert).collect()
}

#[test]
fn every_sample_format_is_decoded_in_process() {
    let bits8 = widen(|it| [it.to_be_bytes()[0] ^ 0x80]); // 8 bits are stored with an offset of 128
    check("8 bits", &Wav::new(1, 2, 8_000, 8, bits8), 20.0);
    check("16 bits", &Wav::pcm16(2, 8_000, &voice()), 100.0);
    let bits24 = widen(|it| {
        let [low, high] = it.to_le_bytes();
        [0, low, high]
    });
    check("24 bits", &Wav::new(1, 2, 8_000, 24, bits24), 100.0);
    check("32 bits", &Wav::new(1, 2, 8_000, 32, widen(|it| (i32::from(it) << 16).to_le_bytes())), 100.0);
    check("float", &Wav::new(3, 2, 8_000, 32, widen(|it| (f32::from(it) / 32_768.0).to_le_bytes())), 100.0);
    check("double", &Wav::new(3, 2, 8_000, 64, widen(|it| (f64::from(it) / 32_768.0).to_le_bytes())), 100.0);
}

#[test]
fn the_extensible_format_names_its_codec_in_the_sub_format() {
    for (tag, bits, at_least) in [(1_u16, 16_u16, 100.0), (3, 32, 100.0)] {
        let data = if tag == 1 {
            widen(i16::to_le_bytes)
        } else {
            widen(|it| (f32::from(it) / 32_768.0).to_le_bytes())
        };
        let mut wav = Wav::new(0xfffe, 2, 8_000, bits, data);
        wav.extension =
            [22_u16.to_le_bytes(), bits.to_le_bytes(), [3, 0], [0, 0], tag.to_le_bytes()].concat();
        wav.extension.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
        check(&format!("extensible, codec {tag}"), &wav, at_least);
    }
}

#[test]
fn companded_and_adpcm_codecs_are_decoded_in_process() {
    for (codec, at_least_db) in
        [("pcm_alaw", 30.0), ("pcm_mulaw", 30.0), ("adpcm_ms", 15.0), ("adpcm_ima_wav", 15.0)]
    {
        let dir = TestDir::new();
        let source = dir.write("source.wav", &Wav::pcm16(2, 8_000, &voice()).bytes());
        let coded = dir.path("coded.wav");
        crate::kit::convert(&source, &format!("-c:a {codec}"), &coded);
        let (decoded, kept) = decode(&coded, &Options::default()).expect(codec);
        assert_eq!(decoded.decoder, Decoder::Native, "{codec}");
        // ADPCM pads its last block with silence.
        assert!(kept.samples.len() >= voice().len(), "{codec}: {} samples", kept.samples.len());
        let snr = snr(&voice(), &kept.samples[..voice().len()]);
        assert!(snr >= at_least_db, "{codec}: {snr:.1} dB");
    }
}

#[test]
fn a_law_and_mu_law_are_exact_to_the_last_bit() {
    // Every byte value once, so that no table error is hidden by silence.
    let every_byte: Vec<u8> = (0..=255).collect();
    for (tag, codec) in [(6, "A-law"), (7, "µ-law")] {
        let dir = TestDir::new();
        let mut wav = Wav::new(tag, 1, 8_000, 8, every_byte.clone());
        wav.extension = vec![0, 0];
        let input = dir.write("in.wav", &wav.bytes());
        dir.prepare(&input, &Options::default()).expect(codec);
        let reference = dir.path("reference.raw");
        crate::kit::convert(&input, "-f s16le -c:a pcm_s16le", &reference);
        let ours = std::fs::read(dir.output()).expect("the output");
        assert!(
            ours[44..] == std::fs::read(reference).expect("the reference"),
            "{codec}: the samples differ"
        );
    }
}

#[test]
fn a_wav_whose_size_is_off_by_a_byte_is_passed_through() {
    let dir = TestDir::new();
    let mut wav = Wav::pcm16(2, 8_000, &voice());
    wav.before = chunk(*b"LIST", b"INFOISFT\x04\0\0\0PBX\0");
    wav.after = chunk(*b"LIST", b"INFO");
    let prepared = dir.prepare(&dir.write("in", &wav.bytes()), &Options::default()).expect("a plain WAV");
    assert!(prepared.passthrough);
    assert_eq!(prepared.duration_ms, 2000);
}

#[test]
fn sizes_of_streaming_writers_are_corrected_without_touching_a_sample() {
    for (riff, data) in
        [(0, 0), (u32::MAX, u32::MAX), (0x7fff_ffff, 0x7fff_ffdb), (36, 0), (0xffff_ffff, 0xffff_ffdb)]
    {
        let dir = TestDir::new();
        let mut wav = Wav::pcm16(2, 8_000, &voice());
        (wav.stated_riff, wav.stated_data) = (Some(riff), Some(data));
        let name = format!("sizes {riff:#x} and {data:#x}");
        let prepared = dir.prepare(&dir.write("in", &wav.bytes()), &Options::default()).expect(&name);
        assert!(!prepared.passthrough && !prepared.partial, "{name}");
        assert_eq!(prepared.duration_ms, 2000, "{name}");
        let written = std::fs::read(dir.output()).expect("the output");
        assert!(
            written == Wav::pcm16(2, 8_000, &voice()).bytes(),
            "{name}: the samples or the header differ"
        );
    }
}

#[test]
fn companded_streams_without_sizes_are_read_to_their_end() {
    let dir = TestDir::new();
    let mut bytes = std::fs::read(fixture("support-stereo-mulaw.wav")).expect("the fixture");
    let data = bytes.windows(4).position(|it| it == b"data").expect("a data chunk");
    bytes[data + 4..data + 8].fill(0xff);
    bytes[4..8].fill(0xff);
    let prepared = dir.prepare(&dir.write("in", &bytes), &Options::default()).expect("a stream");
    assert_eq!((prepared.duration_ms, prepared.partial), (42_024, false));
}

#[test]
fn a_wav_shorter_than_its_header_says_is_partial() {
    let dir = TestDir::new();
    let mut bytes = Wav::pcm16(2, 8_000, &voice()).bytes();
    bytes.truncate(44 + 16_001); // in the middle of a sample
    let prepared = dir.prepare(&dir.write("in", &bytes), &Options::default()).expect("half of a call");
    assert!(prepared.partial && !prepared.passthrough);
    assert_eq!(prepared.duration_ms, 500);
}

#[test]
fn rf64_is_read_by_its_64_bit_sizes() {
    let dir = TestDir::new();
    let samples = voice();
    let data: Vec<u8> = samples.iter().flat_map(|it| it.to_le_bytes()).collect();
    let plain = Wav::pcm16(2, 8_000, &samples).bytes();
    let wide = [0_u64.to_le_bytes(), (data.len() as u64).to_le_bytes(), 0_u64.to_le_bytes()].concat();
    let mut bytes = b"RF64\xff\xff\xff\xffWAVE".to_vec();
    bytes.extend(chunk(*b"ds64", &[wide, vec![0; 4]].concat()));
    bytes.extend(&plain[12..36]);
    bytes.extend(b"data\xff\xff\xff\xff");
    bytes.extend(&data);
    bytes.extend(chunk(*b"LIST", b"INFO"));
    let prepared = dir.prepare(&dir.write("in", &bytes), &Options::default()).expect("RF64");
    assert_eq!((prepared.duration_ms, prepared.passthrough, prepared.partial), (2000, false, false));
}

#[test]
fn a_wav_without_samples_is_empty() {
    let dir = TestDir::new();
    let error =
        dir.prepare(&dir.write("in", &Wav::pcm16(1, 8_000, &[]).bytes()), &with_ffmpeg()).expect_err("empty");
    assert_eq!(error.code(), "empty");
}

#[test]
fn a_wav_that_ends_before_its_samples_is_damaged() {
    let bytes = Wav::pcm16(1, 8_000, &voice()).bytes();
    for len in [12, 20, 30, 37] {
        let dir = TestDir::new();
        let error = dir.prepare(&dir.write("in", &bytes[..len]), &with_ffmpeg()).expect_err("cut");
        assert_eq!(error.code(), "damaged", "cut at {len}: {error}");
    }
}

#[test]
fn big_endian_wav_is_decoded_by_ffmpeg() {
    let dir = TestDir::new();
    let samples: Vec<u8> = voice().iter().flat_map(|it| it.to_be_bytes()).collect();
    let mut bytes = b"RIFX".to_vec();
    bytes.extend(u32::try_from(36 + samples.len()).expect("small").to_be_bytes());
    bytes.extend(b"WAVEfmt \0\0\0\x10\0\x01\0\x02\0\0\x1f\x40\0\0\x7d\0\0\x04\0\x10data");
    bytes.extend(u32::try_from(samples.len()).expect("small").to_be_bytes());
    bytes.extend(samples);
    let prepared = dir.prepare(&dir.write("in", &bytes), &with_ffmpeg()).expect("RIFX");
    assert_eq!((prepared.decoder, prepared.duration_ms), (Decoder::Ffmpeg, 2000));
}

#[test]
fn hostile_header_values_are_rejected() {
    for (channels, rate) in [(0_u16, 8_000_u32), (1, 0), (1, 1), (200, 8_000), (2, u32::MAX)] {
        let dir = TestDir::new();
        let mut bytes = Wav::pcm16(1, 8_000, &voice()).bytes();
        bytes[22..24].copy_from_slice(&channels.to_le_bytes());
        bytes[24..28].copy_from_slice(&rate.to_le_bytes());
        let error = dir.prepare(&dir.write("in", &bytes), &with_ffmpeg()).expect_err("hostile");
        assert!(matches!(error.code(), "unsupported_codec" | "damaged"), "{channels} at {rate}: {error}");
    }
}

#[test]
fn unusual_sample_rates_are_resampled_for_recognition() {
    for (rate, becomes) in
        [(11_025_u32, 16_000), (22_050, 16_000), (44_100, 16_000), (6_000, 8_000), (12_000, 16_000)]
    {
        let dir = TestDir::new();
        let samples = voice();
        let input = dir.write("in", &Wav::pcm16(2, rate, &samples).bytes());
        let prepared = dir.prepare(&input, &Options::default()).expect("a good file");
        assert_eq!((prepared.sample_rate, prepared.passthrough), (becomes, false), "{rate} Hz");
        let frames = (prepared.bytes - 44) / 4;
        let expected = (samples.len() as u64 / 2 * u64::from(becomes)).div_ceil(u64::from(rate));
        assert_eq!(frames, expected, "{rate} Hz: the length is not exact");
    }
}
