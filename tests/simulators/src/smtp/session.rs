//! One connection: the dialogue of SMTP.

use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flysk_domain::Clock as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::{Fault, Letter, Moment, Smtp};

/// Longest line, with its end. Source: RFC 5321, 4.5.3.1.6 (text line).
const MAX_LINE: usize = 1_000;
/// Largest letter.
const MAX_LETTER: usize = 1 << 20;

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

/// Serves a connection until it ends.
pub(super) async fn serve(smtp: Smtp, stream: TcpStream) {
    let implicit = smtp.0.options.tls.clone().filter(|(_, implicit)| *implicit);
    let stream: Pin<Box<dyn Stream>> = match implicit {
        None => Box::pin(stream),
        Some((acceptor, _)) => match acceptor.accept(stream).await {
            Ok(stream) => Box::pin(stream),
            Err(_) => return,
        },
    };
    let encrypted = matches!(smtp.0.options.tls, Some((_, true)));
    let session =
        Session { smtp, stream: BufReader::new(stream), encrypted, greeted: false, authenticated: false };
    // A connection that breaks ends.
    let _ = session.run().await;
}

/// Why a session ends.
struct Ended;

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

struct Session {
    smtp: Smtp,
    stream: BufReader<Pin<Box<dyn Stream>>>,
    encrypted: bool,
    greeted: bool,
    authenticated: bool,
}

/// A letter in progress.
#[derive(Default)]
struct Envelope {
    sender: Option<String>,
    recipients: Vec<String>,
}

