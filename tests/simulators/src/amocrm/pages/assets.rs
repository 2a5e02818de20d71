//! Files of the pages themselves, embedded. Third-party files and their licences: `assets/vendor/LICENSES.md`.

use poem::http::StatusCode;
use poem::web::Path;
use poem::{IntoResponse as _, Response, handler};

const JS: &str = "text/javascript; charset=utf-8";

const FILES: [(&str, &str, &str); 12] = [
    ("main.js", JS, include_str!("assets/main.js")),
    ("app.js", JS, include_str!("assets/app.js")),
    ("feed.js", JS, include_str!("assets/feed.js")),
    ("feed_note.js", JS, include_str!("assets/feed_note.js")),
    ("modal.js", JS, include_str!("assets/modal.js")),
    ("notifications.js", JS, include_str!("assets/notifications.js")),
    ("settings.js", JS, include_str!("assets/settings.js")),
    ("socket.js", JS, include_str!("assets/socket.js")),
    ("widgets.js", JS, include_str!("assets/widgets.js")),
    ("page.css", "text/css; charset=utf-8", include_str!("assets/page.css")),
    ("vendor/require.js", JS, include_str!("assets/vendor/require.js")),
    ("vendor/jquery.js", JS, include_str!("assets/vendor/jquery.js")),
];

/// Serves a file by its name below `/frontend/`.
#[handler]
pub(super) fn serve(Path(file): Path<String>) -> Response {
    match FILES.iter().find(|(name, ..)| *name == file) {
        Some((_, content_type, text)) => (*text).with_content_type(*content_type).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
