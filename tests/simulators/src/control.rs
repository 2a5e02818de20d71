//! Test control of every simulator: call log, scripted failures and clock.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::bulk::Bulk;
use crate::clock::SimClock;
use crate::lock::locked;

/// Maximum size of the log, in calls; older ones are dropped.
pub const LOG_LIMIT: usize = 20_000;

/// Maximum size of a logged request body, bytes.
pub const LOGGED_BODY_LIMIT: usize = 64 * 1024;

/// A request to a simulator, as in `/_sim/log`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// Sequence number of the call within this simulator.
    pub seq: u64,
    /// Arrival time, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// HTTP method, upper case.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query as it was sent, without `?`.
    pub query: String,
    /// Headers in order of arrival; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body as text, cut at [`LOGGED_BODY_LIMIT`]; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// Response status; `None` if there was no response (in progress, hung, or cut).
    pub status: Option<u16>,
}

impl Call {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Action on a request that matches a [`Script`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// Serves the request normally (useful with a delay).
    Serve,
    /// Returns this response without reaching the simulator.
    Answer {
        /// HTTP status.
        status: u16,
        /// Response headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Response body.
        #[serde(default)]
        body: String,
    },
    /// Never responds; the simulator does not process the request.
    Hang,
    /// Closes the connection without a response; the simulator does not process the request.
    Cut,
    /// Processes the request, then closes the connection before the response.
    ServeThenCut,
    /// Processes the request, but never responds.
    ServeThenHang,
    /// Reads the body without storing it, whatever its length; the response contains its size in bytes.
    Drain,
    /// Never reads the body and never responds.
    Ignore,
    /// Responds with a body of this size, as fast as the client reads it.
    Flood {
        /// Size, bytes.
        bytes: u64,
    },
}

impl Act {
    /// Whether the action streams bodies of any length, which therefore are not buffered.
    pub(crate) fn is_bulk(&self) -> bool {
        matches!(self, Self::Drain | Self::Ignore | Self::Flood { .. })
    }
}

/// A scripted failure: which requests, how many of them, and the action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Method; any if `None`.
    #[serde(default)]
    pub method: Option<String>,
    /// Path; a trailing `*` matches any suffix.
    pub path: String,
    /// Number of matching requests to let pass first.
    #[serde(default)]
    pub skip: u32,
    /// Number of requests to act on after that.
    #[serde(default = "once")]
    pub times: u32,
    /// Delay before the action, ms of real time.
    #[serde(default)]
    pub delay_ms: u64,
    /// Each request waits for [`Control::release`] before the action. For tests in the same process.
    #[serde(skip)]
    pub is_held: bool,
    /// Action.
    pub act: Act,
}

fn once() -> u32 {
    1
}

impl Script {
    /// A script for the next request to `path`.
    pub fn next(path: impl Into<String>, act: Act) -> Self {
        Self { method: None, path: path.into(), skip: 0, times: 1, delay_ms: 0, is_held: false, act }
    }

    /// The same script for `times` requests.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// The same script with a delay, in ms of real time.
    #[must_use]
    pub fn delayed(self, delay_ms: u64) -> Self {
        Self { delay_ms, ..self }
    }

    /// The same script, whose requests wait for [`Control::release`]: a test decides what happens before the action, and no
    /// delay has to be long enough for it.
    #[must_use]
    pub fn held(self) -> Self {
        Self { is_held: true, ..self }
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && match self.path.strip_suffix('*') {
                Some(prefix) => path.starts_with(prefix),
                None => path == self.path,
            }
    }
}

/// What a script does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAct {
    /// The action, after the pause.
    pub act: Act,
    delay_ms: u64,
    is_held: bool,
}

/// Test control of a simulator. Clones share its state.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    clock: SimClock,
    seq: AtomicU64,
    calls: Mutex<VecDeque<Call>>,
    scripts: Mutex<Vec<Script>>,
    releases: Notify,
    bulk: Bulk,
}

impl Control {
    /// A control with this clock, which several simulators can share.
    pub fn with_clock(clock: SimClock) -> Self {
        Self(Arc::new(Inner { clock, ..Inner::default() }))
    }

    /// The simulator's clock.
    pub fn clock(&self) -> &SimClock {
        &self.0.clock
    }

    /// Adds a script. The oldest matching script is used first.
    pub fn script(&self, script: Script) {
        locked(&self.0.scripts).push(script);
    }

    /// Removes all scripts.
    pub fn clear_scripts(&self) {
        locked(&self.0.scripts).clear();
    }

    /// Scripts that have not been used up.
    pub fn scripts(&self) -> Vec<Script> {
        locked(&self.0.scripts).clone()
    }