impl Session {
    async fn run(mut self) -> Result<(), Ended> {
        self.answer_at(Moment::Greeting, "220 sim.example ESMTP").await?;
        let mut envelope = Envelope::default();
        loop {
            let line = self.line().await?;
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" if !rest.trim().is_empty() => {
                    self.greeted = true;
                    envelope = Envelope::default();
                    self.say_extensions().await?;
                }
                "STARTTLS" => {
                    self = self.start_tls().await?;
                    envelope = Envelope::default();
                }
                "AUTH" => self.authenticate(rest).await?,
                "MAIL" => self.mail(rest, &mut envelope).await?,
                "RCPT" => self.recipient(rest, &mut envelope).await?,
                "DATA" => self.data(&mut envelope).await?,
                "RSET" => {
                    envelope = Envelope::default();
                    self.say("250 2.0.0 reset").await?;
                }
                "NOOP" => self.say("250 2.0.0 nothing done").await?,
                "QUIT" => return self.say("221 2.0.0 bye").await,
                _ => self.say("500 5.5.2 unknown command").await?,
            }
        }
    }

    async fn say(&mut self, line: &str) -> Result<(), Ended> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        Ok(self.stream.get_mut().flush().await?)
    }

    /// Answers, unless a failure is planned for this moment. Returns whether the planned answer was given.
    async fn answer_at(&mut self, moment: Moment, line: &str) -> Result<bool, Ended> {
        match self.smtp.take_fault(moment) {
            None => self.say(line).await.map(|()| true),
            Some(Fault::Answer(instead)) => self.say(&instead).await.map(|()| false),
            Some(Fault::Cut | Fault::KeepAndCut) => Err(Ended),
        }
    }

    async fn say_extensions(&mut self) -> Result<(), Ended> {
        let mut lines = vec!["sim.example", "PIPELINING", "ENHANCEDSTATUSCODES"];
        if self.smtp.0.options.tls.is_some() && !self.encrypted {
            lines.push("STARTTLS");
        } else if self.smtp.0.options.login.is_some() {
            lines.push("AUTH PLAIN LOGIN");
        }
        let last = lines.len() - 1;
        let lines = lines.into_iter().enumerate();
        let answer = lines.map(|(index, line)| format!("250{}{line}", if index == last { ' ' } else { '-' }));
        self.say(&answer.collect::<Vec<_>>().join("\r\n")).await
    }

    /// The same session, encrypted; the client has to greet again.
    async fn start_tls(mut self) -> Result<Self, Ended> {
        let Some((acceptor, _)) = self.smtp.0.options.tls.clone().filter(|_| !self.encrypted) else {
            self.say("503 5.5.1 no TLS here").await?;
            return Err(Ended);
        };
        self.say("220 2.0.0 go ahead").await?;
        // What was sent before the handshake would be read as if it were encrypted (CVE-2011-0411).
        if !self.stream.buffer().is_empty() {
            return Err(Ended);
        }
        let stream = acceptor.accept(self.stream.into_inner()).await?;
        let stream: Pin<Box<dyn Stream>> = Box::pin(stream);
        let stream = BufReader::new(stream);
        Ok(Self { smtp: self.smtp, stream, encrypted: true, greeted: false, authenticated: false })
    }

    async fn authenticate(&mut self, rest: &str) -> Result<(), Ended> {
        let Some((user, password)) = self.smtp.0.options.login.clone() else {
            return self.say("503 5.5.1 no login here").await;
        };
        if self.smtp.0.options.tls.is_some() && !self.encrypted {
            return self.say("538 5.7.11 encrypt first").await;
        }
        let wanted = STANDARD.encode(format!("\0{user}\0{password}"));
        self.authenticated = rest.strip_prefix("PLAIN ").is_some_and(|given| given == wanted);
        let line = if self.authenticated { "235 2.7.0 welcome" } else { "535 5.7.8 wrong user or password" };
        self.say(line).await
    }

    async fn mail(&mut self, rest: &str, envelope: &mut Envelope) -> Result<(), Ended> {
        if !self.greeted || envelope.sender.is_some() {
            return self.say("503 5.5.1 not now").await;
        }
        if self.smtp.0.options.login.is_some() && !self.authenticated {
            return self.say("530 5.7.0 log in first").await;
        }
        let Some(address) = address(rest, "FROM:") else { return self.say("501 5.1.7 no address").await };
        if self.answer_at(Moment::Sender, "250 2.1.0 ok").await? {
            envelope.sender = Some(address);
        }
        Ok(())
    }

    async fn recipient(&mut self, rest: &str, envelope: &mut Envelope) -> Result<(), Ended> {
        if envelope.sender.is_none() {
            return self.say("503 5.5.1 MAIL first").await;
        }
        let Some(address) = address(rest, "TO:") else { return self.say("501 5.1.3 no address").await };
        if self.answer_at(Moment::Recipient, "250 2.1.5 ok").await? {
            envelope.recipients.push(address);
        }
        Ok(())
    }

    async fn data(&mut self, envelope: &mut Envelope) -> Result<(), Ended> {
        if envelope.recipients.is_empty() {
            return self.say("503 5.5.1 RCPT first").await;
        }
        let Envelope { sender, recipients } = std::mem::take(envelope);
        if !self.answer_at(Moment::Data, "354 go ahead").await? {
            return Ok(());
        }
        let raw = self.content().await?;
        let letter = Letter {
            at: self.smtp.0.control.clock().now(),
            sender: sender.unwrap_or_default(),
            recipients,
            encrypted: self.encrypted,
            raw,
        };
        if let Some(fault) = letter.fault() {
            return self.say(fault).await;
        }
        match self.smtp.take_fault(Moment::Content) {
            None => {
                self.smtp.keep(letter);
                self.say("250 2.0.0 kept").await
            }
            Some(Fault::KeepAndCut) => {
                self.smtp.keep(letter);
                Err(Ended)
            }
            Some(Fault::Cut) => Err(Ended),
            Some(Fault::Answer(line)) => self.say(&line).await,
        }
    }

    /// The lines until the one with a single dot.
    async fn content(&mut self) -> Result<String, Ended> {
        let mut content = String::new();
        loop {
            let line = self.line().await?;
            if line == "." {
                return Ok(content);
            }
            content.push_str(line.strip_prefix('.').unwrap_or(&line));
            content.push_str("\r\n");
            if content.len() > MAX_LETTER {
                self.say("552 5.3.4 too large").await?;
                return Err(Ended);
            }
        }
    }

    /// A line without its end. One that does not end in CRLF, or is too long, ends the session.
    async fn line(&mut self) -> Result<String, Ended> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(Ended);
        }
        let text = line.strip_suffix(b"\r\n").filter(|_| line.len() <= MAX_LINE);
        let Some(text) = text.and_then(|text| String::from_utf8(text.to_vec()).ok()) else {
            self.say("500 5.5.2 lines end in CRLF and have at most 1000 octets").await?;
            return Err(Ended);
        };
        Ok(text)
    }
}

/// The address in `FROM:<a@b.c>`, without parameters, which no extension that we announce has.
fn address(rest: &str, keyword: &str) -> Option<String> {
    let head = rest.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let address = rest[keyword.len()..].strip_prefix('<')?.strip_suffix('>')?;
    let (name, host) = address.rsplit_once('@')?;
    let good = !name.is_empty() && !host.is_empty() && !address.contains(char::is_whitespace);
    good.then(|| address.to_owned())
}
