//! Prepares one recording and prints what was found, for benchmarks and a quick look:
//! `prepare IN OUT`, or `prepare --decode IN` to decode only.

#![expect(clippy::print_stdout, reason = "a command-line example talks to its terminal")]

use std::path::Path;
use std::process::ExitCode;

use flysk_audio::{AudioError, Decoder, Ffmpeg, Options, PcmFormat, PcmSink};

/// Where distributions install `ffmpeg`; an example takes no configuration.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = Options { ffmpeg: Ffmpeg::find(SEARCH_PATH), ..Options::default() };
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--decode", input] => decode(Path::new(input), &options),
        [input, output] => prepare(Path::new(input), Path::new(output), &options),
        _ => {
            println!("usage: prepare IN OUT | prepare --decode IN");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{{\"error\":{:?},\"detail\":{:?}}}", error.code(), error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn prepare(input: &Path, output: &Path, options: &Options) -> Result<(), AudioError> {
    let it = flysk_audio::prepare(input, output, options)?;
    let speech: Vec<_> = it
        .speech
        .iter()
        .map(|channel| {
            let segments: Vec<_> = channel.segments.iter().map(|it| [it.start_ms, it.end_ms]).collect();
            format!(
                "{{\"speech_ms\":{},\"tone_ms\":{},\"segments\":{segments:?}}}",
                channel.speech_ms, channel.tone_ms
            )
        })
        .collect();
    println!(
        "{{\"input\":{:?},\"decoder\":\"{:?}\",\"passthrough\":{},\"container\":\"{:?}\",\"bytes\":{},\
         \"duration_ms\":{},\"channels\":{},\"sample_rate\":{},\"layout\":\"{:?}\",\"partial\":{},\
         \"has_speech\":{},\"speech\":[{}]}}",
        it.input.name(),
        it.decoder,
        it.passthrough,
        it.container,
        it.bytes,
        it.duration_ms,
        it.channels,
        it.sample_rate,
        it.layout,
        it.partial,
        it.has_speech(),
        speech.join(","),
    );
    Ok(())
}

fn decode(input: &Path, options: &Options) -> Result<(), AudioError> {
    let decoded = flysk_audio::decode(input, options, &mut Discard)?;
    println!(
        "{{\"input\":{:?},\"frames\":{},\"duration_ms\":{},\"partial\":{}}}",
        decoded.kind.name(),
        decoded.frames,
        decoded.duration_ms,
        decoded.partial,
    );
    Ok(())
}

struct Discard;

impl PcmSink for Discard {
    fn start(&mut self, _: PcmFormat, _: Decoder) -> Result<(), AudioError> {
        Ok(())
    }

    fn block(&mut self, _: &[f32]) -> Result<(), AudioError> {
        Ok(())
    }
}
