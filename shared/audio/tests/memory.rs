//! Memory is independent of the length of a recording. A separate test program, because it measures its whole process.

#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a test fails by panicking, also in its helpers")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use flysk_audio::{Container, Layout, Options};

const SECONDS_PER_MINUTE: u64 = 60;
const SECONDS_PER_HOUR: u64 = 60 * SECONDS_PER_MINUTE;
/// Maximum memory of the process for a four-hour call, in KiB.
const MAX_RSS_KIB: u64 = 64 * 1024;

/// Peak resident memory of this process, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process's own status");
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number of KiB")
}

/// A µ-law WAV of one channel at 8 kHz. The file is sparse, so the samples take no space on disk.
fn write_mulaw(path: &Path, seconds: u64) {
    let len = u32::try_from(seconds * 8_000).expect("below 4 GiB");
    let mut header = b"RIFF".to_vec();
    header.extend((len + 38).to_le_bytes());
    header.extend(b"WAVEfmt \x12\0\0\0\x07\0\x01\0");
    header.extend(8_000_u32.to_le_bytes());
    header.extend(8_000_u32.to_le_bytes());
    header.extend(b"\x01\0\x08\0\0\0data");
    header.extend(len.to_le_bytes());
    let mut file = File::create(path).expect("a test file");
    file.write_all(&header).expect("its header");
    file.set_len(header.len() as u64 + u64::from(len)).expect("its length");
}

#[test]
fn four_hours_need_at_most_8_mib_more_than_ten_minutes() {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let mut peaks = Vec::new();
    for seconds in [10 * SECONDS_PER_MINUTE, 4 * SECONDS_PER_HOUR] {
        write_mulaw(&input, seconds);
        let prepared = flysk_audio::prepare(&input, &output, &Options::default()).expect("µ-law");
        assert_eq!((prepared.container, prepared.layout), (Container::Wav, Layout::Mono));
        assert_eq!(prepared.duration_ms, seconds * 1000);
        peaks.push(peak_kib());
    }
    assert!(peaks[1] < MAX_RSS_KIB, "{} KiB for four hours", peaks[1]);
    // One byte per 20 ms, and the growth of their vector.
    assert!(peaks[1] - peaks[0] < 8 * 1024, "{} KiB more than for ten minutes", peaks[1] - peaks[0]);
}
