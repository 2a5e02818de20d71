//! A mail server: takes letters over SMTP and keeps them.
//!
//! Sources: RFC 5321 (commands, order, line ends, dot-stuffing), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 5322 (required
//! fields), RFC 2034 (enhanced codes). Stricter than many servers: bare line feeds, long lines, 8-bit content and letters
//! without the required fields are refused.
//!
//! It speaks SMTP only, so the common control is used in the same process: its clock, and [`Smtp::fail`] for failures.

mod inbox;
mod letter;
mod session;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::lock::locked;
use crate::server::{self, Running};
pub use inbox::start_inbox;
pub use letter::Letter;

/// Options of the simulator.
#[derive(Clone, Default)]
pub struct Options {
    /// Listen address; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// User and password that are required; `None`: everybody may send.
    pub login: Option<(String, String)>,
    /// Certificate and key, and whether the connection is encrypted from the first byte instead of by STARTTLS.
    pub tls: Option<(TlsAcceptor, bool)>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("bind", &self.bind).finish_non_exhaustive()
    }
}

/// A step of the dialogue at which something fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the client has sent anything.
    Greeting,
    /// `MAIL`.
    Sender,
    /// `RCPT`.
    Recipient,
    /// Before the content.
    Data,
    /// The end of the content.
    Content,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This answer: `450 4.2.1 try later`.
    Answer(String),
    /// The connection is closed.
    Cut,
    /// At [`Moment::Content`]: the letter is kept, then the connection is closed instead of an answer.
    KeepAndCut,
}

/// The simulator. Clones share its state.
#[derive(Debug, Clone)]
pub struct Smtp(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    control: Control,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    letters: Vec<Letter>,
    faults: VecDeque<(Moment, Fault)>,
    connections: usize,
}

impl Smtp {
    /// Letters that were taken, oldest first.
    pub fn letters(&self) -> Vec<Letter> {
        locked(&self.0.state).letters.clone()
    }

    /// Letters from this place on, oldest first.
    pub fn letters_from(&self, index: usize) -> Vec<Letter> {
        locked(&self.0.state).letters.iter().skip(index).cloned().collect()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        locked(&self.0.state).connections
    }

    /// The next dialogue that reaches `moment` fails there. Several failures happen in the order of their calls.
    pub fn fail(&self, moment: Moment, fault: Fault) {
        locked(&self.0.state).faults.push_back((moment, fault));
    }

    /// Takes the first failure, if it is one of this moment.
    fn take_fault(&self, moment: Moment) -> Option<Fault> {
        let mut state = locked(&self.0.state);
        let is_now = state.faults.front().is_some_and(|(at, _)| *at == moment);
        if is_now { state.faults.pop_front().map(|(_, fault)| fault) } else { None }
    }

    fn keep(&self, letter: Letter) {
        locked(&self.0.state).letters.push(letter);
    }
}

/// Starts the simulator. Its URL begins with `smtp://` or `smtps://`.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(options: Options, control: Control) -> anyhow::Result<Running<Smtp>> {
    let listener = server::bind(options.bind).await.context("the mail server cannot listen")?;
    let addr = listener.local_addr()?;
    let scheme = match &options.tls {
        Some((_, true)) => "smtps",
        _ => "smtp",
    };
    let smtp = Smtp(Arc::new(Inner { options, control: control.clone(), state: Mutex::default() }));
    let stop = CancellationToken::new();
    let (stopping, serving) = (stop.clone(), smtp.clone());
    let task = tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopping.cancelled() => return,
            };
            let Ok((stream, _)) = accepted else { continue };
            locked(&serving.0.state).connections += 1;
            let (smtp, stopping) = (serving.clone(), stopping.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = session::serve(smtp, stream) => {}
                    () = stopping.cancelled() => {}
                }
            });
        }
    });
    let mut running = Running::new(addr, smtp, control, stop, task);
    running.url = format!("{scheme}://{addr}");
    Ok(running)
}
