//! Styles and scripts, embedded in the program. Their URLs carry a hash, so that browsers may keep them.

use std::sync::LazyLock;

use poem::Response;
use poem::http::header;
use sha2::{Digest as _, Sha256};

use crate::http::respond::with_headers;
use crate::http::{Fault, Guest};

/// Name, content type and contents of each file. htmx is the npm package `htmx.org` 2.0.11, unchanged.
const FILES: [(&str, &str, &str); 4] = [
    ("style.css", "text/css; charset=utf-8", include_str!("../assets/style.css")),
    ("panel.js", "text/javascript; charset=utf-8", include_str!("../assets/panel.js")),
    ("passkeys.js", "text/javascript; charset=utf-8", include_str!("../assets/passkeys.js")),
    ("htmx.js", "text/javascript; charset=utf-8", include_str!("../assets/htmx-2.0.11.min.js")),
];

/// Number of characters of the hash in URLs.
const VERSION_LEN: usize = 12;

/// Hash over all files.
pub(crate) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut hash = Sha256::new();
        for (_, _, contents) in FILES {
            hash.update(contents.as_bytes());
        }
        hex::encode(hash.finalize()).chars().take(VERSION_LEN).collect()
    });
    &VERSION
}

/// `GET /assets/:id`.
pub(crate) async fn serve(guest: Guest) -> Result<Response, Fault> {
    let name: String = guest.request.id()?;
    let file = FILES.iter().find(|(known, _, _)| *known == name).ok_or(Fault::NotFound)?;
    let mut response = with_headers(Response::builder().content_type(file.1).body(file.2));
    let kept = poem::http::HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, kept);
    std::future::ready(Ok(response)).await
}
