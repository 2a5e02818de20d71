//! Containers with a magic number that old call loggers write, and headers of WAV that differ from the usual ones.

use flysk_audio::{AudioError, Decoder, Kind, Options, sniff};

use crate::kit::{TestDir, Wav, convert, decode, fixture, pcm_of, with_ffmpeg};

/// Ten seconds of one side of a call, at 8 kHz.
fn side() -> Vec<i16> {
    pcm_of("support-stereo-pcm.wav").into_iter().step_by(2).take(80_000).collect()
}

/// A WAV whose samples have four bytes with 24 valid bits, as `place` puts them.
fn wide_wav(place: fn(i32) -> i32, extension: &[u8], tag: u16) -> Vec<u8> {
    let data = side().iter().flat_map(|&sample| place(i32::from(sample)).to_le_bytes()).collect();
    let mut wav = Wav::new(tag, 1, 8_000, 32, data);
    wav.extension = extension.to_vec();
    let mut bytes = wav.bytes();
    let bits = 34;
    bytes[bits..bits + 2].copy_from_slice(&24_u16.to_le_bytes());
    bytes
}

#[test]
fn samples_of_24_bits_in_four_bytes_are_read_from_either_end() {
    let guid = [1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let extensible = [&22_u16.to_le_bytes()[..], &24_u16.to_le_bytes(), &4_u32.to_le_bytes(), &guid].concat();
    let upper: fn(i32) -> i32 = |sample| sample << 16;
    let lower: fn(i32) -> i32 = |sample| sample << 8;
    let unsigned: fn(i32) -> i32 = |sample| sample << 8 & 0x00ff_ffff;
    for (what, bytes) in [
        ("upper end", wide_wav(upper, &[], 1)),
        ("upper end, extensible", wide_wav(upper, &extensible, 0xfffe)),
        ("lower end", wide_wav(lower, &[], 1)),
        ("lower end without sign", wide_wav(unsigned, &[], 1)),
    ] {
        let dir = TestDir::new();
        let (decoded, sink) = decode(&dir.write("in", &bytes), &Options::default()).expect(what);
        assert_eq!((decoded.duration_ms, decoded.decoder), (10_000, Decoder::Native), "{what}");
        let expected = side().into_iter().map(|sample| f32::from(sample) / 32_768.0);
        let off = sink.samples.iter().zip(expected).map(|(own, it)| (own - it).abs()).fold(0.0, f32::max);
        assert!(off < 1e-6, "{what}: off by {off}");
    }
}

/// Some writers copy the block of a stereo file to a mono one: the samples are still those of 16 bits.
#[test]
fn a_wrong_block_alignment_does_not_change_16_bit_samples() {
    let mut bytes = Wav::pcm16(1, 8_000, &side()).bytes();
    bytes[32..34].copy_from_slice(&4_u16.to_le_bytes());
    let dir = TestDir::new();
    let (decoded, _) = decode(&dir.write("in", &bytes), &Options::default()).expect("a WAV");
    assert_eq!(decoded.duration_ms, 10_000);
}

/// The recorder closed the file in the middle of a block, and its header is right.
#[test]
fn the_last_block_of_adpcm_may_be_incomplete() {
    for (codec, channels, block) in
        [("adpcm_ima_wav", 1, 4096), ("adpcm_ima_wav", 2, 2048), ("adpcm_ms", 1, 1024), ("adpcm_ms", 2, 1024)]
    {
        let dir = TestDir::new();
        let what = format!("{codec}, {channels} channels");
        let made = dir.path("made.wav");
        let arguments = format!("-t 10 -ac {channels} -c:a {codec} -block_size {block}");
        convert(&fixture("support-stereo-pcm.wav"), &arguments, &made);
        let bytes = std::fs::read(made).expect("the file");
        let data = bytes.windows(4).position(|it| it == b"data").expect("a data chunk");
        let samples = &bytes[data + 8..];
        let blocks = samples.len() / block - 1;
        let (whole, _) = decode(&dir.write("whole", &cut(&bytes, data, blocks * block)), &Options::default())
            .expect(&what);
        let (half, sink) =
            decode(&dir.write("half", &cut(&bytes, data, blocks * block + block / 2)), &Options::default())
                .expect(&what);
        let per_block = whole.frames / blocks as u64;
        let added = half.frames - whole.frames;
        assert!(!half.partial, "{what}");
        assert!(added.abs_diff(per_block / 2) <= 16, "{what}: {added} of {per_block} samples");
        let (_, full) =
            decode(&dir.write("full", &cut(&bytes, data, (blocks + 1) * block)), &Options::default())
                .expect(&what);
        assert_eq!(sink.samples, full.samples[..sink.samples.len()], "{what}");
    }
}

/// The file with `len` bytes of samples and correct sizes.
fn cut(bytes: &[u8], data: usize, len: usize) -> Vec<u8> {
    let mut head = bytes[..data + 8].to_vec();
    let size = |len: usize| u32::try_from(len).expect("a small file").to_le_bytes();
    head[data + 4..data + 8].copy_from_slice(&size(len));
    head[4..8].copy_from_slice(&size(data + len));
    head.extend(&bytes[data + 8..data + 8 + len]);
    head
}

#[test]
fn a_wav_behind_an_id3_tag_is_read() {
    let dir = TestDir::new();
    let bytes =
        [b"ID3\x04\0\0\0\0\0\x40".to_vec(), vec![0; 64], Wav::pcm16(1, 8_000, &side()).bytes()].concat();
    let prepared = dir.prepare(&dir.write("in", &bytes), &Options::default()).expect("a WAV");
    assert_eq!((prepared.duration_ms, prepared.partial, prepared.passthrough), (10_000, false, false));
}

#[test]
fn a_codec_that_nobody_decodes_is_named_with_and_without_ffmpeg() {
    for tag in [0x1234, 0x0133] {
        let dir = TestDir::new();
        let mut wav = Wav::new(tag, 1, 8_000, 0, vec![0x55; 10_000]);
        wav.extension = vec![0, 0];
        let input = dir.write("in", &wav.bytes());
        for options in [Options::default(), with_ffmpeg()] {
            let error = dir.prepare(&input, &options).expect_err("no decoder");
            assert_eq!(error.code(), "unsupported_codec", "{error}");
            assert!(error.to_string().contains(&format!("0x{tag:04x}")), "{error}");
        }
    }
}

#[test]
fn a_nist_sphere_file_is_read() {
    let dir = TestDir::new();
    let fields = "NIST_1A\n   1024\nchannel_count -i 1\nsample_rate -i 8000\nsample_n_bytes -i 2\n\
        sample_byte_format -s2 01\nsample_coding -s3 pcm\nsample_count -i 80000\nend_head\n";
    let mut bytes = fields.as_bytes().to_vec();
    bytes.resize(1024, b' ');
    bytes.extend(side().iter().flat_map(|sample| sample.to_le_bytes()));
    let prepared = dir.prepare(&dir.write("in", &bytes), &with_ffmpeg()).expect("SPHERE");
    assert_eq!((prepared.input, prepared.duration_ms), (Kind::Sphere, 10_000));
}

/// Video players and Skeleton put another stream first.
#[test]
fn an_ogg_whose_first_stream_is_not_the_sound_is_read() {
    let dir = TestDir::new();
    let sound = dir.path("sound.ogg");
    convert(&fixture("support-stereo-pcm.wav"), "-t 5 -ac 1 -c:a libvorbis", &sound);
    let sound = std::fs::read(sound).expect("the file");
    // The first page of a Skeleton stream (fishead): one packet of 64 bytes, with the checksum of RFC 3533.
    let mut page = b"OggS\0\x02".to_vec();
    page.extend([0; 8]);
    page.extend(*b"skel");
    page.extend([0; 8]);
    page.extend([1, 64]);
    page.extend(*b"fishead\0\x03\0\0\0");
    page.resize(28 + 64, 0);
    let sum = page.iter().fold(0_u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| {
            if sum >> 31 == 0 { sum << 1 } else { sum << 1 ^ 0x04c1_1db7 }
        })
    });
    page[22..26].copy_from_slice(&sum.to_le_bytes());
    let bytes = [page, sound].concat();
    assert_eq!(sniff(&bytes), Some(Kind::OggVorbis));
    let prepared = dir.prepare(&dir.write("in", &bytes), &with_ffmpeg()).expect("an Ogg");
    assert_eq!(prepared.decoder, Decoder::Ffmpeg);
    assert!(prepared.duration_ms.abs_diff(5_000) <= 100, "{} ms", prepared.duration_ms);
}

/// Noise and pages are no recordings, however many formats there are.
#[test]
fn foreign_files_are_still_refused() {
    let dir = TestDir::new();
    let noise: Vec<u8> =
        crate::kit::noise(200_000, i16::MAX).iter().flat_map(|it| it.to_le_bytes()).collect();
    for bytes in [noise, vec![0x47; 10_000], b"RIFF\0\0\0\0ACON".repeat(100), b"OggS".repeat(1_000)] {
        let refused = dir.prepare(&dir.write("in", &bytes), &with_ffmpeg());
        assert!(
            matches!(refused, Err(AudioError::NotAudio { .. } | AudioError::Damaged { .. })),
            "{:02x?}: {refused:?}",
            &bytes[..8]
        );
    }
}
