//! Media type of a streamed recording: the declared type if it is safe, otherwise detected from the first bytes. It is never a
//! type that a browser would execute.

use bytes::Bytes;
use flysk_clients::outbound::FileStream;
use flysk_domain::flysense::media_type::{Beginning, HEAD_LEN, tell};
use futures::StreamExt as _;
use futures::stream;

use crate::problem::{Problem, ProblemCode};

/// Media type if nothing is declared or detected.
const DEFAULT_MEDIA_TYPE: &str = "application/octet-stream";

/// Whether the stream starts at the beginning of the file.
pub(super) fn has_beginning(stream: &FileStream) -> bool {
    match stream.status {
        200 => true,
        206 => stream.content_range.as_deref().is_some_and(|range| range.trim().starts_with("bytes 0-")),
        _ => false,
    }
}

/// Detects the content type from the beginning of the stream. The stream still returns these bytes.
pub(super) async fn read_beginning(stream: &mut FileStream) -> Beginning {
    tell(&read_head(stream).await)
}

/// Reads at most [`HEAD_LEN`] bytes, or a little more. The stream still returns these bytes.
pub(super) async fn read_head(stream: &mut FileStream) -> Vec<u8> {
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
    head
}

/// The media type for the response. Fails if the content is a page or document, whatever the declared type is.
pub(super) fn media_type(declared: Option<&str>, beginning: Beginning) -> Result<String, Problem> {
    match (beginning, safe_type(declared)) {
        (Beginning::Document, _) => {
            let why = "the recording's host returned an HTML page, possibly a login page";
            Err(Problem::new(ProblemCode::RecordingUnavailable, why))
        }
        (_, Some(declared)) => Ok(declared),
        (Beginning::Sound(media_type), None) => Ok(media_type.to_owned()),
        (Beginning::Unknown, None) => Ok(DEFAULT_MEDIA_TYPE.to_owned()),
    }
}

/// The declared type, if it is an audio type that a browser does not execute.
pub(super) fn safe_type(declared: Option<&str>) -> Option<String> {
    let declared = declared?.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_plain = declared.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.+-".contains(&byte));
    let is_sound = declared.starts_with("audio/")
        || matches!(declared.as_str(), "video/webm" | "video/mp4" | "application/ogg");
    (is_sound && is_plain).then_some(declared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media_type_of(declared: Option<&str>, beginning: Beginning) -> Result<String, Problem> {
        media_type(declared, beginning)
    }

    #[test]
    fn only_types_that_no_browser_runs_are_passed_on() {
        assert_eq!(media_type_of(Some("Audio/MPEG; charset=x"), Beginning::Unknown).unwrap(), "audio/mpeg");
        assert_eq!(media_type_of(Some("video/webm"), Beginning::Unknown).unwrap(), "video/webm");
        for declared in
            [None, Some("image/svg+xml"), Some("text/plain"), Some("text/html"), Some("audio/<script>")]
        {
            assert_eq!(
                media_type_of(declared, Beginning::Unknown).unwrap(),
                DEFAULT_MEDIA_TYPE,
                "{declared:?}"
            );
            assert_eq!(
                media_type_of(declared, Beginning::Sound("audio/wav")).unwrap(),
                "audio/wav",
                "{declared:?}"
            );
        }
    }

    #[test]
    fn a_page_is_refused_whatever_it_is_called() {
        for declared in [None, Some("text/html; charset=utf-8"), Some("audio/mpeg")] {
            assert!(media_type_of(declared, Beginning::Document).is_err(), "{declared:?}");
        }
    }
}
