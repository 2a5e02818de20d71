//! WAV headers with wrong sizes: all existing samples are decoded, and only missing samples make a recording partial.

use flysk_audio::{Options, Prepared};

use crate::kit::{TestDir, Wav, chunk, convert, fixture, pcm_of, with_ffmpeg};

/// Number of frames of the voice: four seconds of two channels at 8 kHz.
const FRAMES: usize = 32_000;

fn voice() -> Vec<i16> {
    pcm_of("support-stereo-pcm.wav")[16_000..16_000 + 2 * FRAMES].to_vec()
}

/// A WAV of every codec of telephony systems, with correct sizes.
fn codecs() -> Vec<(&'static str, Vec<u8>)> {
    let dir = TestDir::new();
    let source = dir.write("source.wav", &Wav::pcm16(2, 8_000, &voice()).bytes());
    [
        ("pcm_u8", ""),
        ("pcm_s16le", ""),
        ("pcm_s24le", ""),
        ("pcm_s32le", ""),
        ("pcm_f32le", ""),
        ("pcm_alaw", ""),
        ("pcm_mulaw", ""),
        ("adpcm_ima_wav", ""),
        ("adpcm_ms", ""),
        ("libgsm_ms", "-ac 1"),
        ("g726", "-ac 1"),
    ]
    .into_iter()
    .map(|(codec, more)| {
        let path = dir.path("coded.wav");
        convert(&source, &format!("{more} -c:a {codec} -bitexact -fflags +bitexact"), &path);
        (codec, std::fs::read(path).expect("the file"))
    })
    .collect()
}

/// Offset of the data chunk's header.
fn data_of(wav: &[u8]) -> usize {
    wav.windows(4).position(|it| it == b"data").expect("a data chunk")
}

