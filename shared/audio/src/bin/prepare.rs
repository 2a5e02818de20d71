//! Prepares one recording and prints the result, for benchmarks, tests and manual checks: `flysk-prepare IN OUT`,
//! `flysk-prepare --isolated IN OUT` to use a child process with resource limits as workers do,
//! `flysk-prepare --decode IN` to decode only, or `flysk-prepare --bare IN` to run only the decoder of symphonia: the least CPU
//! time that decoding with it can take.

#![expect(clippy::print_stdout, reason = "a command-line tool prints to its terminal")]

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use flysk_audio::{AudioError, Decoder, Ffmpeg, Isolation, Options, PcmFormat, PcmSink, Prepared, Program};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

/// Directories where distributions install `ffmpeg`. This tool has no configuration.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// Command of the child process.
const DECODE_COMMAND: &str = "audio:decode";
/// Memory limit of the child process, in bytes.
const MAX_MEMORY_BYTES: u64 = 768 << 20;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if arguments.first().is_some_and(|first| first == DECODE_COMMAND) {
        return flysk_audio::serve_isolated(arguments.into_iter().skip(1));
    }
    let options = Options { ffmpeg: Ffmpeg::find(SEARCH_PATH), ..Options::default() };
    let paths: Vec<&Path> = arguments.iter().map(Path::new).collect();
    let result = match paths.as_slice() {
        [option, input] if option.as_os_str() == "--decode" => decode(input, &options),
        [option, input] if option.as_os_str() == "--bare" => bare(input),
        [option, input, output] if option.as_os_str() == "--isolated" => isolated(input, output, &options),
        [input, output] => flysk_audio::prepare(input, output, &options).map(|it| print(&it)),
        _ => {
            println!("usage: flysk-prepare [--isolated] IN OUT | flysk-prepare --decode|--bare IN");
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

fn isolated(input: &Path, output: &Path, options: &Options) -> Result<(), AudioError> {
    let program = Program { path: std::env::current_exe()?, args: vec![DECODE_COMMAND.to_owned()] };
    let isolation = Isolation { program, max_memory_bytes: MAX_MEMORY_BYTES };
    flysk_audio::prepare_isolated(input, output, options, &isolation).map(|it| print(&it))
}

fn print(it: &Prepared) {
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

/// Decodes every packet and drops its samples.
fn bare(input: &Path) -> Result<(), AudioError> {
    let frames = bare_frames(File::open(input)?).map_err(|error| match error {
        Error::IoError(error) => AudioError::Io(error),
        error => AudioError::UnsupportedCodec { what: error.to_string() },
    })?;
    println!("{{\"frames\":{frames}}}");
    Ok(())
}

/// Samples per channel that the decoder of symphonia finds.
fn bare_frames(input: File) -> Result<u64, Error> {
    let stream = MediaSourceStream::new(Box::new(input), MediaSourceStreamOptions::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut reader = symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata)?;
    let track = reader.default_track(TrackType::Audio).ok_or(Error::Unsupported("no audio track"))?;
    let params = track.codec_params.as_ref().and_then(|it| it.audio());
    let params = params.ok_or(Error::Unsupported("unknown codec"))?;
    let mut decoder =
        symphonia::default::get_codecs().make_audio_decoder(params, &AudioDecoderOptions::default())?;
    let (id, mut frames) = (track.id, 0);
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => return Ok(frames),
            // A live stream of WebM has no other end.
            Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => return Ok(frames),
            Err(error) => return Err(error),
        };
        if packet.track_id == id {
            match decoder.decode(&packet) {
                Ok(samples) => frames += samples.frames() as u64,
                Err(Error::DecodeError(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
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
