//! Of which type a recording is passed on: told by its first bytes where they are at hand, never one that a browser runs.

use bytes::Bytes;
use flysk_clients::outbound::FileStream;
use flysk_domain::flysense::media_type::{Beginning, HEAD_LEN, tell};
use futures::StreamExt as _;
use futures::stream;

use crate::problem::{Problem, ProblemCode};

/// What nobody knows better.
const BYTES: &str = "application/octet-stream";

/// Whether the stream begins where the file does.
pub(super) fn has_beginning(stream: &FileStream) -> bool {
    match stream.status {
        200 => true,
        206 => stream.content_range.as_deref().is_some_and(|range| range.trim().starts_with("bytes 0-")),
        _ => false,
    }
}

/// Reads the beginning of the file off the stream, which goes on to give it.
pub(super) async fn read_beginning(stream: &mut FileStream) -> Beginning {
    let mut head: Vec<u8> = Vec::new();
    let mut read: Vec<std::io::Result<Bytes>> = Vec::new();
    while head.len() < HEAD_LEN {
        let Some(piece) = stream.body.next().await else { break };
        let is_over = piece.is_err();
        head.extend(piece.iter().flatten());
        read.push(piece);
        if is_over {
            break;
        }
    }
    let rest = std::mem::replace(&mut stream.body, stream::empty().boxed());
    stream.body = stream::iter(read).chain(rest).boxed();
    tell(&head)
}

/// The type to pass on. A real page or document is no recording, whatever its host says.
pub(super) fn media_type(told: Option<&str>, beginning: Beginning) -> Result<String, Problem> {
    match (beginning, safe_type(told)) {
        (Beginning::Document, _) => {
            let why = "its host answers with a page, perhaps to log in";
            Err(Problem::new(ProblemCode::RecordingUnavailable, why))
        }
        (_, Some(told)) => Ok(told),
        (Beginning::Sound(media_type), None) => Ok(media_type.to_owned()),
        (Beginning::Unknown, None) => Ok(BYTES.to_owned()),
    }
}

/// What the host says, if it is a type of sound that no browser runs.
pub(super) fn safe_type(told: Option<&str>) -> Option<String> {
    let told = told?.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_plain = told.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.+-".contains(&byte));
    let is_sound =
        told.starts_with("audio/") || matches!(told.as_str(), "video/webm" | "video/mp4" | "application/ogg");
    (is_sound && is_plain).then_some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(told: Option<&str>, beginning: Beginning) -> Result<String, Problem> {
        media_type(told, beginning)
    }

    #[test]
    fn only_types_that_no_browser_runs_are_passed_on() {
        assert_eq!(of(Some("Audio/MPEG; charset=x"), Beginning::Unknown).unwrap(), "audio/mpeg");
        assert_eq!(of(Some("video/webm"), Beginning::Unknown).unwrap(), "video/webm");
        for told in
            [None, Some("image/svg+xml"), Some("text/plain"), Some("text/html"), Some("audio/<script>")]
        {
            assert_eq!(of(told, Beginning::Unknown).unwrap(), BYTES, "{told:?}");
            assert_eq!(of(told, Beginning::Sound("audio/wav")).unwrap(), "audio/wav", "{told:?}");
        }
    }

    #[test]
    fn a_page_is_refused_whatever_it_is_called() {
        for told in [None, Some("text/html; charset=utf-8"), Some("audio/mpeg")] {
            assert!(of(told, Beginning::Document).is_err(), "{told:?}");
        }
    }
}
