//! Short questions to Redis and its sentinels. xtask does without a client library.

use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::port::loopback;

/// Timeout of connecting and of each read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends a command without blanks in its arguments; returns the strings of the answer, those of nested arrays too.
///
/// # Errors
///
/// The server is unreachable, or answers with an error.
pub(super) fn ask(port: u16, command: &str) -> Result<Vec<String>> {
    let mut stream = TcpStream::connect_timeout(&loopback(port), ANSWER_TIMEOUT).context("cannot connect")?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).context("cannot set a timeout")?;
    stream.write_all(format!("{command}\r\n").as_bytes()).context("cannot send a command")?;
    let mut strings = Vec::new();
    read(&mut BufReader::new(stream), &mut strings)?;
    Ok(strings)
}

/// Reads one value of the protocol (RESP2).
fn read(from: &mut impl BufRead, into: &mut Vec<String>) -> Result<()> {
    let mut line = String::new();
    from.read_line(&mut line).context("no answer")?;
    let line = line.trim_end();
    let Some((kind, rest)) = line.split_at_checked(1) else { bail!("no answer") };
    match kind {
        "+" | ":" => into.push(rest.to_owned()),
        "-" => bail!("{rest}"),
        "$" => {
            // -1: no value.
            if let Ok(length) = rest.parse::<usize>() {
                let mut text = vec![0; length + 2];
                from.read_exact(&mut text).context("an incomplete answer")?;
                text.truncate(length);
                into.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        "*" => {
            for _ in 0..rest.parse::<usize>().unwrap_or_default() {
                read(from, into)?;
            }
        }
        _ => bail!("not an answer of Redis: {line}"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::read;

    fn strings(wire: &str) -> anyhow::Result<Vec<String>> {
        let mut strings = Vec::new();
        read(&mut wire.as_bytes(), &mut strings)?;
        Ok(strings)
    }

    #[test]
    fn answers_are_read_with_their_nested_values() {
        for (wire, expected) in [
            ("+PONG\r\n", vec!["PONG"]),
            (":7\r\n", vec!["7"]),
            ("$5\r\na\r\nbc\r\n", vec!["a\r\nbc"]),
            ("$-1\r\n", vec![]),
            ("*-1\r\n", vec![]),
            ("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n", vec!["127.0.0.1", "6379"]),
            ("*2\r\n*1\r\n+x\r\n:1\r\n", vec!["x", "1"]),
        ] {
            assert_eq!(strings(wire).unwrap(), expected, "{wire:?}");
        }
    }

    #[test]
    fn an_error_or_a_stranger_is_an_error() {
        for (wire, told) in [
            ("-ERR No such master\r\n", "No such master"),
            ("", "no answer"),
            ("HTTP/1.1\r\n", "HTTP"),
            ("$9\r\nx", "incomplete"),
        ] {
            assert!(format!("{:#}", strings(wire).unwrap_err()).contains(told), "{wire:?}");
        }
    }
}
