//! The index page of a simulator, `GET /_sim/`: what can be done with it.

use poem::endpoint::make_sync;
use poem::{IntoResponse as _, RouteMethod, get};

/// Control of every simulator.
const COMMON: &str = r#"
## Every simulator

GET    /_sim/log      received requests with their answers; DELETE clears them
GET    /_sim/scripts  scripted failures; DELETE removes them
POST   /_sim/scripts  {"path": "/api/v4/account", "times": 2, "act": {"do": "answer", "status": 500}}
                      "do" is serve, answer, hang, cut, serve_then_cut or serve_then_hang
GET    /_sim/clock    the simulator's time
PUT    /_sim/clock    {"advance_ms": 60000} or {"now": "2026-12-01T00:00:00Z"}

Requests under /_sim are neither logged nor scripted. Bodies are JSON with Content-Type: application/json. The answer to an
unknown or missing field names it.
"#;

/// The page with a simulator's own `guide`, as plain text.
pub(crate) fn index(guide: &'static str) -> RouteMethod {
    get(make_sync(move |_| format!("{guide}{COMMON}").with_content_type("text/plain; charset=utf-8")))
}