    /// Counters of [`Act::Drain`], [`Act::Ignore`] and [`Act::Flood`].
    pub fn bulk(&self) -> &Bulk {
        &self.0.bulk
    }

    /// The call log, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        locked(&self.0.calls).iter().cloned().collect()
    }

    /// Calls from the sequence number `seq` on, oldest first.
    pub fn calls_since(&self, seq: u64) -> Vec<Call> {
        let calls = locked(&self.0.calls);
        let newer = calls.iter().rev().take_while(|call| call.seq >= seq).count();
        calls.iter().skip(calls.len() - newer).cloned().collect()
    }

    /// Sequence number of the next call: the number of calls so far, whether or not the log still has them.
    pub fn next_seq(&self) -> u64 {
        self.0.seq.load(Ordering::SeqCst)
    }

    /// Calls of `method` to `path` (a trailing `*` matches any suffix), oldest first.
    pub fn calls_to(&self, method: &str, path: &str) -> Vec<Call> {
        let like = Script { method: Some(method.to_owned()), ..Script::next(path, Act::Serve) };
        locked(&self.0.calls).iter().filter(|call| like.matches(&call.method, &call.path)).cloned().collect()
    }

    /// Empties the call log.
    pub fn clear_calls(&self) {
        locked(&self.0.calls).clear();
    }

    /// Logs a request; returns its sequence number.
    pub fn record(&self, method: &http::Method, uri: &http::Uri, headers: &HeaderMap, body: &Bytes) -> u64 {
        let seq = self.0.seq.fetch_add(1, Ordering::SeqCst);
        let shown = &body[..body.len().min(LOGGED_BODY_LIMIT)];
        let call = Call {
            seq,
            at: self.0.clock.now(),
            method: method.to_string(),
            path: uri.path().to_owned(),
            query: uri.query().unwrap_or_default().to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect(),
            body: String::from_utf8_lossy(shown).into_owned(),
            status: None,
        };
        let mut calls = locked(&self.0.calls);
        if calls.len() == LOG_LIMIT {
            calls.pop_front();
        }
        calls.push_back(call);
        seq
    }

    /// Adds the response status to a logged request.
    pub fn record_status(&self, seq: u64, status: u16) {
        if let Some(call) = locked(&self.0.calls).iter_mut().rev().find(|call| call.seq == seq) {
            call.status = Some(status);
        }
    }

    /// Lets one request of a [`Script::held`] continue, or the next one that will be held.
    pub fn release(&self) {
        self.0.releases.notify_one();
    }

    /// The pause before an action.
    pub async fn pause_before(&self, planned: &PlannedAct) {
        // Without a pause, a request is processed as soon as it is in the log, whatever its client does then.
        if planned.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(planned.delay_ms)).await;
        }
        if planned.is_held {
            self.0.releases.notified().await;
        }
    }

    /// The scripted action for a request. Uses up one of the script's `times`.
    pub fn next_act(&self, method: &str, path: &str) -> Option<PlannedAct> {
        let mut scripts = locked(&self.0.scripts);
        let mut caught = None;
        for script in scripts.iter_mut().filter(|script| script.matches(method, path)) {
            if script.skip > 0 {
                script.skip -= 1;
            } else if script.times > 0 {
                script.times -= 1;
                let Script { act, delay_ms, is_held, .. } = script.clone();
                caught = Some(PlannedAct { act, delay_ms, is_held });
                break;
            }
        }
        scripts.retain(|script| script.times > 0);
        caught
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_skips_acts_and_ends() {
        let control = Control::default();
        control.script(Script { skip: 1, ..Script::next("/a/*", Act::Hang).times(2) });
        let caught: Vec<bool> = (0..4).map(|_| control.next_act("GET", "/a/b").is_some()).collect();
        assert_eq!(caught, [false, true, true, false]);
        assert!(control.scripts().is_empty());
    }

    #[test]
    fn a_script_ignores_other_methods_and_paths() {
        let control = Control::default();
        control.script(Script { method: Some("post".into()), ..Script::next("/a", Act::Cut) });
        assert_eq!(control.next_act("GET", "/a"), None);
        assert_eq!(control.next_act("POST", "/a/b"), None);
        assert_eq!(control.next_act("POST", "/a").map(|planned| planned.act), Some(Act::Cut));
    }

    #[test]
    fn a_misspelled_script_is_refused() {
        let script = r#"{"path": "/", "act": {"do": "hang"}, "tims": 3}"#;
        assert!(serde_json::from_str::<Script>(script).is_err());
    }
}