fn put(wav: &mut [u8], at: usize, value: u32) {
    wav[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a small file")
}

fn prepare(name: &str, bytes: &[u8]) -> Prepared {
    let dir = TestDir::new();
    dir.prepare(&dir.write("in", bytes), &with_ffmpeg()).expect(name)
}

/// Checks that a recording is complete and not partial; its length may differ by 1 ms (codecs with blocks).
fn is_whole(name: &str, bytes: &[u8], whole: &Prepared) {
    let prepared = prepare(name, bytes);
    assert!(!prepared.partial, "{name} is marked as partial");
    assert!(
        prepared.duration_ms.abs_diff(whole.duration_ms) <= 1,
        "{name}: {} of {} ms",
        prepared.duration_ms,
        whole.duration_ms
    );
    assert!(!prepared.passthrough, "{name}: recognition would trust the header");
}

#[test]
fn sizes_that_are_too_small_hide_no_audio() {
    for (codec, wav) in codecs() {
        let whole = prepare(codec, &wav);
        let data = data_of(&wav);
        let len = wav.len() - data - 8;
        for (share, riff_too) in
            [(len / 3, false), (len / 3, true), (64, true), (len / 2 + 1, false), (len - 1_000, true)]
        {
            let mut lying = wav.clone();
            put(&mut lying, data + 4, len_u32(share));
            if riff_too {
                put(&mut lying, 4, len_u32(data + share));
            }
            is_whole(&format!("{codec}, {share} of {len} bytes, RIFF too: {riff_too}"), &lying, &whole);
        }
    }
}

#[test]
fn unset_sizes_hide_no_audio() {
    for (codec, wav) in codecs() {
        let whole = prepare(codec, &wav);
        let data = data_of(&wav);
        for size in [0, u32::MAX, 0x7fff_ffff, 0x7fff_0000, 0x8000_0000, 0x4000_0000] {
            let mut lying = wav.clone();
            put(&mut lying, data + 4, size);
            put(&mut lying, 4, size.saturating_add(36));
            is_whole(&format!("{codec}, {size:#x}"), &lying, &whole);
        }
    }
}

#[test]
fn sizes_of_the_wrong_object_do_not_make_a_recording_partial() {
    for (codec, wav) in codecs() {
        let whole = prepare(codec, &wav);
        let data = data_of(&wav);
        // The size of the file, the size of the RIFF chunk, and a too large size with a correct RIFF size.
        for size in [wav.len(), wav.len() - 8, wav.len() + 5_000] {
            let mut lying = wav.clone();
            put(&mut lying, data + 4, len_u32(size));
            is_whole(&format!("{codec}, {size} instead of {}", wav.len() - data - 8), &lying, &whole);
        }
    }
}

#[test]
fn a_recording_that_was_cut_is_partial_whatever_its_codec() {
    for (codec, wav) in codecs() {
        let whole = prepare(codec, &wav);
        let prepared = prepare(codec, &wav[..wav.len() / 2]);
        assert!(prepared.partial && !prepared.passthrough, "{codec}");
        assert!(
            prepared.duration_ms.abs_diff(whole.duration_ms / 2) < 300,
            "{codec}: {} ms",
            prepared.duration_ms
        );
    }
}

/// Chunks that writers append after the samples.
fn behind() -> Vec<Vec<u8>> {
    let list = chunk(*b"LIST", b"INFOISFT\x0a\0\0\0Asterisk 1");
    vec![
        list.clone(),
        chunk(*b"id3 ", &[7; 301]),
        chunk(
            *b"cue ",
            &[1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'd', b'a', b't', b'a', 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0],
        ),
        [chunk(*b"fact", &[1, 2, 3, 4]), list.clone(), chunk(*b"XTRA", &[255; 2_000])].concat(),
        chunk(*b"bext", &[65; 602]),
    ]
}

#[test]
fn chunks_after_the_samples_are_not_audio() {
    for (codec, wav) in codecs() {
        let whole = prepare(codec, &wav);
        let data = data_of(&wav);
        let len = len_u32(wav.len() - data - 8);
        for (index, after) in behind().into_iter().enumerate() {
            // The size is correct, was never filled in, or was written too early.
            for size in [len, 0, u32::MAX, len / 3] {
                let mut lying = [wav.as_slice(), &after].concat();
                put(&mut lying, data + 4, size);
                let name = format!("{codec}, chunk {index} behind {size} of {len} bytes");
                let prepared = prepare(&name, &lying);
                assert!(!prepared.partial, "{name}");
                let off = prepared.duration_ms.abs_diff(whole.duration_ms);
                assert!(off <= 1, "{name}: {} ms", prepared.duration_ms);
            }
        }
    }
}

#[test]
fn missing_padding_hides_neither_chunks_nor_audio() {
    let samples: Vec<u8> = voice().into_iter().map(|it| it.to_be_bytes()[0] ^ 0x80).collect();
    let odd = &samples[..samples.len() - 1];
    for after in behind() {
        let mut wav = Wav::new(1, 1, 8_000, 8, odd.to_vec());
        wav.after = after;
        let prepared = prepare("a chunk right behind an odd number of samples", &wav.bytes());
        assert_eq!((prepared.duration_ms, prepared.partial), (8_000, false));
    }
    // A chunk of odd length before the samples, without padding.
    let mut wav = Wav::pcm16(2, 8_000, &voice());
    wav.before = b"LIST\x0b\0\0\0INFOISFTabc".to_vec();
    let prepared = prepare("an odd chunk in front", &wav.bytes());
    assert_eq!((prepared.duration_ms, prepared.partial), (4_000, false));
}

#[test]
fn a_leading_chunk_with_a_wrong_size_does_not_hide_the_samples() {
    for size in [0_u32, 7, 5_000, 1 << 30, u32::MAX] {
        let mut wav = Wav::pcm16(2, 8_000, &voice());
        wav.before = [b"LIST".as_slice(), &size.to_le_bytes(), b"INFOISFT\x04\0\0\0PBX\0"].concat();
        let prepared = prepare(&format!("a LIST of {size} bytes"), &wav.bytes());
        assert_eq!((prepared.duration_ms, prepared.partial, prepared.channels), (4_000, false, 2), "{size}");
    }
}

#[test]
fn a_leading_chunk_with_a_wrong_size_hides_no_codec() {
    for (codec, wav) in codecs() {
        let whole = prepare(codec, &wav);
        let data = data_of(&wav);
        for size in [0_u32, 7, 5_000, 1 << 30, u32::MAX] {
            let list = [b"LIST".as_slice(), &size.to_le_bytes(), b"INFOISFT\x04\0\0\0PBX\0"].concat();
            let bytes = [&wav[..data], &list, &wav[data..]].concat();
            let prepared = prepare(codec, &bytes);
            assert!(!prepared.partial, "{codec} behind a LIST of {size} bytes");
            assert_eq!(prepared.duration_ms, whole.duration_ms, "{codec} behind a LIST of {size} bytes");
            assert_eq!(prepared.speech, whole.speech, "{codec} behind a LIST of {size} bytes");
        }
    }
}

#[test]
fn reserved_and_unused_space_is_not_audio() {
    let mut wav = Wav::pcm16(2, 8_000, &voice());
    wav.after = vec![0; 4_096];
    let prepared = prepare("zeros behind the samples", &wav.bytes());
    assert_eq!((prepared.duration_ms, prepared.partial), (4_000, false));
}

#[test]
fn incorrect_64_bit_sizes_hide_no_audio() {
    let samples = voice();
    let data: Vec<u8> = samples.iter().flat_map(|it| it.to_le_bytes()).collect();
    let plain = Wav::pcm16(2, 8_000, &samples).bytes();
    for size in [0_u64, 64, data.len() as u64 / 3, u64::MAX, 1 << 40] {
        let wide = [0_u64.to_le_bytes(), size.to_le_bytes(), 0_u64.to_le_bytes()].concat();
        let mut bytes = b"RF64\xff\xff\xff\xffWAVE".to_vec();
        bytes.extend(chunk(*b"ds64", &[wide, vec![0; 4]].concat()));
        bytes.extend(&plain[12..36]);
        bytes.extend(b"data\xff\xff\xff\xff");
        bytes.extend(&data);
        let prepared = prepare(&format!("RF64 of {size}"), &bytes);
        assert_eq!((prepared.duration_ms, prepared.partial), (4_000, false), "{size}");
    }
}

#[test]
fn the_samples_after_an_incorrect_size_are_the_recorded_ones() {
    let dir = TestDir::new();
    let mut wav = Wav::pcm16(2, 8_000, &voice());
    (wav.stated_data, wav.stated_riff) = (Some(16_000), Some(16_036));
    dir.prepare(&dir.write("in", &wav.bytes()), &Options::default()).expect("a recording");
    let written = std::fs::read(dir.output()).expect("the output");
    assert!(written == Wav::pcm16(2, 8_000, &voice()).bytes(), "the samples or the header differ");
}

#[test]
fn audio_after_the_first_data_chunk_makes_a_recording_partial() {
    for (codec, wav) in codecs() {
        let whole = prepare(codec, &wav);
        let data = data_of(&wav);
        let more = chunk(*b"data", &wav[data + 8..]);
        let list = chunk(*b"LIST", b"INFOISFT\x0a\0\0\0Asterisk 1");
        for (what, behind) in [
            ("a second data chunk", more.clone()),
            ("a list and a second data chunk", [list.clone(), more].concat()),
            ("a second WAV", wav.clone()),
            ("a list and a second WAV", [list, wav.clone()].concat()),
        ] {
            let bytes = [wav.as_slice(), &behind].concat();
            for riff in [len_u32(wav.len() - 8), len_u32(bytes.len() - 8)] {
                let mut bytes = bytes.clone();
                put(&mut bytes, 4, riff);
                let prepared = prepare(codec, &bytes);
                assert!(prepared.partial && !prepared.passthrough, "{codec}: {what}");
                let off = prepared.duration_ms.abs_diff(whole.duration_ms);
                assert!(off <= 1, "{codec}: {what}: {} ms", prepared.duration_ms);
            }
        }
    }
}

#[test]
fn wave64_is_decoded_by_ffmpeg() {
    let dir = TestDir::new();
    let path = dir.path("in.w64");
    convert(&fixture("support-stereo-pcm.wav"), "-c:a pcm_s16le -f w64", &path);
    let prepared = dir.prepare(&path, &with_ffmpeg()).expect("Wave64");
    assert!(prepared.duration_ms.abs_diff(42_024) <= 1 && !prepared.partial, "{} ms", prepared.duration_ms);
}
