//! Conclusions from a reply about the connection that carried it.

use redis::{RedisError, RedisResult, ServerError, Value};

/// Errors of a server that is not the primary, or not yet. `NOREPLICAS`: a primary without the replicas that
/// `min-replicas-to-write` requires, such as one that is cut off from them.
const REFUSAL_CODES: [&str; 4] = ["READONLY", "MASTERDOWN", "LOADING", "NOREPLICAS"];

/// Part of the error of a script that writes on a replica. Redis 6.2 reports it with the code `ERR`.
const READ_ONLY_IN_SCRIPT: &str = "READONLY You can't write against a read only replica";

/// State of a connection after a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// The server is the primary, as far as the reply tells.
    Good,
    /// The server refused the command, because it is no primary that takes writes.
    Refused,
    /// The connection is lost, or its server did not answer in time.
    Lost,
}

impl Health {
    /// The crate returns errors of the server as values of successful replies.
    pub(super) fn of<R: Reply>(reply: &RedisResult<R>) -> Self {
        match reply {
            Ok(reply) if reply.values().iter().any(is_refusal) => Self::Refused,
            Err(error) if error.is_io_error() || error.is_unrecoverable_error() => Self::Lost,
            Err(error) if has_refusal(error) => Self::Refused,
            Ok(_) | Err(_) => Self::Good,
        }
    }
}

/// The reply to a command or to a pipeline.
pub(super) trait Reply {
    /// One value, or one for each command of the pipeline.
    fn values(&self) -> &[Value];
}

impl Reply for Value {
    fn values(&self) -> &[Value] {
        std::slice::from_ref(self)
    }
}

impl Reply for Vec<Value> {
    fn values(&self) -> &[Value] {
        self
    }
}

fn is_refusal(value: &Value) -> bool {
    match value {
        Value::ServerError(error) => refuses(error),
        // Of a transaction.
        Value::Array(items) => {
            items.iter().any(|item| matches!(item, Value::ServerError(error) if refuses(error)))
        }
        _ => false,
    }
}

/// Errors of the commands of a transaction are inside its own.
fn has_refusal(error: &RedisError) -> bool {
    error.clone().into_server_errors().is_some_and(|errors| errors.iter().any(|(_, error)| refuses(error)))
}

fn refuses(error: &ServerError) -> bool {
    REFUSAL_CODES.contains(&error.code())
        || error.details().is_some_and(|details| details.contains(READ_ONLY_IN_SCRIPT))
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::parse_redis_value;

    use super::*;

    fn value(wire: &str) -> Value {
        parse_redis_value(wire.as_bytes()).unwrap()
    }

    fn health(wire: &str) -> Health {
        Health::of(&Ok(value(wire)))
    }

    #[test]
    fn a_server_that_is_not_the_primary_refuses() {
        for wire in [
            "-READONLY You can't write against a read only replica.\r\n",
            "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
            "-LOADING Redis is loading the dataset in memory\r\n",
            "-NOREPLICAS Not enough good replicas to write.\r\n",
            // A script on Redis 7, on Redis 6.2, and a transaction.
            "-READONLY You can't write against a read only replica. script: 8f2a, on @user_script:4.\r\n",
            "-ERR Error running script (call to f_8f2a): @user_script:4: @user_script: 4: -READONLY You can't write against \
             a read only replica. \r\n",
            "*2\r\n+OK\r\n-READONLY You can't write against a read only replica.\r\n",
        ] {
            assert_eq!(health(wire), Health::Refused, "{wire}");
        }
        let pipeline = vec![Value::Okay, value("-READONLY You can't write against a read only replica.\r\n")];
        assert_eq!(Health::of(&Ok(pipeline)), Health::Refused);
        let aborted = value("-READONLY You can't write against a read only replica.\r\n").extract_error();
        assert_eq!(Health::of(&aborted), Health::Refused);
    }

    #[test]
    fn other_errors_of_the_server_leave_the_connection_as_it_is() {
        for wire in [
            "+OK\r\n",
            "$-1\r\n",
            "*1\r\n$8\r\nREADONLY\r\n",
            "-ERR unknown command 'READONLY'\r\n",
            "-NOSCRIPT No matching script. Please use EVAL.\r\n",
            "-BUSY Redis is busy running a script.\r\n",
            "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.\r\n",
            "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        ] {
            assert_eq!(health(wire), Health::Good, "{wire}");
        }
        let wrong_type =
            Err::<Value, _>(RedisError::from((redis::ErrorKind::UnexpectedReturnType, "no number")));
        assert_eq!(Health::of(&wrong_type), Health::Good);
    }

    #[test]
    fn a_connection_that_breaks_or_times_out_is_lost() {
        for kind in [
            io::ErrorKind::BrokenPipe,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::UnexpectedEof,
            io::ErrorKind::TimedOut,
        ] {
            let lost = Err::<Value, _>(RedisError::from(io::Error::from(kind)));
            assert_eq!(Health::of(&lost), Health::Lost, "{kind:?}");
        }
    }
}
