//! The simulator refuses what a strict server refuses.

use flysk_simulators::smtp::{self, Options};
use flysk_simulators::{Control, Running};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

struct Dialogue(BufReader<TcpStream>);

impl Dialogue {
    async fn with(server: &Running<smtp::Smtp>) -> Self {
        let mut dialogue = Self(BufReader::new(TcpStream::connect(server.addr).await.unwrap()));
        assert!(dialogue.line().await.starts_with("220 "));
        dialogue
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line
    }

    /// Sends bytes and returns the last line of the answer.
    async fn say(&mut self, text: &str) -> String {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
        loop {
            let line = self.line().await;
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }
}

async fn server(login: Option<(&str, &str)>) -> Running<smtp::Smtp> {
    let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
    smtp::start(Options { login, ..Options::default() }, Control::default()).await.unwrap()
}

const LETTER: &str = "From: <a@b.example>\r\nTo: <c@d.example>\r\nDate: Tue, 01 Dec 2026 09:00:00 +0000\r\nMessage-ID: <1@b>\r\n\
                      Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n..dot\r\n.\r\n";

#[tokio::test]
async fn commands_are_taken_only_in_their_order() {
    let server = server(None).await;
    let mut dialogue = Dialogue::with(&server).await;
    for (command, code) in [
        ("MAIL FROM:<a@b.example>\r\n", "503"),
        ("EHLO\r\n", "500"),
        ("EHLO here\r\n", "250"),
        ("RCPT TO:<c@d.example>\r\n", "503"),
        ("MAIL FROM:a@b.example\r\n", "501"),
        ("MAIL FROM:<a@b.example>\r\n", "250"),
        ("DATA\r\n", "503"),
        ("MAIL FROM:<a@b.example>\r\n", "503"),
        ("RCPT TO:<c@d.example>\r\n", "250"),
        ("DATA\r\n", "354"),
        (LETTER, "250"),
        ("STARTTLS\r\n", "503"),
    ] {
        let answer = dialogue.say(command).await;
        assert!(answer.starts_with(code), "{command}: {answer}");
    }
    assert!(server.state.letters()[0].raw.ends_with("\r\n\r\n.dot\r\n"));
}

#[tokio::test]
async fn bare_line_feeds_and_letters_that_are_none_are_refused() {
    let server = server(None).await;
    let mut dialogue = Dialogue::with(&server).await;
    assert!(dialogue.say("EHLO here\n").await.starts_with("500 5.5.2"));
    for letter in [
        LETTER.replace("Message-ID: <1@b>\r\n", ""),
        LETTER.replace("<c@d.example>", "<e@d.example>"),
        LETTER.replace("Subject: x", "Subject: ы"),
    ] {
        let mut dialogue = Dialogue::with(&server).await;
        for command in
            ["EHLO here\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<c@d.example>\r\n", "DATA\r\n"]
        {
            dialogue.say(command).await;
        }
        assert!(dialogue.say(&letter).await.starts_with("554 5.6."), "{letter}");
    }
    assert!(server.state.letters().is_empty());
}

#[tokio::test]
async fn nobody_sends_without_the_login_that_is_required() {
    let server = server(Some(("user", "password"))).await;
    let mut dialogue = Dialogue::with(&server).await;
    dialogue.say("EHLO here\r\n").await;
    assert!(dialogue.say("MAIL FROM:<a@b.example>\r\n").await.starts_with("530"));
    assert!(dialogue.say("AUTH PLAIN AHVzZXIAd3Jvbmc=\r\n").await.starts_with("535"));
    assert!(dialogue.say("AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=\r\n").await.starts_with("235"));
    assert!(dialogue.say("MAIL FROM:<a@b.example>\r\n").await.starts_with("250"));
}
